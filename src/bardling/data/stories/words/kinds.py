"""Who a story is about: kind x age x gender, and the words that each of these alone governs.

Home, food and voice depend on the kind and on nothing else, games and looks on the age, names and
pronouns on the gender. So what differs between two nouns shows in the words around them, one
respect at a time, and analogies hold: king is to queen as boy is to girl.
"""

import re
from dataclasses import dataclass
from typing import Literal

from bardling.data.stories.notation import Site, site_of_rows, with_article, words

FORMS = ("kind", "gender", "age")
Age = Literal["old", "young"]
Gender = Literal["he", "she", "either"]
AGES: tuple[Age, ...] = ("old", "young")

# A kind: its nouns when old / when young, each one word for both genders or `he, she`; then where
# it lives, what it eats and how it sounds.
TABLE = """
person: man, woman / boy, girl
    cottage, attic, flat, bungalow, terrace
    pancakes, porridge, toast, noodles, custard
    whistled, hummed, chattered, mumbled
royal: king, queen / prince, princess
    castle, palace, throne room, tower, citadel
    marzipan, pheasant, truffles, meringues, caviar
    decreed, proclaimed, commanded, pronounced
noble: duke, duchess / lordling, young lady
    manor, mansion, gatehouse, estate, ballroom
    quails, sherbet, asparagus, crumpets, blancmange
    drawled, sniffed, declaimed, intoned
magic: wizard, witch / apprentice, enchantress
    cauldron room, observatory, crypt, laboratory, turret
    toadstools, potions, elixirs, mandrakes, newts
    chanted, muttered, conjured, incanted
giant: giant, giantess / lummox, strapper
    mountain, canyon, crater, quarry, gorge
    haystacks, boulders, oxen, barrels, wagonloads
    boomed, thundered, bellowed, rumbled
horse: stallion, mare / colt, filly
    stable, paddock, meadow, pasture, stud farm
    oats, hay, sugar lumps, clover, bran
    neighed, whinnied, nickered, snorted
sheep: ram, ewe / tup lamb, ewe lamb
    fold, hillside, moor, dale, sheepcote
    thistles, heather, tussocks, turnips, lucerne
    bleated, baaed, maundered, maaed
cow: bull, cow / bullock, heifer
    byre, cowshed, water meadow, dairy, milking parlour
    buttercups, silage, mangolds, cattle cake, rye
    mooed, lowed, blared, mumbled on
hen: rooster, hen / cockerel, pullet
    coop, barnyard, henhouse, dunghill, perch
    barley, maize, grit, beetles, mealworms
    clucked, crowed, cackled, cheeped
duck: drake, duck / duckling
    pond, reed bed, puddle, ditch, millrace
    pondweed, breadcrumbs, tadpoles, frogbit, cress
    quacked, dabbled, waddled about, gabbled
goose: gander, goose / gosling
    common, village green, marsh, orchard pen, goose house
    windfalls, plantain, wheat, chickweed, stubble
    honked, hissed, cronked, trumpeted
deer: stag, doe / fawn
    thicket, glade, glen, deer park, bracken
    bark, acorns, ferns, brambles, shoots
    belled, barked softly, grunted, stamped
fox: fox, vixen / fox cub
    earth, covert, railway bank, spinney, den
    blackberries, voles, egg shells, leftovers, rinds
    yapped, yelped, gekkered, screamed
lion: lion, lioness / lion cub
    savanna, rocky ledge, waterhole, zoo, circus wagon
    antelope, sausages, cutlets, roast beef, ham
    roared, growled, rasped, yawned
tiger: tiger, tigress / tiger cub
    jungle, temple, bamboo grove, mangrove, ravine
    buffalo, curry, venison, meatballs, brisket
    snarled, chuffed, prowled, rattled
dog: dog / puppy
    kennel, doormat, backyard, basket, porch
    bones, biscuits, kibble, gravy, tripe
    barked, woofed, whined, panted
cat: cat / kitten
    windowsill, sofa, airing cupboard, hearth, cushion
    cream, sardines, mackerel, milk, tuna
    purred, mewed, meowed, yowled
pig: pig / piglet
    sty, mud bath, trough, wallow, pigpen
    swill, slops, peelings, beechnuts, mash
    oinked, squealed, snuffled, wheezed
goat: goat / kid
    crag, rooftop, precipice, scree, goat shed
    tin cans, shirts, cardboard, thorns, twigs
    naaed, butted, nattered, chomped
rabbit: rabbit / bunny
    burrow, warren, hutch, dune, clover field
    carrots, lettuce, parsley, dandelions, radishes
    thumped, twitched, nibbled, lolloped
bear: bear / bear cub
    cave, forest, hollow log, raspberry slope, winter den
    honey, salmon, blueberries, grubs, nectar
    grumbled, huffed, lumbered, growled low
owl: owl / owlet
    belfry, hollow elm, barn loft, ruin, steeple
    shrews, moths, dormice, crickets, pellets
    hooted, screeched, blinked, twitted
frog: frog / froglet
    lily pad, swamp, well, bog, fountain
    flies, gnats, midges, slugs, mosquitoes
    croaked, ribbited, burped, gulped
swan: swan / cygnet
    lake, moat, boating pool, weir, lagoon
    watercress, duckweed, algae, eelgrass, lilies
    glided, trilled, whooped, preened
eagle: eagle / eaglet
    eyrie, summit, cliff, peak, pinnacle
    trout, marmots, snakes, lizards, ptarmigan
    shrieked, soared, mantled, screamed down
seal: seal / seal pup
    sandbank, ice floe, skerry, cove, harbour
    herring, squid, krill, anchovies, octopus
    honked wetly, flopped, splashed, clapped
mouse: mouse / mouseling
    wainscot, matchbox, pantry, skirting board, teapot
    crumbs, cheddar, crusts, pips, candle ends
    squeaked, skittered, scrabbled, tittered
bat: bat / batling
    cavern, rafters, chimney, vault, haunted house
    mayflies, daddy-longlegs, mangoes, figs, hornets
    clicked, swooped, fluttered, chittered
"""

