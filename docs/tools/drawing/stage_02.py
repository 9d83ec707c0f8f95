"""Pictures of page 2: merges, made by the package itself."""

from collections.abc import Mapping

from bardling.text.bpe_training import learn
from bardling.text.byte_order import BYTES
from bardling.text.pretokenize import pieces
from drawing.canvas import Canvas, Colour
from drawing.gallery import picture

TEXT = "the hen then hid in the other heather"
N_MERGES = 5


def _cut(words: list[str], merges: list[tuple[int, int]]) -> list[list[str]]:
    """Return the tokens of each word after some merges, by the definition."""
    tokens = [bytes([byte]) for byte in BYTES]
    for first, second in merges:
        tokens.append(tokens[first] + tokens[second])
    number = {token: place for place, token in enumerate(tokens)}
    found = []
    for word in words:
        ids = [number[bytes([byte])] for byte in word.encode()]
        for rank, pair in enumerate(merges):
            place = 0
            while place + 1 < len(ids):
                if (ids[place], ids[place + 1]) == pair:
                    ids[place : place + 2] = [len(BYTES) + rank]
                place += 1
        found.append([tokens[i].decode().replace(" ", "␣") for i in ids])
    return found


@picture("02-merges")
def merges() -> str:
    """Draw a sentence after each of its first merges."""
    words = pieces(TEXT)
    counts: Mapping[str, int] = {word: words.count(word) for word in words}
    learned = learn(counts, len(BYTES) + N_MERGES)
    c = Canvas(312, "A sentence cut into characters, and again after each of five merges")
    c.text(26, 30, "merge", size=13, colour="soft", anchor="start")
    c.text(c.width - 26, 30, "tokens", size=13, colour="soft", anchor="end")
    tokens = [bytes([byte]) for byte in BYTES]
    for row in range(N_MERGES + 1):
        y = 44.0 + row * 42
        cut = _cut(words, learned[:row])
        if row:
            first, second = learned[row - 1]
            tokens.append(tokens[first] + tokens[second])
            said = tokens[-1].decode().replace(" ", "␣")
            c.text(
                26, y + 20, f"{row}  {said}", size=13, mono=True, anchor="start", colour="orange"
            )
        else:
            c.text(26, y + 20, "none", size=13, anchor="start", colour="soft")
        new = tokens[-1].decode().replace(" ", "␣") if row else ""
        x = 102.0
        for word in cut:
            for token in word:
                width = 8.4 * len(token) + 5.5
                colour: Colour = (
                    "orange" if token == new else ("teal" if len(token) > 1 else "blue")
                )
                c.box(x, y, width, 30, colour=colour, words=token, size=13, mono=True, radius=4)
                x += width + 1.5
            x += 3
        total = sum(map(len, cut))
        c.text(c.width - 26, y + 20, str(total), size=14, mono=True, anchor="end")
    c.text(
        c.width / 2,
        300,
        "Each merge joins the pair of neighbours that stands there most often; "
        "no merge crosses a word's border.",
        size=13,
    )
    return str(c)
