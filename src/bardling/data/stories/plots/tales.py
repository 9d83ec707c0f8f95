"""Stories inside stories, riddles, promises: what is said early decides what comes."""

from bardling.data.stories.notation import Site, words

SENTENCES = """
plot:
  8 {hero} lay awake, so {her} <=mood> <elder> told {him} <=how> a story. <tale.begin>
  7 {her} <=mood> <elder> <=said> <=how>: "Never <deed>!" <promise.given>
  5 {hero} found a door, and <pal=titled>, <a =mood> <=beast>, guarded it. <riddle.ask>

tale.begin:
  5 "There was <a inbeast=beast>, <imp=titled>, who had <a incolour=colour> <state> <prize=thing>.
    <tale.trouble>
  4 "My friend <imp=titled>, <a inbeast=beast>, found <a incolour=colour> <state> <prize=thing>.
    <tale.trouble>
  3 "In <=village> <a inbeast=beast> named <imp=titled> stole <a incolour=colour> <state>
    <prize=thing>. <tale.trouble>

tale.trouble:
  5 One <=daytime> {imp} hid it <where=near> the <spot=place> <=how>. <tale.turn>
  4 It fell down <where=near> the <spot=place>, with <a =noise>. <tale.turn>
  3 For <=number> years it stood <where=near> the <spot=place>. <tale.turn>

tale.turn:
  5 Then <a =job> <=mended> it <=how>. <tale.close>
  4 {imp} <=shook> <=how>, and ate <=taste> <many =treat>. <tale.close>
  3 But it was made of <=stuff>, and smelled of <=smell>. <tale.close>

tale.close:
  5 And there it is still, <=state> and <=feeling>." <tale.after>
  4 And the {inbeast} was <=feeling> ever after, with <a =job>." <tale.after>
  3 That is all, my {mood} {who}," {elder.she} <=said> <=how>. <tale.after>

tale.after:
  5 "And the {incolour} {prize}?" {hero} <=said> <=how>, but {elder.she} was asleep. <end>
  4 Next <=daytime> {hero} looked {where} the {spot}: there {imp} the {inbeast} <=shook> <=how>!
    <end>
  4 In {her} dream {imp} <=went> up <=how> and gave {him} the {state} {prize}. <end>
  3 "Poor {imp}," <=said> the {who} <=how>, and <=shook>. <happy> <end>

promise.given:
  5 "I promise," <=said> {hero} <=how>, and <=shook>. <promise.wait>
  4 The {who} promised <=how>, but {she} was <=feeling>. <promise.wait>
  3 "Not even on <a =daytime>?" {she} <=said>. "Never." <promise.wait>

promise.wait:
  5 <meet> "Go on, {deed}!" {pal} <=said> <=how>. <promise.choice>
  4 For <=number> days {hero} thought of <=game[look.age]>, <many =treat> and <=skill>.
    <promise.choice>
  3 <journey> There sat <a =mood> <=beast>, who <=shook>. <promise.choice>

promise.choice:
  5 But then {hero} {deed.did} <=how>, and {deed.fate}. <promise.broken>
  4 Only once, one <=weather> <=daytime>, {she} {deed.did}. At once {deed.fate}. <promise.broken>
  5 Still {she} did not {deed}, and got <a =colour> <=state> <=thing>. <promise.kept>

promise.broken:
  5 "Never {deed}!" <=said> {her} {elder} <=how>, <=feeling>. <end>
  4 It took <=number> <=mood> <many =beast> to put it right. <end>
  3 {hero} was <=feeling>, <=how>, and smelled of <=smell>. <end>

promise.kept:
  3 "Good {who}," {her} {elder} <=said>, {deed.did} <=how>, and {deed.fate}. <end>
  5 It was {her} {elder} who {deed.did} <=how>, and {deed.fate}. <end>
  4 The next <=daytime> <a =mood> <=job> {deed.did}, and {deed.fate}. <end>

riddle.ask:
  3 {pal} wore <a =colour> <=garment> and <=said> <=how>: "<riddle>" <riddle.wrong>
  5 "<riddle>" {pal} <=said> <=how>, and <=shook>. <riddle.wrong>
  4 It smelled of <=smell>, and made <a =noise>. "<riddle>" <riddle.wrong>

riddle.wrong:
  5 "Is it <a =state> <=thing>?" {hero} <=said>. "No!" <riddle.right>
  4 The {who} thought until <=season>, <=how>. <riddle.right>
  3 {She} asked <a =mood> <=beast>, who only <=shook> <=how>. <riddle.right>

riddle.right:
  3 In the end {she} <=said> <=how> that it was {riddle.answer2}. <riddle.prize>
  5 "{riddle.answer}!" {she} <=said> <=how>. <riddle.prize>
  4 "Could it be {riddle.answer2}?" <=said> {hero} <=how>. <riddle.prize>

riddle.prize:
  5 Behind the door were <=number> <=colour> <=state> <many =thing>. <end>
  4 "Right!" <=said> {pal} <=how>, and gave {him} <a =colour> <=thing>. <end>
  3 {pal} <=shook> <=how>, and there were <=number> <=taste> <many =treat>. <end>
"""

