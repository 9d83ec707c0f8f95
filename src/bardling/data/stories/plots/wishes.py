"""Wishes and what comes of them: what was wished for comes, and has to be put up with."""

from bardling.data.stories.notation import Site

SENTENCES = """
plot:
  8 {hero} freed <a colour> <wisher=beast> from <a =state> <=thing>. <wish.granted>
  7 {hero} made <a pet=beast> out of <stuff> and <many =treat>. <pet.alive>

wish.granted:
  5 "One wish," it <=said>. "I want <number> <wanted=state> <many want=thing>!" <=said> {hero}.
    <wish.come>
  4 "For that, a wish!" So {she} wished for <number> <wanted=state> <many want=thing>. <wish.come>
  3 It granted {him} <number> <wanted=state> <many want=thing>, <=how>. <wish.come>

wish.come:
  3 They fell from the sky <=how>, onto <a =state> <=thing> and <a =mood> <=job>. <wish.trouble>
  4 At once the <=placelook> <=place> of <=village> was full of them. <wish.trouble>
  4 With <a =noise> they came, all {number}, made of <=stuff>. <wish.trouble>

wish.trouble:
  5 They <=shook> <=how> all night, and {her} <elder> was <=feeling>. <wish.end>
  4 <meet> "Look, {number} {wanted} {many want}!" <=said> {pal} <=how>. <wish.end>
  3 Each {want} wanted <a =treat> and <a =colour> <=garment>. <wish.end>

wish.end:
  5 "Take the {many want} away," {she} <=said> <=how> to the {colour} {wisher}. <happy> <end>
  4 The {who} gave all {number} {wanted} {many want} to <a =mood> <=job>. <end>
  4 {hero} kept one {want}, and <=mended> it <=how> with <=taste> <many =treat>. <end>

pet.alive:
  3 {hero} <=mended> it <=how>, and it opened its eyes: "I am <petname=titled>!" <pet.wants>
  5 It <=shook> and <=said>, "I am <=feeling>, and called <petname=titled>." <pet.wants>
  4 With <a =noise> it came alive. "Call me <petname=titled>," it <=said>. <pet.wants>

pet.wants:
  5 But {petname} was afraid of <fear>, and hid <=near> <a =state> <=thing>. <pet.day>
  4 {petname} ate <=taste> <many =treat> and knew all about <fear>. <pet.day>
  3 The {pet} was good at <=skill>, but not at <fear>. <pet.day>

pet.day:
  5 Together they <=went> <=how> to <a =placelook> <=place>. <pet.end>
  4 Everybody in <=village> wanted <a =mood> {pet} like that. <pet.end>
  3 It was <=weather>, and {petname} <=mended> <a =state> <=thing>. <pet.end>

pet.end:
  5 Then came {fear}, and {petname} the {pet} <=shook> <=how>. "I am only {stuff}!" <end>
  4 In the rain {petname} went soft, as {stuff} does. {hero} <=mended> {petname.him} <=how>.
    <happy> <end>
  3 "For {a pet} of {stuff}," {she} <=said> <=how>, "you are quite <=mood>." <end>
"""


def sites() -> list[Site]:
    """Return no words of its own."""
    return []
