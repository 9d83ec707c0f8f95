"""What is lost, stolen or missed: a thing that goes early and comes back much later."""

from bardling.data.stories.notation import Site

SENTENCES = """
plot:
  12 {hero} lost {her} <colour> <state> <toy=thing>. <lost.search>
  7 {hero} heard <a noise> from <a placelook> <place3=place>. <fear.hide>
  8 somebody stole <number> <=taste> <many loot=treat> from the <=mood> <victim=job>. <thief.clue>
  7 {hero} met <a =mood> <cub> from <=village>. <cub.ask>

lost.search:
  4 <aside> But there was no {toy}. <lost.ask>
  5 {She} looked <=near> <a =placelook> <=place>, but found only <=number> <=state> <many =thing>.
    <lost.ask>
  4 "Who took my {colour} {toy}?" {she} <=said> <=how> to <a =mood> <=beast>. <lost.ask>
  3 The {who} <=shook> <=how>, and <=went> <=how> through <=village>. <lost.ask>
  3 It was not <=near> the <=place>, nor in the <=job>'s <=colour> <=garment>. <lost.ask>

lost.ask:
  5 <meet> "Look <where=near> the <spot=place>," <=said> {pal} <=how>. <lost.go>
  4 {Her} <elder> <=said> <=how>: "It is <where=near> the <spot=place>, my <=mood> {who}."
    <lost.go>
  3 In a dream of <many =treat> it lay <where=near> the <spot=place>. <lost.go>

lost.go:
  5 To the {spot} {she} <=went> <=how>, in <a =colour> <=garment>. <lost.found>
  4 On the way {hero} ate <=number> <=taste> <many =treat>. <lost.found>
  3 <journey> Nothing but <=number> <=state> <many =thing>! <lost.found>

lost.found:
  5 And {where} the {spot} lay the {colour} {toy}, full of <=number> <=taste> <many =treat>. <end>
  4 There, {where} the {spot}, <a =beast> sat on the {state} {toy} and <=shook> <=how>. <end>
  4 "My {toy}!" <=said> {hero} <=how>. It smelled of <=smell>. <happy> <end>
  2 Alas, the {toy} was of <=stuff> now, though {colour} and {state}, and made <a =noise>. <end>
  2 Round the {state} {toy} stood <=number> <=mood> <many =beast> and <=shook>. <end>

fear.hide:
  5 {She} feared <fear>, and hid <=near> <a =colour> <=state> <=thing>. <fear.go>
  4 "Not <fear>!" {she} <=said> <=how>, and hid <=near> <a =state> <=thing>. <fear.go>
  3 The <=feeling> {who} thought of <fear>, and <=shook>. <fear.go>

fear.go:
  5 With <a =state> <=thing> {she} <=went> there <=how>. <fear.truth>
  4 For <=number> hours {she} ate <=taste> <many =treat>, <=how>. <fear.truth>
  3 "I have <a =state> <=thing>!" <=said> {hero} <=how>. <fear.truth>

fear.truth:
  5 It was only <pal=titled>, <a =mood> <=job>, practising <=skill> <=how>. <fear.calm>
  4 But it was <a =beast>, <pal=titled>, stuck in <a =state> <=thing>. <fear.calm>
  3 Out came <pal=titled> with <=number> <=state> <many =thing>. <fear.calm>

fear.calm:
  5 "Sorry about the {noise}," <=said> {pal} <=how>, with <a =state> <=thing>. <end>
  4 {pal} <=shook> <=how>, and so ended the {noise} from the {placelook} {place3}. <end>
  4 "I thought it was {fear}!" {hero} <=said>. <happy> <end>
  3 Now {hero} and {pal} are afraid of {fear} together, <=how>. <end>

thief.clue:
  5 There lay only <a colour> <garment> of <=stuff>, smelling of <=smell>. <thief.seek>
  4 "Find my {many loot}!" <=said> the {victim}, and gave {him} <a colour> <garment> as a clue.
    <thief.seek>
  3 The thief had dropped <a colour> <garment> <=near> the <=placelook> <=place>. <thief.seek>

thief.seek:
  5 {She} asked <=titled>, <a =beast>, who only ate <=taste> <many =treat>. <thief.meet>
  4 Some <=said>, "The <=beast>!", some, "The <=mood> <=job>!" <thief.meet>
  3 <journey> There stood <=titled>, but in <a =garment>. <thief.meet>

thief.meet:
  3 At midnight up <=went> <pal=titled> <=how>, and lost another {colour} {garment}. <thief.end>
  5 Then <pal=titled>, <a =mood> <=job>, <=went> up in one {colour} {garment}. <thief.end>
  4 And who wore a {colour} {garment} but <pal=titled>, <a =mood> <=job>? <thief.end>

thief.end:
  5 "I was <=feeling>," {pal} <=said> <=how>, and gave back the {number} {many loot}. <end>
  4 So {pal} had to cook {many loot} and <a =colour> <=thing> until <=season>. <end>
  3 But {pal} had eaten all {number} {many loot}, <=how>. <happy> <end>

cub.ask:
  5 "Are you {cub.parents}?" it <=said> <=how>. "No, {a who}," {hero} <=said>. <cub.seek>
  4 It <=shook> for its mother, so {hero} gave it <a =colour> <=garment>. <cub.seek>
  3 The {cub} ate <a =treat> and <=shook> <=how>. <cub.seek>

cub.seek:
  5 They asked <a =mood> <=beast>, <a =job> and <=number> <many =beast>. <cub.lure>
  4 They looked <=near> <a =placelook> <=place> and <=near> <a =state> <=thing>. <cub.lure>
  3 "Do not cry," {hero} <=said>, and <=mended> its <=garment>. <cub.lure>

cub.lure:
  3 With <a =state> <=thing> they called <=how>: it ate only <=food[cub.kind]>! <cub.end>
  5 They put <=food[cub.kind]> <=near> the <=placelook> <=place> and waited <=how>. <cub.end>
  4 All night it <=voice[cub.kind]> <=how> for its <=home[cub.kind]> and <=food[cub.kind]>.
    <cub.end>

cub.end:
  3 "There!" {hero} <=said> <=how>. {cub.parents} <=went> up, and <=voice[cub.kind]>. <end>
  5 Then came {cub.parents} and <=voice[cub.kind]> <=how>. <end>
  4 And who <=went> <=how> out of the <=placelook> <=place>? The {cub.parent}! <end>
"""


def sites() -> list[Site]:
    """Return no words of its own."""
    return []
