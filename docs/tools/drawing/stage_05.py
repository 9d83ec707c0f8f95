"""Pictures of page 5: from the plain average to attention."""

import math

from drawing.canvas import Canvas
from drawing.gallery import picture

WORDS = ["the", "cat", "sat", "and", "it"]
# Scores as a head might give that looks for what a pronoun stands for.
SCORES = [
    [0.5],
    [0.2, 0.6],
    [0.1, 1.6, 0.3],
    [0.0, 0.4, 0.9, 0.3],
    [0.3, 2.6, 0.4, 0.0, 0.5],
]


def softmax(scores: list[float]) -> list[float]:
    """Return positive shares that sum to one."""
    powers = [math.exp(score) for score in scores]
    return [power / sum(powers) for power in powers]


def _padded(rows: list[list[float]]) -> list[list[float | None]]:
    return [[*row, *[None] * (len(rows) - len(row))] for row in rows]


@picture("05-average")
def average() -> str:
    """Draw the triangle of equal shares beside one of chosen shares."""
    c = Canvas(300, "Two triangles of weights: the plain average of the past, and a chosen one")
    equal = [[1 / (row + 1)] * (row + 1) for row in range(5)]
    chosen = [softmax(row) for row in SCORES]
    cell, top = 48.0, 66.0
    for left, rows, name in (
        (104.0, equal, "equal shares: the average"),
        (452.0, chosen, "chosen shares: attention"),
    ):
        c.text(left + 2.5 * cell, 26, name, bold=True)
        c.cells(
            left,
            top,
            _padded(rows),
            size=cell,
            height=38,
            form=".2f",
            font=12.5,
            empty="red",
            colour="teal",
        )
        for place, word in enumerate(WORDS):
            c.text(left + (place + 0.5) * cell, top - 10, word, size=12.5, mono=True, colour="soft")
            c.text(left - 10, top + place * 38 + 24, word, size=13, mono=True, anchor="end")
    c.text(
        c.width / 2,
        284,
        "A row says how much that word takes of each word; it sums to one. Red is "
        "the future: nothing is taken from there.",
        size=13,
    )
    return str(c)


@picture("05-head")
def head() -> str:
    """Draw the way of one position's question through a head."""
    c = Canvas(
        356, "One head: a query meets the keys of the past, shares are made, values are mixed"
    )
    left, step, wide = 128.0, 92.0, 80.0
    middles = [left + place * step + wide / 2 for place in range(5)]
    shares = softmax(SCORES[4])
    rows = [
        ("x", 24.0, "the stream"),
        ("key", 92.0, "what I offer"),
        ("value", 262.0, "what I give"),
    ]
    for name, y, said in rows:
        c.text(112, y + 20, name, anchor="end", bold=True)
        c.text(112, y + 36, said, anchor="end", size=11.5, colour="soft")
    for place, word in enumerate(WORDS):
        x = left + place * step
        c.box(x, 24, wide, 34, words=word, mono=True)
        c.box(x, 92, wide, 34, colour="orange", words="k", mono=True)
        c.arrow((middles[place], 60), (middles[place], 89))
        c.text(middles[place], 164, f"{SCORES[4][place]:.1f}", mono=True, size=13)
        c.box(x, 178, wide, 60 * shares[place] + 1, colour="teal", strength=0.6, radius=2)
        c.text(
            middles[place], 190 + 60 * shares[place] + 4, f"{shares[place]:.2f}", mono=True, size=12
        )
        c.box(x, 262, wide, 34, colour="orange", words="v", mono=True)
    c.text(112, 164, "query · key", anchor="end", size=12.5)
    c.text(112, 196, "softmax", anchor="end", size=12.5)
    c.box(616, 92, 116, 34, colour="orange", words="query of “it”", size=13)
    c.path([(580, 41), (674, 41), (674, 89)], arrow=True)
    c.path([(614, 109), (596, 109)], arrow=True, colour="orange")
    c.text(674, 146, "what I look for", size=11.5, colour="soft")
    for place in range(5):
        c.path(
            [(middles[place], 298), (middles[place], 316)],
            colour="teal",
            width=1 + 5 * shares[place],
        )
    c.path([(middles[0], 316), (612, 316)], colour="teal", width=2, arrow=True)
    c.box(616, 299, 116, 34, words="the mixture", size=13)
    c.text(112, 320, "mix", anchor="end", size=12.5)
    return str(c)


@picture("05-heads")
def heads() -> str:
    """Draw how the width is cut into heads and joined again."""
    c = Canvas(
        248, "The width is cut into heads, each has a triangle of its own, and they are joined"
    )
    c.box(30, 40, 60, 150, words="x", size=18)
    c.text(60, 212, "192 wide", size=12.5, colour="soft")
    for place in range(6):
        y = 28 + place * 29.0
        c.arrow((94, 115), (168, y + 12))
        c.box(172, y, 90, 24, colour="orange", words="q, k, v · 32", size=12)
        c.arrow((266, y + 12), (318, y + 12))
        for row in range(4):
            for column in range(row + 1):
                strong = 0.12 + 0.75 * ((row * (place + 2) + column * (3 + place)) % 5) / 5
                c.box(
                    324 + column * 9,
                    y - 3 + row * 7.4,
                    8.4,
                    6.8,
                    colour="teal",
                    strength=strong,
                    edge=False,
                    radius=1,
                )
        c.arrow((372, y + 12), (420, y + 12))
        c.box(424, y, 54, 24, words="32", size=12)
        c.arrow((482, y + 12), (536, 115))
    c.box(540, 40, 60, 150, words="192", size=15)
    c.arrow((604, 115), (640, 115))
    c.box(644, 80, 92, 70, colour="orange", words="output", size=14)
    for x, said in (
        (217, "cut into heads"),
        (345, "a triangle each"),
        (451, "mixtures"),
        (570, "side by side"),
        (690, "192 → 192"),
    ):
        c.text(x, 226 if x != 690 else 172, said, size=12.5, colour="soft")
    return str(c)
