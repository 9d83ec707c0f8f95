"""Races, maps and gardens: somebody is met, something is agreed, and it comes as agreed."""

from bardling.data.stories.notation import Site

SENTENCES = """
plot:
  8 {hero} ran a race with <pal=titled>, <a =mood> <racer=beast>, for <a state> <prize=thing>.
    <race.start>
  8 {hero} dug up an old map of <=village>, the <turn=place> and the <spot=place>. <map.read>
  8 {hero} bought a seed from <pal=titled>, <a =mood> <=job>. <seed.told>

race.start:
  5 The way led past <a =state> <=thing> to the <goal=place>. <race.run>
  4 "First at the <goal=place> wins!" <=said> <a =mood> <=job>. <race.run>
  3 Round the <goal=place> stood <=number> <=mood> <many =beast>. <race.run>

race.run:
  5 {pal} <=went> <=how>, but {hero} stopped for <=number> <=taste> <many treat>. <race.lost>
  4 {hero} <=went> <=how>, {her} <=garment> full of <=taste> <many treat>. <race.slip>
  4 After <=number> steps the {racer} stopped for <=taste> <many treat>. <race.won>

race.slip:
  3 Neither of them saw <a =state> <=thing>, but it was {hero} who <=shook> <=how>. <race.lost>
  5 Then {she} slipped on one of them, <=how>, and <=shook>. <race.lost>
  4 {pal} slipped on the {many treat}, with <a =noise>. <race.won>

race.won:
  5 So the {who} was first at the {goal}, and <=mended> the {prize} <=how>. <happy> <end>
  4 "The {prize} is mine!" {hero} <=said> at the {goal} <=how>. {pal} was <=feeling>. <end>
  3 At the {goal} {she} got the {state} {prize}, and {pal} <=number> <=taste> <many =treat>. <end>

race.lost:
  5 So the {racer} was first at the {goal}, and <=mended> the {prize} <=how>. <end>
  4 "The {prize} is mine!" {pal} <=said> at the {goal} <=how>. {hero} was <=feeling>. <end>
  3 At the {goal} {pal} got the {state} {prize}, but {hero} <=how> ate the {many treat}. <end>

map.read:
  5 "From the {turn} <=number> steps, then <where=near> the {spot}," {she} <=said> <=how>.
    <map.go>
  4 There was <a =colour> cross <where=near> the {spot}, and <a =state> <=beast>. <map.go>
  3 It smelled of <=smell>, and <=said> <=how>: "Dig <where=near> the {spot}!" <map.go>

map.go:
  5 First {she} <=went> to the {turn} <=how>, <=feeling>. <map.dig>
  4 With <a =state> <=thing> {she} <=went> to the {turn}. <map.dig>
  3 At the {turn} <pal=titled>, <a =beast>, <=said>, "Take me too!" <map.dig>

map.dig:
  3 Something <=colour> stuck out {where} the {spot}, and {she} <=mended> it <=how>. <map.found>
  5 Then {she} dug {where} the {spot} with <a =state> <=thing>, for <=number> hours. <map.found>
  3 But {where} the {spot} slept <a =mood> <=beast>, and <=shook>. <map.found>

map.found:
  5 "<=oath>!" There lay <=number> <=state> <many =thing> of <=stuff>. <end>
  4 At last, with <a =noise>, up came <a =state> <=thing>. <happy> <end>
  3 It was another map, of <=village>, <a =placelook> <=place> and the {spot}. <end>

seed.told:
  3 "Not much, only <a plant>," <=said> {pal} <=how>, "<colour>, with <smell> in its scent."
    <seed.sown>
  5 "It grows <colour>, <=state>, smelling of <smell>: <a plant>," <=said> {pal} <=how>.
    <seed.sown>
  4 {pal} called it <a plant>, and <=said>: "It will be <colour>, and smell of <smell>."
    <seed.sown>

seed.sown:
  5 The {who} sowed it in <a =colour> <=garment> <=near> the <=place>. <seed.wait>
  4 {She} gave it <=taste> <many =treat> and talked to it <=how>. <seed.wait>
  3 <journey> There {she} sowed it, <=feeling>. <seed.wait>

seed.wait:
  3 <aside> Nothing came. <seed.grown>
  5 For <=number> days there was nothing but <a =mood> <=beast>. <seed.grown>
  4 Nothing came until <=season>. "<=oath>!" {hero} <=said>. <seed.grown>
  3 {Her} <elder> <=shook> <=how> and <=mended> <a =state> <=thing>. <seed.grown>

seed.grown:
  5 Then up came the {plant}, {colour}, <=state> and <=feeling>, and smelled of {smell}. <end>
  4 {She} sold <=number> {colour} leaves to {pal} and <a =mood> <=beast>. <happy> <end>
  3 One <=daytime> {a colour} {plant} <=went> in <=how>. "Ah, {smell}!" <=said> the {who}. <end>
"""


def sites() -> list[Site]:
    """Return no words of its own."""
    return []