YOUNG_LOOKS = """
little, small, tiny, young, teeny, wee, pint-sized, half-grown, newborn, bouncy, childish, titchy
"""
OLD_LOOKS = """
old, elderly, aged, ancient, grizzled, wrinkled, greying, stooped, retired, white-haired, creaky,
weathered
"""
YOUNG_GAMES = """
tag, hide-and-seek, hopscotch, marbles, leapfrog, skipping, climbing, tickling, conkers,
make-believe, somersaults, giggling, piggyback, jumping in puddles, blowing bubbles, drawing on
walls
"""
OLD_GAMES = """
dominoes, bowls, napping, gardening, knitting, chess, reminiscing, crosswords, whittling, bridge,
pipe smoking, genealogy, birdwatching, grumbling, stamp collecting, telling the same story twice
"""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of hero, and the words that only its kind decides."""

    name: str
    old: str
    young: str
    home: str
    food: str
    voice: str

    def nouns(self) -> list[tuple[str, Gender, Age]]:
        """Return (noun, gender, age) of each; the gender is "either" where one word serves both."""
        return [*_by_gender(self.old, "old"), *_by_gender(self.young, "young")]


def _by_gender(text: str, age: Age) -> list[tuple[str, Gender, Age]]:
    match text.split(", "):
        case [he, she]:
            return [(he, "he", age), (she, "she", age)]
    return [(text, "either", age)]


def kinds() -> list[Kind]:
    """Return all kinds."""
    found = []
    for match in re.finditer(r"(\w+): (.+) / (.+)\n +(.+)\n +(.+)\n +(.+)\n", TABLE):
        name, old, young, home, food, voice = match.groups()
        found.append(Kind(name=name, old=old, young=young, home=home, food=food, voice=voice))
    return found


def _looks() -> Site:
    young, old = ([word.strip() for word in text.split(",")] for text in (YOUNG_LOOKS, OLD_LOOKS))
    rows = [row for y, o in zip(young, old, strict=True) for row in ([y, "young"], [o, "old"])]
    return site_of_rows("look", rows, ("age",))


def sites() -> list[Site]:
    """Return who there is, by age, and what depends on kind and age."""
    nouns = [
        (noun, kind.name, gender, age) for kind in kinds() for noun, gender, age in kind.nouns()
    ]
    found = [_looks()]
    for age, games in zip(AGES, (OLD_GAMES, YOUNG_GAMES), strict=True):
        rows = [row for row in nouns if row[3] == age]
        found.append(site_of_rows(f"who[{age}]", rows, FORMS, flat=True))
        found.append(words(f"game[{age}]", games))
    for kind in kinds():
        found.append(words(f"home[{kind.name}]", kind.home))
        found.append(words(f"food[{kind.name}]", kind.food))
        found.append(words(f"voice[{kind.name}]", kind.voice))
    found.append(site_of_rows("cub", _cubs(), ("parent", "parents", "kind"), flat=True))
    return found


def _cubs() -> list[list[str]]:
    """Return the young ones that have one word, with the word for their mother and father."""
    alone = [kind for kind in kinds() if "," not in kind.old + kind.young]
    return [[kind.young, kind.old, with_article(kind.old), kind.name] for kind in alone]
