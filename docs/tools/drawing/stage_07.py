"""Pictures of page 7: the stream with its branches, and what is lost without it."""

from drawing.canvas import Canvas, Colour
from drawing.gallery import picture

# Printed by the first experiment of docs/course/07-residual.md: after each of twelve fresh blocks.
WITH = [0.02, 0.03, 0.03, 0.04, 0.04, 0.04, 0.04, 0.05, 0.05, 0.05, 0.06, 0.07]
WITHOUT = [0.19, 0.52, 0.73, 0.79, 0.81, 0.83, 0.84, 0.83, 0.88, 0.89, 0.91, 0.95]


@picture("07-stream")
def stream() -> str:
    """Draw the residual stream and the sublayers that read from it and add to it."""
    c = Canvas(
        262, "A stream runs through; each sublayer reads a normalised copy and adds its answer"
    )
    y = 196.0
    c.path([(40, y), (722, y)], colour="blue", width=7)
    c.arrow((716, y), (742, y), colour="blue", width=3)
    c.text(40, y + 34, "x: what is known of each position so far", anchor="start", size=13)
    c.text(722, y + 34, "to the output", anchor="end", size=13)
    for place, name in enumerate(("attention", "feed-forward", "attention", "feed-forward")):
        x = 66 + place * 168.0
        c.path([(x, y - 4), (x, 146)], arrow=True)
        c.box(x - 27, 108, 54, 34, colour="grey", words="norm", size=12.5)
        c.path([(x, 106), (x, 60), (x + 18, 60)], arrow=True)
        c.box(x + 22, 38, 96, 44, colour="teal" if "att" in name else "orange", words=name, size=13)
        c.path([(x + 120, 60), (x + 136, 60), (x + 136, y - 18)], arrow=True)
        c.dot(x + 136, y, 12, colour="blue")
        c.text(x + 136, y + 5, "+", size=17, bold=True, colour="ground")
        c.text(x + 88, 112, "what to", size=12, colour="soft")
        c.text(x + 88, 128, "change", size=12, colour="soft")
    return str(c)


@picture("07-alike")
def alike() -> str:
    """Draw how alike the positions become through twelve fresh blocks."""
    c = Canvas(296, "Without the stream all positions become alike within a few blocks")
    left, bottom, tall, step = 86.0, 232.0, 176.0, 44.0
    for value in (0.0, 0.5, 1.0):
        y = bottom - tall * value
        c.path([(left - 8, y), (left + 11 * step + 10, y)], colour="grey", width=0.8)
        c.text(left - 16, y + 5, f"{value:.1f}", size=12, anchor="end", mono=True, colour="soft")
    curves: list[tuple[list[float], Colour, str]] = [
        (WITHOUT, "red", "replaced each time"),
        (WITH, "blue", "added each time"),
    ]
    for values, colour, name in curves:
        points = [
            (left + place * step, bottom - tall * value) for place, value in enumerate(values)
        ]
        c.path(points, colour=colour, width=2.2)
        for point in points:
            c.dot(*point, 3.5, colour=colour)
        c.text(
            left + 11 * step + 16, points[-1][1] + 5, name, size=13, anchor="start", colour=colour
        )
    for place in range(12):
        c.text(left + place * step, bottom + 22, str(place + 1), size=12, mono=True, colour="soft")
    c.text(
        left + 5.5 * step,
        bottom + 46,
        "after so many blocks, before anything is learned",
        size=13,
        colour="soft",
    )
    c.text(left - 20, 30, "how alike two positions are (cosine)", size=13, anchor="start")
    return str(c)
