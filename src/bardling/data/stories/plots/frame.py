"""How every story begins and ends, and the scenes that plots share."""

from bardling.data.stories.notation import Site

SENTENCES = """
story:
  1 <=ago> <opening>

opening:
  6 there was <a look> <who[look.age]> called <hero=name[who.gender]> <=surname>. <trait>
  5 in <=village> lived <a look> <who[look.age]>, <hero=name[who.gender]> <=surname>. <trait>
  4 lived <a look> <who[look.age]>, <hero=name[who.gender]>, in <a =state> <=home[who.kind]>
    <=near> <=village>. <trait>
  3 between <=village> and <=village> lived <a look> <who[look.age]>, <hero=name[who.gender]>.
    <trait>

trait:
  6 {hero} was <mood>, wore <a =colour> <=state> <=garment> of <=stuff>, and ate <=taste>
    <=food[who.kind]>. <when>
  5 {She} was <mood> and loved <=food[who.kind]>, <=game[look.age]>, <=state> <many =thing>,
    <=taste> <many =treat> and <=skill>. <when>
  5 The <mood> {who} <=voice[who.kind]> <=how>, ate <=taste> <=food[who.kind]> from <a =state>
    <=thing>, and smelled of <=smell>. <when>
  4 In {her} <=home[who.kind]> lay <a =state> <=thing>, <=food[who.kind]>, <a =colour> <=garment>,
    <=taste> <many =treat> and one <mood> {who}. <when>
  3 "<=oath>!" {she} <=said>, <mood> as {she} was, over <=food[who.kind]>, <=game[look.age]> or
    <a =state> <=thing>. <when>

when:
  6 One <=weather> <=daytime> <plot>
  4 On <a =weather> <=daytime> in <=village> <plot>
  4 After <=season>, in <=village>, <plot>
  4 Near the <=placelook> <=place>, <=how>, <plot>

aside:
  4 A <=weather> <=daytime>, which smelled of <=smell>!
  4 Somewhere <a =mood> <=beast> <=shook> <=how>.
  3 Meanwhile <a =mood> <=job> <=mended> <=number> <=state> <many =thing>.
  3 From <=village> came <a =mood> <=job>, and <=shook> <=how>.
  2 Even <a =placelook> <=place> <=shook>.

journey:
  5 So {she} <=went> <=how> to <=village>, with <a =state> <=thing> and <=taste> <many =treat>.
  4 {hero} <=went> past <a =placelook> <=place>, <a =mood> <=beast> and <a =state> <=thing>.
  3 Through <=village> the {who} <=went>, with <a =state> <=thing> and <a =mood> <=job>.
  3 Off {she} <=went> <=how>, in <a =colour> <=garment> of <=stuff>.

meet:
  5 There stood <pal=titled>, <a =mood> <=beast> in <a =colour> <=garment>.
  4 Along came <pal=titled> of <=village>, <a =mood> <=beast>.
  4 Who came by but <pal=titled>, the <=mood> <=beast>?
  3 Just then <a =beast> <=went> up <=how>, <pal=titled> of <=village>.

happy:
  5 {hero} <=shook> <=how>, <=feeling>.
  4 The {who} <=voice[who.kind]>, <=feeling> and <=how>.
  4 "<=oath>!" {she} <=said> <=how>, and <=shook>.

end:
  6 That night {she} dreamed of <=number> <=state> <many =thing> and <a =mood> <=beast> in
    <a =colour> <=garment>.
  6 {hero} lived <=how> in <=village> with <a =mood> <=job> and <a =state> <=thing>.
  6 Then {she} ate <=food[who.kind]>, <=taste> <many =treat> and <a =treat>, <=how>.
  3 The {mood} {who} was <=feeling> <=how>, then <=feeling>, and <=voice[who.kind]>.
  3 "What <a =weather> <=daytime>!" <=said> {hero} <=how>, and <=mended> <a =state> <=thing>.
  4 Ever since, {hero} keeps <a =state> <=thing> in <a =colour> <=garment>.
"""


def sites() -> list[Site]:
    """Return no words of its own: all plots share these."""
    return []
