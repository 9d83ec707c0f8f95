"""Pictures of page 4: the sum of two vectors, waves, and turning."""

import math

from drawing.canvas import Canvas, Colour
from drawing.gallery import picture

ROSE = [[0.9, -0.3, 0.2, 0.6], [-0.5, 0.7, 0.4, -0.2], [0.1, 0.5, -0.8, 0.3], [0.9, -0.3, 0.2, 0.6]]


def wave(place: int, channel: int, width: int, base: float = 10_000.0) -> float:
    """Return an entry of the sinusoidal table (Vaswani et al. 2017, section 3.5)."""
    angle = place / base ** (2 * (channel // 2) / width)
    return math.cos(angle) if channel % 2 else math.sin(angle)


@picture("04-sum")
def summed() -> str:
    """Draw token vectors, place vectors and their sums."""
    c = Canvas(268, "The vector of a token and the vector of its place are added")
    words, cell, tall, top = ["a", "rose", "is", "a"], 38.0, 30.0, 62.0
    places = [[round(wave(row, channel, 4), 1) for channel in range(4)] for row in range(4)]
    sums = [[a + b for a, b in zip(one, other)] for one, other in zip(ROSE, places)]
    columns = [
        (96.0, ROSE, "what it is", "token table"),
        (306.0, places, "where it is", "place table"),
        (516.0, sums, "what the blocks get", "sum"),
    ]
    for x, values, name, table in columns:
        c.cells(
            x, top, values, size=cell, height=tall, colour="blue", largest=1.9, form="+.1f", font=11
        )
        c.text(x + 2 * cell, top - 30, name, bold=True)
        c.text(x + 2 * cell, top - 12, table, size=12, colour="soft")
    for row, word in enumerate(words):
        y = top + row * tall + 20
        c.text(82, y, word, mono=True, anchor="end")
        c.text(290, y, str(row), mono=True, anchor="end", colour="soft", size=12)
    c.text(272, top + 2 * tall + 8, "+", size=24)
    c.text(483, top + 2 * tall + 8, "=", size=24)
    for y in (top, top + 3 * tall):
        c.box(96, y, 4 * cell, tall, colour="red", strength=0, radius=2)
        c.box(516, y, 4 * cell, tall, colour="red", strength=0, radius=2)
    c.text(
        c.width / 2,
        214,
        "Both “a” have the same row of the token table, and different sums.",
        size=13,
    )
    c.text(
        c.width / 2,
        238,
        "Without the second table nothing in the model could tell the first “a” from the last.",
        size=13,
        colour="soft",
    )
    return str(c)


@picture("04-waves")
def waves() -> str:
    """Draw the sinusoidal table, and how alike two places are."""
    width, places = 32, 64
    c = Canvas(
        322, "Sines and cosines of ever longer waves, and the likeness of places by distance"
    )
    values = [[wave(row, channel, width) for channel in range(width)] for row in range(places)]
    c.text(226, 30, "table: 64 places, 32 channels", size=13)
    c.cells(80, 44, values, size=9.2, height=3.6, colour="blue")
    c.text(70, 54, "place 0", size=12, colour="soft", anchor="end")
    c.text(70, 274, "63", size=12, colour="soft", anchor="end")
    c.text(80, 294, "channel 0: waves of 6 places", size=12, colour="soft", anchor="start")
    c.text(374, 294, "31: of 35,000", size=12, colour="soft", anchor="end")
    middle = values[32]
    likeness = [sum(a * b for a, b in zip(middle, row)) / (width / 2) for row in values]
    left, bottom, wide, tall = 440.0, 250.0, 290.0, 180.0
    c.text(left + wide / 2, 30, "place 32 · every place", size=13)
    c.path([(left, bottom), (left + wide, bottom)], colour="grey", width=1)
    points = [(left + wide * row / 63, bottom - tall * one) for row, one in enumerate(likeness)]
    c.path(points, colour="blue", width=2.2)
    c.dot(*points[32], 4.5, colour="orange")
    c.text(points[32][0], points[32][1] - 10, "itself: 1", size=12, colour="soft")
    for place in (0, 16, 32, 48, 63):
        c.text(left + wide * place / 63, bottom + 18, str(place), size=12, colour="soft", mono=True)
    c.text(
        left + wide / 2,
        294,
        "near places are alike; only the distance counts",
        size=12,
        colour="soft",
    )
    c.text(left - 8, bottom + 4, "0", size=12, colour="soft", anchor="end", mono=True)
    return str(c)


def _dial(c: Canvas, x: float, y: float, query: int, key: int) -> None:
    radius, angle = 74.0, math.radians(17)
    c.box(
        x - radius, y - radius, 2 * radius, 2 * radius, colour="grey", strength=0.07, radius=radius
    )
    ends = []
    arrows: list[tuple[int, Colour, str]] = [(query, "orange", "query"), (key, "teal", "key")]
    for place, colour, name in arrows:
        turn = place * angle
        end = (x + radius * math.cos(turn), y - radius * math.sin(turn))
        ends.append(turn)
        c.arrow((x, y), end, colour=colour, width=2.6)
        far = radius + 18
        c.text(x + far * math.cos(turn), y - far * math.sin(turn) + 5, name, size=12, colour=colour)
    arc = [
        (
            x + 34 * math.cos(ends[1] + (ends[0] - ends[1]) * step / 12),
            y - 34 * math.sin(ends[1] + (ends[0] - ends[1]) * step / 12),
        )
        for step in range(13)
    ]
    c.path(arc, colour="purple", width=2)
    c.text(x, y + radius + 26, f"query at place {query}, key at {key}", size=13)


@picture("04-rotary")
def rotary() -> str:
    """Draw one pair of channels of a query and a key, turned by their places."""
    c = Canvas(
        274,
        "A query and a key turned by their places: the angle between them is that of "
        "their distance",
    )
    for x, query, key in ((140.0, 4, 1), (380.0, 7, 4), (620.0, 11, 8)):
        _dial(c, x, 112, query, key)
    c.text(
        c.width / 2,
        244,
        "The arrows turn with the place. Their product only knows the angle between them,",
        size=13,
    )
    c.text(c.width / 2, 262, "and that is the distance: 3 each time.", size=13)
    return str(c)