DEEDS = """
feed the geese|fed the geese|the geese moved in for good,
open the jar|opened the jar|a genie with a cold sneezed for a week,
wake the baby|woke the baby|nobody in the street slept until Easter,
press the red button|pressed the red button|it rained custard,
whistle at night|whistled at night|an owl whistled back and wanted to move in,
count the stars|counted the stars|the stars lost their place and began again,
lick the fence|licked the fence|the tongue stayed there until spring,
kiss the toad|kissed the toad|it turned into a much bigger toad,
pull the long rope|pulled the long rope|every bell in the country rang,
water the cactus|watered the cactus|it said thank you and would not stop talking,
sit on the hedgehog|sat on the hedgehog|everybody heard it,
paint the cow|painted the cow|the milk came out green,
talk to the scarecrow|talked to the scarecrow|it answered in Latin,
eat the last pickle|ate the last pickle|the pickles held a funeral with a brass band,
teach the parrot|taught the parrot|it corrected the mayor,
sing in the bath|sang in the bath|the tap joined in,
ring twice|rang twice|two of everything came,
lend out the broom|lent out the broom|it came back with a husband,
look behind the moon|looked behind the moon|there hung the washing of a thousand years,
shake the snow globe|shook the snow globe|it snowed in the kitchen,
race the snail|raced the snail|the snail won and gave a speech,
post the cheese|posted the cheese|the cheese wrote back,
tickle the bull|tickled the bull|he laughed until the barn fell down,
iron the cat|ironed the cat|she has been flat and cross ever since,
plant the spoon|planted the spoon|a fork came up
"""
RIDDLES = """
What has teeth but never bites?|A comb|a comb,
What gets wetter the more it dries?|A towel|a towel,
What has hands but cannot clap?|A clock|a clock,
What runs but never walks?|A river|a river,
What is full of holes and holds water?|A sponge|a sponge,
What goes up and never comes down?|Your age|your age,
What has one eye and cannot see?|A needle|a needle,
What has a neck but no head?|A bottle|a bottle,
What must be broken before you use it?|An egg|an egg,
What is yours but used by others?|Your name|your name,
What has a thumb and four fingers but no hand?|A glove|a glove,
What can you catch but not throw?|A cold|a cold,
What has many keys but opens no door?|A piano|a piano,
What has legs and never walks?|A table|a table,
What grows when it eats and dies when it drinks?|A fire|a fire,
What is as light as a feather and hard to hold?|Your breath|your breath,
What comes down and never goes up?|Rain|rain,
What has ears and cannot hear?|A cornfield|a cornfield
"""


def sites() -> list[Site]:
    """Return what must never be done, with what happens then, and riddles with their answers."""
    return [words("deed", DEEDS, ("did", "fate")), words("riddle", RIDDLES, ("answer", "answer2"))]
