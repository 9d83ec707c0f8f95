"""A small canvas for SVG: words, boxes, arrows, cells of a matrix, curves.

Colours have names and a meaning that is the same on every page: `blue` is what flows (tokens and
their vectors), `orange` what is learned (weights), `teal` what mixes positions (attention),
`purple` what comes out (probabilities, losses), `red` what must not be, `grey` what is fixed.
Each has a tone for light and for dark pages; the picture brings its own ground for both.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Literal

Colour = Literal["ground", "ink", "soft", "grey", "blue", "orange", "teal", "purple", "red"]
Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]

LIGHT = {
    "ground": "#fbfaf7",
    "ink": "#22262e",
    "soft": "#626976",
    "grey": "#a9aeb8",
    "blue": "#2b68d4",
    "orange": "#c9650a",
    "teal": "#0d8175",
    "purple": "#7d4bd1",
    "red": "#c7303f",
}
DARK = {
    "ground": "#1c1f25",
    "ink": "#ebe8e2",
    "soft": "#a2a9b6",
    "grey": "#646b78",
    "blue": "#80abff",
    "orange": "#f0a353",
    "teal": "#52cbbb",
    "purple": "#bb9cff",
    "red": "#ff8894",
}
SANS = "system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','DejaVu Sans',sans-serif"
MONO = "ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace"
PALE = 0.15
WIDTH = 760


def _style() -> str:
    def tones(table: dict[str, str]) -> str:
        return "".join(f"--{name}:{tone};" for name, tone in table.items())

    uses = "".join(
        f".{name}{{fill:var(--{name})}}.s-{name}{{stroke:var(--{name})}}" for name in LIGHT
    )
    return (
        f":root{{{tones(LIGHT)}}}"
        f"@media (prefers-color-scheme:dark){{:root{{{tones(DARK)}}}}}"
        f"{uses}text{{font-family:{SANS}}}.mono{{font-family:{MONO}}}.none{{fill:none}}"
    )


def number(value: float) -> str:
    """Return a coordinate, short."""
    return f"{value:.1f}".removesuffix(".0")


class Canvas:
    """A picture as it grows; `str` gives the SVG. Sizes are in pixels of a page 760 wide."""

    def __init__(self, height: float, title: str, *, width: float = WIDTH) -> None:
        self.width, self.height, self.title = width, height, title
        self._parts: list[str] = []

    def __str__(self) -> str:
        size = f"{number(self.width)} {number(self.height)}"
        arrows = "".join(
            f'<marker id="to-{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
            f'markerHeight="7" orient="auto"><path d="M0 0.5L8 4L0 7.5z" class="{name}"/></marker>'
            for name in LIGHT
            if name != "ground"
        )
        ground = (
            f'<rect class="ground" width="{self.width}" height="{number(self.height)}" rx="10"/>'
        )
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" role="img">'
        title = f"<title>{escape(self.title)}</title>"
        style = f"<style>{_style()}</style><defs>{arrows}</defs>"
        return "\n".join([head, title, style, ground, *self._parts, "</svg>", ""])

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        colour: Colour = "ink",
        size: float = 14,
        anchor: Anchor = "middle",
        mono: bool = False,
        bold: bool = False,
        turn: float = 0,
    ) -> None:
        """Write words with their baseline at `y`."""
        more = ' font-weight="600"' if bold else ""
        if turn:
            more += f' transform="rotate({number(turn)} {number(x)} {number(y)})"'
        kind = f"{colour} mono" if mono else colour
        self._parts.append(
            f'<text x="{number(x)}" y="{number(y)}" class="{kind}" font-size="{number(size)}" '
            f'text-anchor="{anchor}" xml:space="preserve"{more}>{escape(words)}</text>'
        )

    def lines(
        self,
        x: float,
        y: float,
        lines: Iterable[str],
        *,
        step: float = 18,
        colour: Colour = "soft",
        size: float = 13,
        anchor: Anchor = "start",
        mono: bool = False,
    ) -> None:
        """Write several lines below each other."""
        for place, words in enumerate(lines):
            at = y + place * step
            self.text(x, at, words, colour=colour, size=size, anchor=anchor, mono=mono)

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        colour: Colour = "blue",
        words: str = "",
        size: float = 14,
        mono: bool = False,
        strength: float = PALE,
        edge: bool = True,
        dashed: bool = False,
        radius: float = 6,
    ) -> None:
        """Draw a box in a pale tone of its colour, with words in its middle."""
        edge_class = f" s-{colour}" if edge else ""
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self._parts.append(
            f'<rect x="{number(x)}" y="{number(y)}" width="{number(width)}" '
            f'height="{number(height)}" rx="{number(radius)}" class="{colour}{edge_class}" '
            f'fill-opacity="{strength:.3g}" stroke-width="1.4"{dash}/>'
        )
        if words:
            middle = y + height / 2 + size * 0.35
            self.text(x + width / 2, middle, words, size=size, mono=mono)

    def path(
        self,
        points: Sequence[Point],
        *,
        colour: Colour = "soft",
        width: float = 1.6,
        arrow: bool = False,
        dashed: bool = False,
    ) -> None:
        """Draw a line through points, with an arrow at its end if it is one."""
        steps = " ".join(f"{number(x)},{number(y)}" for x, y in points)
        more = f' marker-end="url(#to-{colour})"' if arrow else ""
        more += ' stroke-dasharray="5 4"' if dashed else ""
        self._parts.append(
            f'<polyline points="{steps}" class="none s-{colour}" '
            f'stroke-width="{number(width)}" stroke-linejoin="round"{more}/>'
        )

    def arrow(
        self, start: Point, end: Point, *, colour: Colour = "soft", width: float = 1.6
    ) -> None:
        """Draw a straight arrow."""
        self.path([start, end], colour=colour, width=width, arrow=True)

    def curve(
        self,
        start: Point,
        end: Point,
        bend: float,
        *,
        colour: Colour = "soft",
        width: float = 1.6,
        arrow: bool = True,
    ) -> None:
        """Draw an arc whose middle is `bend` pixels above the straight line."""
        (x1, y1), (x2, y2) = start, end
        middle = f"{number((x1 + x2) / 2)},{number((y1 + y2) / 2 - 2 * bend)}"
        more = f' marker-end="url(#to-{colour})"' if arrow else ""
        self._parts.append(
            f'<path d="M{number(x1)},{number(y1)} Q{middle} {number(x2)},{number(y2)}" '
            f'class="none s-{colour}" stroke-width="{number(width)}"{more}/>'
        )

    def dot(self, x: float, y: float, radius: float = 3.5, *, colour: Colour = "blue") -> None:
        """Draw a filled dot."""
        self._parts.append(
            f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(radius)}" class="{colour}"/>'
        )

    def cells(
        self,
        x: float,
        y: float,
        values: Sequence[Sequence[float | None]],
        *,
        size: float = 34,
        height: float | None = None,
        colour: Colour = "teal",
        largest: float = 1.0,
        form: str = "",
        font: float = 12,
        empty: Colour | None = None,
    ) -> None:
        """Draw a matrix as cells, the stronger the larger; None is an empty cell."""
        tall = size if height is None else height
        edge = " s-grey" if tall > 10 else ""
        for row, numbers in enumerate(values):
            for column, value in enumerate(numbers):
                left, top = x + column * size, y + row * tall
                strength = 0.0 if value is None else min(abs(value) / largest, 1.0) * 0.8
                tone = colour if value is None or value >= 0 else "orange"
                if value is None and empty is not None:
                    tone, strength = empty, 0.12
                words = "" if value is None or not form else format(value, form)
                self._parts.append(
                    f'<rect x="{number(left)}" y="{number(top)}" width="{number(size)}" '
                    f'height="{number(tall)}" class="{tone}{edge}" '
                    f'fill-opacity="{strength:.3f}" stroke-width="0.6"/>'
                )
                if words:
                    middle = top + tall / 2 + font * 0.35
                    self.text(left + size / 2, middle, words, size=font, mono=True)

    def row(
        self,
        x: float,
        y: float,
        words: Sequence[str],
        *,
        size: float = 34,
        height: float = 30,
        colour: Colour = "blue",
        font: float = 13,
        gap: float = 4,
    ) -> list[float]:
        """Draw tokens side by side in boxes; returns the middles of the boxes."""
        middles = []
        for place, word in enumerate(words):
            left = x + place * (size + gap)
            self.box(left, y, size, height, colour=colour, words=word, size=font, mono=True)
            middles.append(left + size / 2)
        return middles
