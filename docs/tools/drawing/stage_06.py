"""Pictures of page 6: widen, bend, narrow, and the bends."""

import math

from drawing.canvas import Canvas, Colour
from drawing.gallery import picture


@picture("06-layer")
def layer() -> str:
    """Draw one position going through the layer, beside the others that do the same."""
    c = Canvas(262, "Each position by itself: widened, bent, narrowed")
    c.text(c.width / 2, 26, "one position, on its own", size=14, bold=True)
    left, top = 92.0, 52.0
    c.cells(left, top + 48, [[0.6], [0.2], [0.8], [0.4]], size=26, height=16, colour="blue")
    wide = [0.3, 0.9, 0.0, 0.5, 0.7, 0.0, 0.2, 0.0, 0.8, 0.0, 0.4, 0.6, 0.0, 0.1, 0.0, 0.5]
    raw = [value if value else -0.25 - 0.3 * (place % 3) for place, value in enumerate(wide)]
    c.cells(306, top - 8, [[value] for value in raw], size=26, height=11, colour="blue")
    c.cells(436, top - 8, [[value] for value in wide], size=26, height=11, colour="blue")
    c.cells(642, top + 48, [[0.5], [0.3], [0.1], [0.7]], size=26, height=16, colour="blue")
    c.box(176, top + 42, 76, 76, colour="orange", words="up", size=15)
    c.box(512, top + 42, 76, 76, colour="orange", words="down", size=15)
    c.arrow((122, top + 80), (172, top + 80))
    c.arrow((256, top + 80), (302, top + 80))
    c.arrow((336, top + 80), (432, top + 80))
    c.text(384, top + 68, "bend", size=13)
    c.text(384, top + 100, "ReLU", size=12, colour="soft")
    c.arrow((466, top + 80), (508, top + 80))
    c.arrow((592, top + 80), (638, top + 80))
    for x, said in ((105, "n_embd"), (319, "4 n_embd"), (449, "many are zero"), (655, "n_embd")):
        c.text(x, 244, said, size=12.5, colour="soft")
    return str(c)


def _gelu(x: float) -> float:
    return 0.5 * x * (1 + math.erf(x / math.sqrt(2)))


def _silu(x: float) -> float:
    return x / (1 + math.exp(-x))


@picture("06-bends")
def bends() -> str:
    """Draw the activations over each other, and what a smooth one keeps."""
    c = Canvas(290, "ReLU, GELU and SiLU: the same far out, different around zero")
    left, bottom, unit = 250.0, 216.0, 62.0
    c.path([(left - 4 * unit + 40, bottom), (left + 3.1 * unit, bottom)], colour="grey", width=1)
    c.path([(left, bottom + 42), (left, 26)], colour="grey", width=1)
    for place in (-3, -2, -1, 1, 2, 3):
        c.text(
            left + place * unit,
            bottom + (36 if place < 0 else 18),
            str(place),
            size=11.5,
            mono=True,
            colour="soft",
        )
    curves: list[tuple[str, Colour, float]] = [
        ("ReLU", "red", 2.2),
        ("GELU", "blue", 2.2),
        ("SiLU", "teal", 2.2),
    ]
    functions = {"ReLU": lambda x: max(x, 0.0), "GELU": _gelu, "SiLU": _silu}
    for name, colour, width in curves:
        points = [
            (left + x / 10 * unit, bottom - functions[name](x / 10) * unit) for x in range(-34, 30)
        ]
        c.path(points, colour=colour, width=width)
    said = [
        ("ReLU", "red", "max(x, 0): no slope at all left of zero"),
        ("GELU", "blue", "x times the share of a bell curve below x"),
        ("SiLU", "teal", "x times sigmoid(x); SwiGLU's gate"),
    ]
    for row, (name, tone, words) in enumerate(said):
        y = 60 + row * 46
        c.path([(476, y - 5), (502, y - 5)], colour=tone, width=3)  # type: ignore[arg-type]
        c.text(512, y, name, anchor="start", bold=True)
        c.text(512, y + 18, words, anchor="start", size=11.5, colour="soft")
    c.text(476, 216, "Far from zero they agree; the smooth", anchor="start", size=12.5)
    c.text(476, 234, "ones let a unit come back that was off.", anchor="start", size=12.5)
    return str(c)
