"""Pictures of page 1: the way of a text through everything, and what an id is."""

from drawing.canvas import Canvas, Colour
from drawing.gallery import picture

STATIONS: list[tuple[str, str, str, Colour]] = [
    ("text", "ROMEO:", "", "blue"),
    ("ids", "30 27 25 17 27 10", "1, 2, 3", "blue"),
    ("vectors", "6 rows of numbers", "4", "blue"),
    ("blocks", "mix, think, repeat", "5 to 8", "teal"),
    ("probabilities", "of what comes next", "9, 13", "purple"),
]


@picture("01-way")
def way() -> str:
    """Draw the way of a text, with the pages that speak of each stretch."""
    c = Canvas(250, "Text becomes ids, ids vectors, vectors are worked on, and out come chances")
    width, gap, top = 128.0, 22.0, 70.0
    left = (c.width - 5 * width - 4 * gap) / 2
    for place, (name, shown, pages, colour) in enumerate(STATIONS):
        x = left + place * (width + gap)
        c.box(x, top, width, 62, colour=colour)
        c.text(x + width / 2, top + 26, name, bold=True)
        c.text(x + width / 2, top + 47, shown, size=11, mono=True, colour="soft")
        if pages:
            c.text(x + width / 2, top - 12, f"page {pages}", size=12, colour="soft")
        if place:
            c.arrow((x - gap + 3, top + 31), (x - 3, top + 31))
    last = left + 4 * (width + gap) + width / 2
    first = left + width / 2
    c.path([(last, top + 66), (last, 188), (first, 188), (first, top + 70)], arrow=True)
    c.text(
        c.width / 2, 179, "draw one, put it behind the text, and again: that is writing", size=13
    )
    c.text(
        c.width / 2,
        222,
        "learning changes the numbers of the table that makes the vectors, and those of the blocks",
        size=13,
        colour="soft",
    )
    c.text(
        c.width / 2, 28, "everything between text and text is multiplication and addition", size=15
    )
    return str(c)


@picture("01-lookup")
def lookup() -> str:
    """Draw an id as the number of a row."""
    c = Canvas(
        282, "An id picks a row of a table; a vector of zeros with one 1, times the table, too"
    )
    names = ["\\n", "␣", "…", "M", "N", "O", "P", "…", "z"]
    ids = ["0", "1", "", "25", "26", "27", "28", "", "64"]
    left, top, cell, tall = 400.0, 40.0, 46.0, 22.0
    rows: list[list[float]] = [
        [0.2, 0.5, 0.1, 0.7],
        [0.6, 0.1, 0.4, 0.2],
        [0, 0, 0, 0],
        [0.3, 0.8, 0.1, 0.5],
        [0.1, 0.3, 0.6, 0.2],
        [0.9, 0.2, 0.7, 0.4],
        [0.4, 0.6, 0.2, 0.1],
        [0, 0, 0, 0],
        [0.2, 0.1, 0.8, 0.3],
    ]
    c.text(left + 2 * cell, 26, "table, learned: a row for each id", size=13)
    c.cells(left, top, rows, size=cell, height=tall, colour="orange", largest=1.6)
    for place, (name, number) in enumerate(zip(names, ids)):
        y = top + place * tall + 15
        c.text(left - 12, y, number, size=12, mono=True, anchor="end", colour="soft")
        c.text(left - 52, y, name, size=12, mono=True, anchor="end")
    c.box(left, top + 5 * tall, 4 * cell, tall, colour="blue", strength=0, radius=2)
    c.box(60, 128, 60, 40, words="O", size=18, mono=True)
    c.text(90, 116, "token", size=13, colour="soft")
    c.arrow((124, 148), (168, 148))
    c.box(172, 128, 60, 40, words="27", size=18, mono=True)
    c.text(202, 116, "its id", size=13, colour="soft")
    c.path([(236, 148), (304, 148), (334, 159)], arrow=True)
    c.arrow((left + 4 * cell + 6, top + 5.5 * tall), (left + 4 * cell + 46, top + 5.5 * tall))
    c.cells(left + 4 * cell + 52, top + 5 * tall, [rows[5]], size=27, height=tall, colour="blue")
    c.text(left + 4 * cell + 106, top + 4.6 * tall, "its vector", size=13, colour="soft")
    c.text(
        c.width / 2,
        266,
        "The id is a name, not an amount: 27 is not more than 25. Only the row "
        "has a meaning, and it is learned.",
        size=13,
    )
    return str(c)
