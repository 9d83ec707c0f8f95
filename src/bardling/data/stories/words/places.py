"""Where and when things happen."""

from bardling.data.stories.notation import Site, words

TABLES = {
    "place": """
        river, bridge, barn, well, church, market, mill, pond tree, garden gate, hill, school,
        shop, beach, forest path, haystack, fountain square, station, bakery, library, lighthouse,
        harbour wall, windmill, orchard, graveyard, railway, post office, bandstand,
        swimming pool, playground, town hall, museum, theatre, hospital, fire station, bus stop,
        car park, bowling alley, ice rink, crossroads, signpost, milestone, waterfall, volcano,
        desert, island, iceberg, swamp house, chapel, monastery, prison, bank, laundry, brewery,
        sawmill, brickworks, coal mine, quarry pit, tunnel, viaduct, ferry, pier, boathouse,
        dovecote, greenhouse, compost heap, rubbish dump, scrapyard, launderette, cinema,
        circus tent, racecourse, cricket pitch, duck pond, maze, rose garden, vegetable patch,
        potting shed, pigsty, beehives, rabbit hole, crooked oak, tallest pine, hollow willow,
        moat bridge, palace gate, stable door, dairy, kitchen garden, wine cellar, attic window,
        bell tower, clock tower, courthouse, embassy, factory, gasworks, golf course, gymnasium,
        hat shop, herb garden, ice cream van, jetty, kiosk, lake, lamp post, law court,
        town clock, lido, lock gate, lost property office, meadow, milk bar, music hall, nunnery,
        obelisk, observatory, opera house, pagoda, parade ground, pawnshop, pet shop, planetarium,
        power station, puppet theatre, pyramid, reservoir, roundabout, scout hut, shipyard,
        skittle alley, statue, stone circle, sundial, tea room, tennis court, toll gate, toy shop,
        tram stop, vicarage, vineyard, wishing well, zebra crossing
    """,
    "placelook": """
        old, ruined, crooked, empty, crowded, draughty, leaning, mossy, famous, forgotten,
        painted, flooded, moonlit, dusty, cheerful, gloomy, half-built, overgrown, abandoned,
        whispering, smoking, candlelit, rickety, spotless, smelly, echoing, bankrupt, fortified,
        thatched, tiny, vast, frozen, floating, underground, second-best, so-called, sunny, shady,
        haunted, neat, noisy, silent, narrow, remote, royal, rustic, snowy, steep, stony, windy,
        weedy, winding, invisible, enchanted, portable, wooden, brick-built, lonely, misty,
        borrowed, fashionable, freshly swept, public, private, sinking, sunken, swampy,
        upside-down
    """,
    "near": """
        behind, near, beside, under, outside, inside, opposite, beyond, on top of, halfway to,
        just past, underneath, round the back of, around, above, below, between the bins and,
        at the foot of, right in front of, a stone's throw from, not far from
    """,
    "daytime": """
        morning, afternoon, evening, night, Sunday, Monday, Tuesday, Wednesday, Thursday, Friday,
        Saturday, day in May, day in June, autumn day, winter night, summer evening,
        spring morning, holiday, birthday, washing day, market day, midnight in March,
        dawn in April, dusk in July, day in October, dark August night, moonless night, name day,
        payday, bath night, Good Friday, wedding day, rest day, school day, wash day,
        day in December, hot noon, Whit Monday, coronation day, election day, leap day, sports day
    """,
    "weather": """
        sunny, rainy, windy, foggy, snowy, cloudy, stormy, misty, frosty, hot, cold, drizzly,
        thundery, muggy, blustery, chilly, moonlit, starry, sleepy, ordinary, bright, dull, grey,
        mild, icy, dewy, breezy, gusty, humid, scorching, sultry, wet, hazy, freezing, gloomy,
        golden, unforgettable, endless, perfectly silent, promising
    """,
    "season": """
        spring, summer, autumn, winter, Easter, Christmas, harvest time, half-term, the full moon,
        teatime, bedtime, Lent, sunrise, sunset, lunch, supper, dawn, the first snow,
        the last bus, pancake day, the harvest, the great flood, the holidays, midnight,
        breakfast, the concert, low tide, high tide, Michaelmas
    """,
    "ago": """
        Once upon a time, Long ago, Years ago, In olden times, One leap year,
        When cheese was money, Before tea, In the wet year, Before Mondays, Last century,
        When the moon was small, In better times, Not long ago, When geese could read,
        In the year of the soup, Before there was jam, On the eve of the spoon war,
        Nobody knows when, After the flood, In May, Last week, Ages ago, In the rain,
        By moonlight, Far away, One Lent, At low tide, Of all places, Between two wars of spoons,
        Tomorrow, As bees know
    """,
}  # fmt: skip


def sites() -> list[Site]:
    """Return the tables of places and times."""
    return [words(name, entries) for name, entries in TABLES.items()]
