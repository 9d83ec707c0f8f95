"""Pictures of page 9: what a token costs, and where a loss stands."""

import math

from drawing.canvas import Canvas, Colour
from drawing.gallery import picture

# The demo's own, as README.md has them: nats per token on the whole validation split.
STANDING: list[tuple[str, float, Colour]] = [
    ("chance", 8.2940, "grey"),
    ("2-grams", 3.4246, "grey"),
    ("7-grams", 2.3364, "grey"),
    ("the demo", 1.4161, "purple"),
    ("floor", 1.2619, "teal"),
]


@picture("09-surprise")
def surprise() -> str:
    """Draw minus the logarithm of the probability of what came."""
    c = Canvas(300, "The cost of a token over the probability it was given")
    left, bottom, wide, tall = 84.0, 244.0, 420.0, 205.0
    top = 4.6

    def at(p: float) -> tuple[float, float]:
        return left + wide * p, bottom + tall * math.log(p) / top

    c.path([(left, 30), (left, bottom), (left + wide + 10, bottom)], colour="grey", width=1)
    c.path([at(0.01 + 0.99 * (step / 90) ** 2) for step in range(91)], colour="purple", width=2.4)
    for p, said, aside in (
        (1 / 65, "one of 65: 4.17", 12.0),
        (0.1, "10 %: 2.30", 12.0),
        (0.37, "37 %: 1.00", 8.0),
        (0.9, "90 %: 0.11", -30.0),
    ):
        x, y = at(p)
        c.dot(x, y, 4.5, colour="orange")
        c.text(x + aside, y - 9, said, size=13, anchor="start")
    for value in range(5):
        c.text(
            left - 10,
            bottom - tall * value / top + 5,
            str(value),
            size=12,
            mono=True,
            anchor="end",
            colour="soft",
        )
    for share in (0, 25, 50, 75, 100):
        c.text(left + wide * share / 100, bottom + 20, f"{share} %", size=12, colour="soft")
    c.text(
        left + wide / 2,
        bottom + 42,
        "probability that the model gave to the token that came",
        size=13,
        colour="soft",
    )
    c.text(30, 140, "cost in nats", size=13, turn=-90, colour="soft")
    c.lines(
        536,
        96,
        [
            "Certain and right: nothing.",
            "Certain and wrong: no limit.",
            "",
            "The loss of a text is the",
            "mean over its tokens.",
        ],
        size=13.5,
        step=21,
        colour="ink",
    )
    return str(c)


@picture("09-standing")
def standing() -> str:
    """Draw chance, counting, the model and the floor on one axis."""
    c = Canvas(226, "Where a loss stands between chance and the floor")
    left, wide, y = 60.0, 640.0, 116.0
    c.path([(left, y), (left + wide, y)], colour="grey", width=2)

    def at(loss: float) -> float:
        return left + wide * (8.294 - loss) / 8.294

    for mark in range(9):
        x = at(float(mark))
        c.path([(x, y - 4), (x, y + 4)], colour="grey", width=1.2)
        c.text(x, y + 22, str(mark), size=12, mono=True, colour="soft")
    floor = at(1.2619)
    c.box(floor, y - 9, left + wide - floor, 18, colour="red", strength=0.14, edge=False, radius=2)
    c.text((floor + left + wide) / 2, y + 48, "nobody gets here", size=12, colour="red")
    aside = {"chance": 30.0, "2-grams": -18.0, "7-grams": 14.0, "the demo": -10.0, "floor": 34.0}
    highest = {"chance": 44.0, "2-grams": 44.0, "7-grams": 44.0, "the demo": 84.0, "floor": 26.0}
    for name, loss, colour in STANDING:
        x, up = at(loss), highest[name]
        c.path([(x, y - 6), (x, y - up + 10)], colour=colour, width=1.4)
        c.dot(x, y, 6, colour=colour)
        c.text(x + aside[name], y - up, f"{name} {loss:.2f}", size=13)
    c.text(
        left + wide / 2,
        196,
        "nats per token of the stories, from knowing nothing on the left to knowing the language",
        size=13,
        colour="soft",
    )
    return str(c)
