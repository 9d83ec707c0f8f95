"""Small counting and fair dealing: what was given and what is left, what was swapped for what."""

from bardling.data.stories.notation import Site, site_of_rows

SENTENCES = """
plot:
  9 {hero} had <count> <taste> <many ware2=treat> in <a =colour> <=garment>. <count.meet>
  7 {hero} set off to sell <a state> <first=thing>. <swap.one>
  7 {hero} cooked for <number> <mood2=mood> <many guest=beast>. <soup.one>

count.meet:
  5 <meet> {pal} <=said> <=how>, and got <gave[count]>. <count.left>
  4 {She} gave <gave[count]> to <pal=titled>, <a =mood> <=beast>. <count.left>
  3 "Give me <gave[count]>!" <=said> <pal=titled>, the <=feeling> <=job>. <count.left>

count.left:
  3 <aside> That left {gave.left}. <count.more>
  5 Now {gave.left} {many ware2} were left, and <a =state> <=thing>. <count.more>
  4 So {pal} had {gave}, and <=how> {hero} counted {gave.left}. <count.more>
  3 "That leaves {gave.left}," {she} <=said> <=how>. <count.more>
  3 {pal} ate {gave} of them <=how>, and was <=feeling>. <count.more>

count.more:
  5 <journey> One fell into <a =state> <=thing>, which made {gave.still}. <count.end>
  4 Then <a =mood> <=beast> took one <=how>, and {gave.still} were left. <count.end>
  3 {She} swapped one for <a =state> <=thing>, so {gave.still} were left. <count.end>

count.end:
  5 {hero} hid {her} {gave.still} {many ware2} <=near> <a =placelook> <=place>. <end>
  4 "Once {count}, now {gave.still}," {she} <=said> <=how> to <a =mood> <=job>. <end>
  4 And so {count} {taste} {many ware2} became {gave.still}, on <a =weather> <=daytime>. <happy>
    <end>

swap.one:
  4 {She} met <a =mood> <=job>, who gave {him} <a =colour> <second=garment> for it. <swap.two>
  4 "For that {first} I give <a =colour> <second=garment>," <=said> <a =job>. <swap.two>
  3 <journey> There it went for <a =colour> <second=garment>. <swap.two>

swap.two:
  5 For the {second} {she} got <a third=beast> and <=number> <=taste> <many =treat>. <swap.three>
  4 But it smelled of <=smell>, so {she} took <a =mood> <third=beast>. <swap.three>
  3 <meet> {pal} offered <a third=beast> for the {second}. <swap.three>

swap.three:
  5 The {third} <=went> off <=how>, and left only <a treat> <=near> the <=place>. <swap.end>
  4 In <=village> the {third} went for <a treat> and <a =noise>. <swap.end>
  3 "I want no {third}," <=said> {her} <elder>, but gave {him} <a treat>. <swap.end>

swap.end:
  5 First {a first}, then {a second}, {a third}, now {a treat}: {hero} <=shook> <=how>,
    <=feeling>. <end>
  4 "No {first}, no {second}, no {third}," {she} <=said> <=how>, and <=mended> the {treat} <=how>.
    <end>
  3 Who needs {a state} {first}? The {who} <=shook> <=how>, <=feeling>. <happy> <end>

soup.one:
  5 From <=village> {she} got <=number> <=taste> <many base=treat>. <soup.two>
  4 {She} found <=number> <=taste> <many base=treat> <=near> the <=place>. <soup.two>
  3 "Take <=number> <=taste> <many base=treat>," <=said> {her} <elder> <=how>. <soup.two>

soup.two:
  5 Then {she} stirred in <a colour> <spice=garment> that smelled of <smell>. <soup.three>
  4 By mistake in fell <a colour> <spice=garment>, smelling of <smell>. <soup.three>
  3 <meet> {pal} <=how> threw in <a colour> <spice=garment>, for the <smell>. <soup.three>

soup.three:
  5 The soup of {many base} and {spice} was {colour}, <=taste> and <=feeling>. <soup.end>
  4 "Mmm, {smell}!" the {many guest} <=said> <=how>, and <=shook>. <soup.end>
  3 It turned {colour}, then <=colour>, then {colour} again. <soup.end>

soup.end:
  5 The {number} {many guest} <=shook> <=how>, and <=shook> <=how>. <end>
  4 {hero} ate the {many base}, and the {many guest} the {spice}, <=how> and <=feeling>. <end>
  3 Only one {mood2} guest, from <=village>, <=said> <=how>, "More {smell}!" <end>
"""

NUMBERS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def sites() -> list[Site]:
    """Return how many there are, and for each number how many can be given away."""
    counts = range(5, len(NUMBERS))
    found = [site_of_rows("count", [[NUMBERS[n]] for n in counts])]
    for n in counts:
        rows = [[NUMBERS[k], NUMBERS[n - k], NUMBERS[n - k - 1]] for k in range(2, n - 2)]
        found.append(site_of_rows(f"gave[{NUMBERS[n]}]", rows, ("left", "still")))
    return found
