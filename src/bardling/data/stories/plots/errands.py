"""What is carried to somebody: a gift, a message, a tune; it arrives as it was sent."""

from bardling.data.stories.notation import Site

SENTENCES = """
plot:
  8 it was the birthday of <pal=titled>, and {hero} had <a =colour> <state> <gift=thing>.
    <gift.ready>
  8 the <sender=job> sent {him} to <pal=titled> of <=village>: "<words>" <message.way>
  7 {hero} wanted to play <a =state> <instrument>. <play.teacher>

words:
  5 I need <number> <taste> <many order=treat> and <a colour> <order2=garment>!
  4 Bring <a colour> <order2=garment>, <number> <many order=treat>, and nothing <taste>!
  3 Sell the <order2=garment>, eat <number> <taste> <many order=treat>, paint the door <colour>!

gift.ready:
  5 {She} <=mended> it <=how> and put it into <a =colour> <=garment>. <gift.way>
  4 It was made of <=stuff>, and had cost <=number> <=taste> <many =treat>. <gift.way>
  3 "How <=feeling> {pal.she} will be," <=said> the {who} <=how>. <gift.way>

gift.way:
  5 <journey> It was so heavy that <a =mood> <=beast> helped. <gift.given>
  4 On the way <a =beast> <=said>, "What <a =state> parcel!" <gift.given>
  4 But it fell into <a =placelook> <=place>, and <a =beast> <=mended> it. <gift.given>

gift.given:
  5 "For me?" {pal} <=said> <=how>. It was the {gift}, and {pal.she} <=shook>, <=feeling>. <end>
  4 {pal} had wanted {a state} {gift}, not <a =treat>, and was <=feeling>. <end>
  4 When {pal} <=how> unpacked the {state} {gift}, it made <a =noise>. <happy> <end>
  2 "I have <=number> of these," {pal} <=said>, "but none so {state}." <end>

message.way:
  3 Set to music, {she} sang it <=how> past <a =placelook> <=place>. <message.distraction>
  5 <journey> {She} repeated it <=how>. <message.distraction>
  4 To be sure {she} wrote it <=how> on {her} <=colour> <=garment>. <message.distraction>

message.distraction:
  3 Near <=village> <a =mood> <=job> offered {him} <=number> <=taste> <many =treat>.
    <message.said>
  5 Then <a =beast> <=went> up and sold {him} <a =state> <=thing>. <message.said>
  4 It was <=weather>, and <=number> <=mood> <many =beast> <=shook>. <message.said>

message.said:
  5 "Remember: {number} {many order}, {a order2}," {she} <=said> <=how> to the <=feeling> {pal}.
    <message.end>
  4 {pal}, <=feeling>, heard of {number} {many order} and {a order2}, and <=shook>. <message.end>
  3 "Something {colour}, something {taste}, {many order}," <=said> {hero} <=how>. <message.end>

message.end:
  5 "Tell the {sender} I am <=feeling>," {pal} <=said> <=how>, with <a =noise>. <end>
  4 {pal} <=shook> <=how>. "I have only <=number> <=state> <many =thing>!" <end>
  3 So the {sender} met {pal}, and {hero} got <a =colour> <=state> <=thing>. <end>

play.teacher:
  5 {Her} teacher was <pal=titled>, <a =mood> <=beast>. <play.first>
  4 {She} bought one of <=stuff> from <pal=titled> for <=number> <=taste> <many =treat>.
    <play.first>
  3 "Begin <=how>," <=said> <pal=titled>, and gave {him} <a =state> one. <play.first>

play.first:
  5 "{instrument.sound}!" it went, <=how>, so that the <=placelook> <=place> shook.
    <play.practice>
  4 At first it made <a =noise>, and <=number> <=mood> <many =beast> fled. <play.practice>
  3 {hero} blew <=how>. It smelled of <=smell>. <play.practice>

play.practice:
  3 Only <a =mood> <=beast> came to listen, and <=shook> <=how>. <play.concert>
  5 For <=number> days {she} played <=near> <a =state> <=thing>, <=how>. <play.concert>
  3 <aside> Then {she} played for {her} <elder>, who <=shook>. <play.concert>

play.concert:
  5 "{instrument.sound}!" went the {instrument} <=how>, and {pal} <=shook>, <=feeling>. <end>
  4 Now all of <=village> listens <=how>: {instrument.sound}! <happy> <end>
  3 "What <a =state> {instrument}!" <=said> {pal} <=how>. <happy> <end>
"""


def sites() -> list[Site]:
    """Return no words of its own."""
    return []
