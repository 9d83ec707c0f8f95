"""How things and people are, move, speak and feel."""

from bardling.data.stories.notation import Site, words

TABLES = {
    "colour": """
        red, blue, green, yellow, white, black, brown, orange, purple, pink, grey, golden, silver,
        turquoise, violet, crimson, scarlet, beige, lilac, mustard-coloured, tartan, striped,
        spotted, chequered, transparent, maroon, indigo, navy, bronze, ivory, peach-coloured,
        emerald, amber, ruby-red, sky-blue, mint-green, plum-coloured, charcoal, cream, rust-red,
        salmon-pink, lemon-yellow, mouse-grey, zebra-striped, rainbow-coloured, bottle-green,
        off-white, copper
    """,
    "state": """
        big, small, new, tiny, long, shiny, round, huge, flat, thin, rusty, wooden, broken,
        lovely, heavy, sticky, muddy, dusty, magic, noisy, soft, woolly, wobbly, squeaky,
        second-hand, leaky, slippery, haunted, invisible, edible, inflatable, musical, waterproof,
        half-eaten, priceless, mysterious, home-made, ticklish, foldable, moth-eaten, hairy,
        upside-down, explosive, borrowed, suspicious, polite, lopsided, enormous, pocket-sized,
        bulky, knee-high, gigantic, crumpled, rubbery, glow-in-the-dark, self-winding,
        collapsible, perfumed, stolen, fluffy, crooked, see-through, brand-new, unreliable, wet,
        dry, warm, cold, soft-boiled, folding, spare, hollow, pointed, curly, furry, greasy,
        scratched, gleaming, patched, painted, carved, frilly, oily, rotating, bouncing, snoring,
        battered, bent, scented, chipped, faded, jingling, well-oiled, unwashed, life-size,
        three-legged, nameless, legendary, sugar-coated, steam-driven, homesick, left-handed,
        bewitched, overdue
    """,
    "mood": """
        happy, sad, brave, kind, clever, shy, proud, curious, lazy, gentle, cheerful, stubborn,
        honest, hungry, sleepy, grumpy, patient, forgetful, nosy, greedy, dreamy, clumsy, careful,
        boastful, bashful, daring, thrifty, generous, punctual, fussy, gloomy, vain, talkative,
        absent-minded, easily bored, ticklish, superstitious, long-winded, unlucky, well-dressed,
        calm, cautious, tidy, jolly, witty, loyal, moody, modest, fearless, restless, pompous,
        sensible, dutiful, nimble, frugal, tactless, merry, melancholy, musical, cunning,
        quarrelsome, obedient, romantic, sceptical, stingy, dignified, impatient, mischievous,
        sentimental, trusting, unhurried, eccentric, inventive, ravenous, short-sighted,
        tone-deaf, well-read, penniless, world-famous, half-asleep
    """,
    "feeling": """
        happy, sad, angry, surprised, tired, afraid, proud, lonely, excited, ashamed, relieved,
        jealous, puzzled, delighted, worried, hungry, furious, grateful, embarrassed, bewildered,
        seasick, homesick, mortified, speechless, dizzy, smug, heartbroken, giddy, flabbergasted,
        peckish, calm, bored, hopeful, nervous, shocked, flattered, offended, amazed, cross,
        disappointed, exhausted, inspired, envious, light-hearted, miserable, sulky, touched,
        thrilled, uneasy, sorry, ecstatic, suspicious, wide awake, quite at home, a little lost,
        in love, out of sorts, none the wiser, utterly content, old
    """,
    "how": """
        slowly, quickly, quietly, loudly, gently, happily, sadly, carefully, politely, proudly,
        softly, bravely, nervously, gladly, crossly, sleepily, eagerly, solemnly, gravely,
        cheerfully, grumpily, shyly, hastily, patiently, dreamily, wearily, sternly, thoughtfully,
        backwards, sideways, on tiptoe, without a word, in a whisper, out of breath, with a bow,
        with a sneeze, rather rudely, through the nose, with great dignity, like a duchess,
        calmly, neatly, secretly, foolishly, fiercely, warmly, coldly, boldly, lazily, merrily,
        stiffly, cleverly, clumsily, faintly, generously, greedily, heroically, innocently,
        jealously, longingly, mysteriously, noisily, obediently, playfully, reluctantly, sweetly,
        tenderly, urgently, wisely, in tears, at length, in Latin, with a wink, with both hands,
        with a hiccup, like thunder, in verse, by mistake, for no reason, with closed eyes,
        as usual, arm in arm
    """,
    "said": """
        said, asked, cried, whispered, called, shouted, sighed, laughed, answered, sobbed, yelled,
        groaned, gasped, giggled, hollered, stammered, grunted, wailed, announced, insisted,
        warbled, spluttered, muttered, murmured, screamed, begged, boasted, explained, replied,
        repeated, snapped, teased, vowed, wondered, croaked, roared, squeaked, complained,
        confessed, remarked, declared, sang out, gulped, pleaded, protested, lied, whined,
        rejoiced
    """,
    "went": """
        walked, ran, went, hurried, hopped, marched, wandered, rushed, strolled, crept, skipped,
        tiptoed, trotted, raced, crawled, limped, danced, rolled, galloped, cycled, skated,
        paddled, zigzagged, tumbled, stumbled, sneaked, waltzed, moonwalked, swaggered, trudged,
        jumped, flew, swam, climbed, rode, sailed, slid, bounced, staggered, plodded, sprinted,
        jogged, drifted, floated, ambled, shuffled, scurried, hobbled, cartwheeled, somersaulted,
        scampered, stormed, glided, hitchhiked, sleepwalked, clattered, wriggled, stamped, bolted,
        roamed
    """,
    "mended": """
        mended, painted, polished, washed, dusted, decorated, repaired, wrapped, oiled, glued,
        scrubbed, ironed, buttered, tickled, inspected, measured, tuned, varnished, unscrewed,
        apologised to, sharpened, stretched, folded, dried, stuffed, weighed, sorted, stitched,
        greased, cooled, shook, kissed, counted, dyed, embroidered, insulted, photographed,
        sniffed, sang to, spun round
    """,
    "shook": """
        clapped, jumped, smiled, nodded, danced, cheered, laughed, wept, blushed, sneezed, bowed,
        winked, sang, shrugged, fainted, hiccuped, twirled, yodelled, saluted, giggled,
        tap-danced, curtsied, burst into song, turned pink, yawned, trembled, groaned, hummed,
        waved, grinned, frowned, stared, snored, sobbed, applauded, coughed, knelt down, stood up,
        fell over, ran off, kept silent, clicked heels, wobbled, shivered, somersaulted, snorted,
        beamed, waltzed, swooned, stuttered
    """,
    "stuff": """
        wood, gold, glass, paper, silk, wool, clay, stone, tin, leather, cheese, ice, chocolate,
        velvet, straw, rubber, marble, moss, cardboard, butter, fog, porcelain, gingerbread,
        moonlight, spaghetti, old newspapers, solid brass, brick, copper, sand, mud, feathers,
        flour, cork, felt, iron, lace, linen, ivory, tinfoil, plywood, plaster, snow, starlight,
        soap bubbles, marzipan, sponge cake, seaweed, string, toothpaste, good intentions,
        cobwebs, denim, amber, tweed, jelly, wax
    """,
    "smell": """
        roses, cheese, rain, soap, smoke, cinnamon, fish, pepper, old socks, fresh bread, vanilla,
        wet dog, mushrooms, lemons, burnt toast, onions, the sea, marmalade, shoe polish,
        peppermint, mothballs, boiled cabbage, thunder, Thursday, coffee, mint, garlic, honey,
        tar, leather, ginger, pine needles, hay, ink, candle wax, candyfloss, gunpowder, cloves,
        new shoes, chalk, cucumbers, warm milk, libraries, adventure, mustard, paint, gingerbread,
        yesterday, victory, buttered toast
    """,
    "fear": """
        thunder, spiders, the dark, ghosts, geese, heights, deep water, dentists, mirrors,
        balloons, wind, bees, buttons, moths, feathers, shadows, jelly, clowns, cabbages, echoes,
        escalators, umbrellas, sneezing, Mondays, long words, the number nine, lightning, snakes,
        cats, mice, needles, crowds, cellars, bagpipes, owls, soup, puppets, silence, snow,
        stairs, trains, magicians, puddles, carpets, porridge, tigers, volcanoes, aunts,
        arithmetic, the moon, its own tail, everything
    """,
    "skill": """
        dancing, singing, cooking, swimming, drawing, juggling, whistling, baking, sewing,
        skating, climbing trees, counting, fishing, spelling, sleeping, hiding, sneezing,
        yodelling, mending clocks, catching trains, peeling onions, telling lies, keeping secrets,
        finding shortcuts, waiting, folding maps, balancing on one leg, guessing the weather,
        reading, horse riding, knitting, cartwheels, chess, magic tricks, ironing, haggling,
        gardening, tightrope walking, making pancakes, blowing smoke rings, standing still,
        falling over, opening jars, ringing bells, racing ostriches, being late, asking questions,
        imitating owls, losing umbrellas, tying knots
    """,
    "number": """
        two, three, four, five, six, seven, nine, eleven, twelve, twenty, forty, ninety-nine,
        fifty, sixty, eighty, thirteen, fifteen, sixteen, seventeen, thirty, seventy, ninety,
        several, countless, far too many, fifty-one, fourteen, eighteen, nineteen, twenty-one,
        thirty-three, forty-four, fifty-six, sixty-eight, seventy-seven, eighty-two, twenty-two,
        thirty-one, forty-seven, fifty-two, sixty-three, seventy-one
    """,
    "noise": """
        bang, splash, thump, crash, pop, creak, rustle, sneeze, whoosh, click, gurgle, clatter,
        squelch, hum, tinkle, plop, rumble, howl, crackle, twang, hiccup, fanfare, drum roll,
        polite cough, bump, bleep, whirr, snap, buzz, chime, clank, clunk, fizz, gasp, giggle,
        groan, hiss, knock, moan, murmur, ping, roar, rattle, scrape, squeak, thud, toot, wheeze,
        yawn
    """,
    "taste": """
        sweet, sour, burnt, fresh, salty, mouldy, crisp, juicy, raw, bitter, frozen, cold, warm,
        boiled, fried, toasted, rotten, spicy, soggy, crunchy, stale, peppery, sugared, ripe,
        smoked, overcooked, chewy, buttery, minty, lukewarm, wrinkled, bottled, triangular,
        weightless, dried, dripping, candied, bruised, sticky, steaming, prickly, crumbly,
        pickled, roasted, floury, fizzy, hollow, hairy, glazed, grated, jellied, lumpy, marinated,
        blessed, stolen, pink, sandy, square, salted, tinned, vinegary, wormy, zesty, runny
    """,
    "oath": """
        Goodness, Bother, Hooray, Dear me, Oh no, Heavens, Fiddlesticks, Gadzooks, Botheration,
        Well I never, Great turnips, Jumping jellyfish, Crumbs, Pickled onions, Holy mackerel,
        Thundering teapots, Blistering buns, Suffering sausages, Sweet potatoes, By my whiskers,
        Good gracious, Ahoy, Eureka, Help, Shiver my timbers, Mercy, Nonsense, Rats, Sakes alive,
        Tally-ho, Upon my word, Whoops, Yikes, Zounds, Bless my buttons, Cheese and onions,
        Double trouble, Heaps of herring
    """,
}  # fmt: skip


def sites() -> list[Site]:
    """Return the tables of qualities."""
    return [words(name, entries) for name, entries in TABLES.items()]
