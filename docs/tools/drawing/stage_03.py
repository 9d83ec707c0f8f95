"""Pictures of page 3: inputs and targets, and which windows a step sees."""

from bardling.machine.randomness import stream
from drawing.canvas import Canvas
from drawing.gallery import picture

TEXT = "Romeo, Ro"
N_TRAIN, N_VAL = 1_003_854, 111_540


@picture("03-shift")
def shift() -> str:
    """Draw a window, the same window one token later, and the questions between them."""
    c = Canvas(292, "A window of eight tokens, and its targets: the same window one token later")
    shown = [letter.replace(" ", "␣") for letter in TEXT]
    left, step = 150.0, 52.0
    for place, letter in enumerate(shown):
        x = left + place * step
        if place < 8:
            c.box(x, 40, 44, 38, words=letter, size=17, mono=True)
        if place > 0:
            c.box(x, 128, 44, 38, words=letter, size=17, mono=True, colour="purple")
            c.arrow((x - step + 24, 80), (x + 16, 125))
    c.text(134, 64, "inputs", anchor="end", bold=True)
    c.text(134, 152, "targets", anchor="end", bold=True)
    c.text(134, 108, "asks for", anchor="end", size=13, colour="soft")
    questions = [(0, "R → o"), (1, "Ro → m"), (2, "Rom → e"), (7, "Romeo,␣R → o")]
    x = left
    for place, question in questions:
        width = 9.0 * len(question) + 16
        if place == 7:
            c.text(x + 8, 215, "…", size=16)
            x += 26
        c.box(x, 194, width, 32, words=question, size=14, mono=True, colour="teal")
        x += width + 10
    c.text(134, 215, "eight questions", anchor="end", size=13, colour="soft")
    c.text(
        c.width / 2,
        262,
        "Every position is a question with an answer, and each sees all "
        "letters up to its own: 8 for the price of one window.",
        size=13,
    )
    return str(c)


@picture("03-windows")
def windows() -> str:
    """Draw the training text with the windows of three steps, and the validation text."""
    c = Canvas(
        250,
        "Windows of three steps lie anywhere in the training text; those of validation "
        "lie side by side",
    )
    left, right = 96.0, c.width - 24
    whole = right - left
    border = left + whole * N_TRAIN / (N_TRAIN + N_VAL)
    for row in range(3):
        y = 48 + row * 42
        c.text(left - 12, y + 17, f"step {row}", anchor="end", size=13, mono=True)
        c.box(left, y, border - left, 26, colour="grey", strength=0.08, radius=3)
        starts = stream(1, "windows/train", row).integers(0, N_TRAIN - 128, size=8)
        for start in starts.tolist():
            c.box(left + (border - left) * start / N_TRAIN, y, 9, 26, strength=0.55, radius=2)
    c.box(border + 4, 48, right - border - 4, 110, colour="purple", strength=0.08, radius=3)
    for place in range(5):
        c.box(border + 7 + place * 11, 90, 9.5, 26, colour="purple", strength=0.5, radius=2)
    c.text((left + border) / 2, 34, "nine tenths, to learn from", size=13, colour="soft")
    c.text((border + right) / 2 - 6, 34, "to measure", size=13, colour="soft")
    c.text(
        left,
        190,
        "Random windows: where they begin is a function of (seed, step), so a run that is resumed",
        size=13,
        anchor="start",
    )
    c.text(
        left,
        208,
        "sees what it would have seen. (Drawn 120 times as wide as they are.)",
        size=13,
        anchor="start",
    )
    c.text(
        left,
        232,
        "Validation: side by side, every token once, the same ones each time.",
        size=13,
        anchor="start",
        colour="purple",
    )
    return str(c)
