"""What heroes, helpers and villages are called."""

from itertools import product

from bardling.data.stories.notation import PRONOUNS, Site, site_of_rows, words

HE = ("he", "his", "him", "He", "His", "himself")
SHE = ("she", "her", "her", "She", "Her", "herself")

GIRLS = """
Lily, Rosie, Anna, Molly, Daisy, Ella, Nora, Clara, Matilda, Ruby, Ivy, Flora, Greta, Hazel,
Polly, Tilda, Wanda, Dora, Ida, Juno, Lottie, Mabel, Nell, Olive, Pearl, Queenie, Sadie, Thea,
Una, Violet, Winnie, Yara, Zelda, Agatha, Bettina, Cordelia, Dorothea, Esmeralda, Frederica,
Guinevere, Henrietta, Isadora, Josephine, Kunigunde, Leopoldine, Marguerite, Ottilie, Petronella,
Rosalind, Seraphina, Theodora, Ursula, Valentina, Wilhelmina, Xanthippe, Yolanda, Zuleika, Amina,
Freya, Saskia
"""
BOYS = """
Tom, Ben, Max, Sam, Leo, Jack, Oscar, Felix, Hugo, Otto, Theo, Emil, Finn, Gus, Jasper, Kit,
Linus, Milo, Ned, Oliver, Percy, Quentin, Rufus, Silas, Toby, Ulf, Victor, Walter, Xaver, York,
Zeno, Albert, Barnaby, Casper, Desmond, Eustace, Ferdinand, Gulliver, Humphrey, Ignatius,
Jeremiah, Konstantin, Leopold, Mortimer, Nathaniel, Octavius, Peregrine, Quincy, Reginald,
Sebastian, Thaddeus, Ulysses, Valentine, Wenceslas, Archibald, Balthazar, Cornelius, Ivan, Omar,
Kofi
"""
MEN = "Mr, Doctor, Captain, Professor, Uncle, Sergeant, Lord, Brother, Major"
WOMEN = "Mrs, Miss, Madame, Aunt, Lady, Sister, Countess, Granny, Nurse"
SHE_IS = (
    "grandmother, mother, aunt, great-aunt, big sister, godmother, landlady, schoolmistress, "
    "stepmother, niece"
)
HE_IS = (
    "grandfather, father, uncle, great-uncle, big brother, godfather, landlord, schoolmaster, "
    "stepfather, nephew"
)
SURNAMES = """
Pepper, Moss, Plum, Button, Pickle, Crumb, Thimble, Nettle, Waffle, Bramble, Figg, Tuppence,
Sprout, Custard, Dumpling, Fiddle, Gherkin, Hiccup, Jellicoe, Kettle, Lumpkin, Marrow, Noodle,
Oddsock, Parsnip, Quibble, Rumple, Snodgrass, Turnip, Umber, Vinegar, Whisker, Yapp, Zipper,
Bumble, Crinkle, Doodle, Flannel, Gumboot, Humbug, Inkwell, Jumble, Knickerbocker, Lollop, Muffin,
Nutmeg, Onions, Poppycock, Ruffle, Skittles, Trifle, Wobble, Bunion, Clutterbuck, Dawdle, Fusspot,
Grumbleby, Haddock, Apricot, Biscuit, Cobweb, Dribble, Earwig, Frazzle, Gribble, Hopscotch, Icing,
Jigger, Kumquat, Limpet, Mumble, Nibbs, Ottoman, Puddle, Quaver, Radish, Snuffle, Tiddle
"""
FIRST = """
Willow, Apple, Stone, Ash, Fern, Mill, Otter, Thistle, Honey, Clover, Raven, Bramble, Copper,
Winter, Foggy, Badger, Hazel, Pebble, Silver, Cabbage, Little, Swallow, Barley, Crooked, Dimple,
Elder, Gander, Heron, Ivory, Juniper, Kipper, Lark, Marrow, Nettle, Oaken, Puddle, Quill, Rook,
Sorrel, Tumble, Acorn, Blue, Corn, Drift, Echo, Frost, Glow, Hay, Iron, Jam, Kettle, Lamb, Moon,
North, Owl, Pine, Quiet, Rain, Salt, Toad
"""
LAST = """
brook, ford, dale, bridge, wick, ham, field, mere, ton, bury, hollow, worth, combe, stead, by,
thorpe, haven, cross, den, gate, bourne, leigh, minster, pool, stow, water, wood, well
"""


def _split(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _rows(text: str, pronouns: tuple[str, ...]) -> list[list[str]]:
    return [[name, *pronouns] for name in _split(text)]


def _alternating(first: list[list[str]], second: list[list[str]]) -> list[list[str]]:
    return [row for pair in zip(first, second, strict=True) for row in pair]


def sites() -> list[Site]:
    """Return names by gender, names with a title, and villages."""
    girls, boys = _rows(GIRLS, SHE), _rows(BOYS, HE)
    titles = _alternating(_rows(MEN, HE), _rows(WOMEN, SHE))
    titled = [
        [f"{title} {surname}", *pronouns]
        for surname, (title, *pronouns) in product(_split(SURNAMES), titles)
    ]
    elders = _alternating(_rows(SHE_IS, SHE), _rows(HE_IS, HE))
    villages = [[first + last] for first, last in product(_split(FIRST), _split(LAST))]
    return [
        site_of_rows("name[she]", girls, PRONOUNS),
        site_of_rows("name[he]", boys, PRONOUNS),
        site_of_rows("name[either]", _alternating(girls, boys), PRONOUNS),
        site_of_rows("titled", titled, PRONOUNS),
        site_of_rows("village", villages),
        words("surname", SURNAMES),
        site_of_rows("elder", elders, PRONOUNS),
    ]
