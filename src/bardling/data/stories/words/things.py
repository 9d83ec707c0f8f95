"""What can be owned, lost, eaten, worn, played and planted."""

from bardling.data.stories.notation import Site, words

THINGS = """
ball, kite, hat, spoon, drum, bell, lantern, button, umbrella, boat, bucket, whistle, teapot,
book, key, balloon, bicycle, feather, basket, mirror, candle, pillow, marble, comb, ladder, wheel,
trumpet, box|boxes, clock, rope, sled, blanket, puppet, brush, violin, compass, pencil, coin,
cushion, jar, kettle, puzzle, wagon, ribbon, broom, shovel, telescope, cup, saucer, thimble, ring,
necklace, whisk, rug, stool, tent, sponge, hammer, wallet, postcard, scooter, crown, cape, mask,
backpack, hammock, raft, wheelbarrow, stamp, magnet, windmill, pinwheel, yo-yo, tambourine,
bagpipe, harmonica, sundial, hourglass, periscope, submarine, pogo stick, pincushion, doorknob,
doorbell, chandelier, bathtub, plughole, lampshade, footstool, wardrobe, suitcase, tablecloth,
napkin, birdcage, weathercock, garden gnome, flowerpot, watering can, lawnmower, rolling pin,
colander, ladle, corkscrew, nutcracker, sieve, toaster, waffle iron, egg timer, tea cosy,
hot-water bottle, bobble hat, monocle, walking stick, top hat, moustache comb, snow globe, music
box, jigsaw, rocking horse, dartboard, kaleidoscope, magnifying glass, typewriter, inkpot, quill
pen, globe, atlas, dictionary, diary, newspaper, parcel, envelope, treasure chest, anchor, oar,
cannonball, spyglass, cutlass, parachute, unicycle, tricycle, tractor, steamroller, caravan,
sleigh, canoe, gondola, zeppelin, rocket, robot, lightbulb, battery, bobbin, spindle, loom, anvil,
horseshoe, cowbell, milk churn, beehive, scarecrow, mousetrap, bootlace, shoehorn, coat hanger,
hatpin, cufflink, locket, brooch, tiara, sceptre, goblet, tankard, thermos, picnic hamper,
deckchair, sandcastle mould, snorkel, flipper, fishing rod, butterfly net, specimen jar, basin,
bench|benches, bolt, bow, bowl, bracelet, briefcase, brick, camera, cannon, cane, cart, carpet,
chain, chair, chalkboard, cradle, cricket bat, crystal ball, curtain, desk, doll, door, earring,
easel, fan, fence, flag, flute case, fork, frying pan, funnel, gate, glove, hairpin, handbag,
harpoon, hoop, jug, kennel, knife|knives, lamp, letter box|letter boxes, lid, loudspeaker,
mattress|mattresses, medal, mop, nail, needle, net, oven, padlock, paintbrush|paintbrushes, pan,
paper aeroplane, pedal, piano|pianos, plate, portrait, pram, purse, rake, razor, sack, saddle,
saw, scale, screw, shell, shelf|shelves, skate, skittle, sofa, stove, swing, sword, table, tap,
telephone, throne, torch|torches, tray, trunk, tyre, vase, wand, whip, wreath
"""
FOODS = """
apple, plum, pear, cherry, bun, cake, cookie, pie, sandwich, egg, biscuit, tomato|tomatoes,
potato|potatoes, onion, peach, muffin, pretzel, banana, lemon, apricot, strawberry, gooseberry,
walnut, chestnut, doughnut, pickle, cabbage, pumpkin, leek, beetroot, turnip, mushroom, olive,
sprout, waffle, scone, dumpling, pasty, tart, eclair, macaroon, gingerbread man|gingerbread men,
toffee, lollipop, gumdrop, liquorice stick, jam jar, pot of jam, jar of gherkins, bowl of soup,
slice of ham, wedge of cheese, cup of cocoa, mug of tea, bag of crisps, stick of rhubarb, bunch of
grapes, plate of spaghetti, tin of peaches, bar of chocolate, pineapple, coconut, melon, quince,
cream puff, croissant, bagel, tortilla, omelette, pancake stack, fishcake, haggis|haggises,
artichoke, aubergine, avocado|avocados, blackcurrant, brownie, carrot pie, cauliflower,
chilli|chillies, courgette, crab apple, cracker, cucumber, cupcake, curry, date, elderberry, fig,
flapjack, garlic clove, grape, hazelnut, jelly|jellies, kipper, lime, meringue, nectarine, nut,
oatcake, oyster, parsnip, pea, pepper, popcorn bag, pork pie, pudding, radish|radishes, raisin,
sausage roll, shrimp|shrimp, snail bun, spare rib, stew, sugar mouse|sugar mice, sultana, toast
slice, trifle, truffle, tuna melt, turnover, wafer, watermelon, yam, ginger nut, rock cake
"""
BEASTS = """
badger, heron, snail, tortoise, mole, otter, magpie, hedgehog, squirrel, toad, crow, beaver,
spider, camel, parrot, pelican, penguin, walrus, weasel, stork, donkey, llama, lobster, crab,
woodpecker, pigeon, ferret, raccoon, moose, yak, ostrich, flamingo|flamingos, kangaroo|kangaroos,
platypus, armadillo|armadillos, anteater, hippo|hippos, rhino|rhinos, elephant, giraffe, zebra,
crocodile, chameleon, gecko|geckos, salamander, centipede, ladybird, bumblebee, grasshopper,
earthworm, jellyfish|jellyfish, sea horse, puffin, cormorant, nightingale, cuckoo|cuckoos,
peacock, turkey, partridge, wombat, lemur, sloth, baboon, porcupine, chinchilla, wolverine,
dragon, unicorn, griffin, troll, goblin, gnome, pixie, ogre, ant, bee, beetle, bison|bison, boar,
buffalo|buffalo, bulldog, butterfly, buzzard, canary, caterpillar, cheetah, cockatoo|cockatoos,
crane, cricket, dingo|dingos, dodo|dodos, dolphin, dromedary, falcon, fly, gazelle, gerbil,
gorilla, guinea pig, hamster, hawk, hyena, ibis|ibises, iguana, jackal, jackdaw, kingfisher,
koala, leopard, locust, lynx|lynxes, macaw, mongoose, moth, newt, octopus|octopuses, okapi,
opossum, panda, panther, polecat, poodle, prawn, quail, raven, reindeer|reindeer, robin, scorpion,
shark, skunk, slug, sparrow, stoat, swallow, swift, tapir, termite, thrush|thrushes, toucan,
viper, vole, vulture, warthog, wasp, whale, wolf|wolves, worm, wren
"""
JOBS = """
baker, miller, postman, tailor, gardener, farmer, fisherman, cobbler, blacksmith, librarian,
teacher, doctor, nurse, plumber, carpenter, shepherd, innkeeper, butcher, grocer, mayor, judge,
pirate, sailor, ferryman, clockmaker, beekeeper, chimney sweep, lighthouse keeper, puppeteer,
juggler, acrobat, fortune-teller, fiddler, organist, conductor, opera singer, dentist, barber,
hatter, glove maker, candlestick maker, cheesemonger, fishmonger, ironmonger, cartographer,
astronomer, explorer, detective, burglar, tax collector, ghost hunter, weather forecaster,
tightrope walker, rat catcher, night watchman, actor, admiral, architect, archaeologist, artist,
astronaut, author, banker, bellringer, bishop, bookbinder, brewer, bricklayer, bus driver, butler,
chef, clown, coachman, cook, cowboy, customs officer, diver, engineer, ferry captain, fire-eater,
florist, forester, glazier, goldsmith, governess, gravedigger, guard, hairdresser, harpist,
historian, hermit, inventor, jailer, jeweller, jockey, knight, lawyer, locksmith, magician,
matron, mechanic, midwife, milkman, minister, monk, notary, optician, painter, pharmacist,
philosopher, photographer, pilot, poet, policeman, porter, postmaster, potter, printer, referee,
rope maker, scientist, sculptor, secretary, sheriff, sign painter, spy, stonemason, storyteller,
surgeon, taxi driver, tinker, translator, undertaker, usher, ventriloquist, vicar, waiter,
watchmaker, weaver, window cleaner
"""
INSTRUMENTS = """
drum|Boom, trumpet|Toot, bell|Ding, whistle|Tweet, fiddle|Scree, tuba|Oompah, flute|Peep,
triangle|Ting, gong|Bong, banjo|Plunk, harp|Pling, cello|Vroom, organ|Hoo, kazoo|Bzz,
bagpipe|Skirl, accordion|Wheeze, oboe|Honk, cymbal|Crash, zither|Zing, bassoon|Blurp
"""
PLANTS = """
sunflower, bean, rose, tulip, daffodil, pumpkin vine, thistle, foxglove, poppy, cactus|cacti,
nettle, dahlia, lupin, hollyhock, snowdrop, marigold, orchid, peony, iris|irises, cornflower,
buttercup, bluebell, lavender bush, fern, ivy plant, magnolia, hyacinth
"""
CLOTHES = """
hat, scarf|scarves, coat, sock, mitten, boot, waistcoat, jumper, apron, nightcap, bonnet,
cardigan, slipper, raincoat, bow tie, cloak, petticoat, kimono|kimonos, dressing gown, wellington,
clog, sandal, turban, beret, sombrero|sombreros, kilt, corset, wig, cravat, muff, anorak,
bathrobe, belt, blazer, blouse, bobble cap, bowler, cap, collar, cuff, frock, glove, gown, hood,
jacket, jerkin, leotard, mantle, nightshirt, overall, parka, plimsoll, poncho|ponchos, pullover,
ruff, sash|sashes, shawl, shirt, shoe, skirt, smock, sporran, stocking, suit, sweater, tailcoat,
tie, toga, trouser leg, tunic, tutu|tutus, veil, vest, visor, woolly hat
"""


def sites() -> list[Site]:
    """Return the tables of things."""
    return [
        words("thing", THINGS, ("s",)),
        words("treat", FOODS, ("s",)),
        words("beast", BEASTS, ("s",)),
        words("job", JOBS),
        words("instrument", INSTRUMENTS, ("sound",)),
        words("plant", PLANTS, ("s",)),
        words("garment", CLOTHES, ("s",)),
    ]
