"""Draw by hand: shapes, words and axes that become an SVG for light and dark pages.

A picture brings its own ground, and two sets of colours of which the reader's system chooses one,
so it can be read wherever it is shown. Coordinates are pixels from the upper left corner; they are
rounded to a tenth, so that a picture drawn anew is the same file.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

Point = tuple[float, float]

INK, SOFT, GROUND = "ink", "soft", "ground"
COLOURS = ("blue", "orange", "green", "red", "violet")
_LIGHT = {
    "ground": "#fbfaf7", "ink": "#25282d", "soft": "#6a6f78", "blue": "#2667b8",
    "orange": "#b85c00", "green": "#2b7a3d", "red": "#b3323a", "violet": "#7346a8",
}  # fmt: skip
_DARK = {
    "ground": "#1d2025", "ink": "#e6e4de", "soft": "#9aa0aa", "blue": "#7db2f5",
    "orange": "#f0a35a", "green": "#7cc78d", "red": "#f08a8f", "violet": "#c0a0ec",
}  # fmt: skip


def _rules(colours: dict[str, str]) -> str:
    return "".join(f".f-{n}{{fill:{c}}}.s-{n}{{stroke:{c}}}" for n, c in colours.items())


_STYLE = (
    "text{font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif}"
    ".mono{font-family:ui-monospace,Menlo,Consolas,monospace}"
    + _rules(_LIGHT)
    + "@media (prefers-color-scheme:dark){"
    + _rules(_DARK)
    + "}"
)


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0").replace("-0", "0" if abs(value) < 0.05 else "-0")


@dataclass
class Canvas:
    """A picture that is being drawn."""

    width: float
    height: float
    about: str
    """What it shows, in a sentence, for those who do not see it."""
    parts: list[str] = field(default_factory=list)

    def line(
        self, points: Sequence[Point], colour: str = INK, *, width: float = 1.6, dash: str = ""
    ) -> None:
        """Draw a line through points."""
        path = "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<path class="s-{colour}" d="{path}" fill="none" stroke-width="{width}" '
            f'stroke-linejoin="round" stroke-linecap="round"{dashed}/>'
        )

    def arrow(self, start: Point, end: Point, colour: str = SOFT, *, width: float = 1.6) -> None:
        """Draw a straight arrow."""
        angle = math.atan2(end[1] - start[1], end[0] - start[0])
        self.line([start, end], colour, width=width)
        sides = [
            (end[0] - 8 * math.cos(angle + turn), end[1] - 8 * math.sin(angle + turn))
            for turn in (0.45, -0.45)
        ]
        self.line([sides[0], end, sides[1]], colour, width=width)

    def box(
        self,
        corner: Point,
        size: Point,
        colour: str = SOFT,
        *,
        fill: float = 0.0,
        stroke: bool = True,
        radius: float = 4,
    ) -> None:
        """Draw a rectangle, filled as strongly as `fill` says."""
        paint = f'class="f-{colour} s-{colour}" fill-opacity="{fill:g}"'
        paint += ' stroke-width="1.4"' if stroke else ' stroke-width="0"'
        self.parts.append(
            f'<rect {paint} x="{_n(corner[0])}" y="{_n(corner[1])}" width="{_n(size[0])}" '
            f'height="{_n(size[1])}" rx="{_n(radius)}"/>'
        )

    def dot(self, at: Point, colour: str = INK, *, radius: float = 3) -> None:
        """Draw a filled circle."""
        self.parts.append(
            f'<circle class="f-{colour}" cx="{_n(at[0])}" cy="{_n(at[1])}" r="{_n(radius)}"/>'
        )

    def words(
        self,
        at: Point,
        text: str,
        colour: str = INK,
        *,
        size: float = 13,
        anchor: str = "middle",
        bold: bool = False,
        mono: bool = False,
    ) -> None:
        """Write a line of text, whose foot is at the given height."""
        classes = f"f-{colour} mono" if mono else f"f-{colour}"
        weight = ' font-weight="600"' if bold else ""
        self.parts.append(
            f'<text class="{classes}" x="{_n(at[0])}" y="{_n(at[1])}" font-size="{size:g}" '
            f'text-anchor="{anchor}"{weight}>{escape(text)}</text>'
        )

    def labelled(
        self, corner: Point, size: Point, lines: Sequence[str], colour: str = SOFT, **how: float
    ) -> None:
        """Draw a box with words in its middle, the first line strong."""
        self.box(corner, size, colour, fill=how.get("fill", 0.12))
        middle, pitch = corner[0] + size[0] / 2, how.get("pitch", 17.0)
        top = corner[1] + size[1] / 2 - (len(lines) - 1) * pitch / 2 + 4.5
        for i, text in enumerate(lines):
            self.words(
                (middle, top + i * pitch), text, INK if i == 0 else SOFT,
                size=13 if i == 0 else 12, bold=i == 0,
            )  # fmt: skip

    def svg(self) -> str:
        """Return the file."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(self.width)} '
            f'{_n(self.height)}" width="{_n(self.width)}" height="{_n(self.height)}" role="img">'
        )
        ground = f'<rect class="f-{GROUND}" width="100%" height="100%" rx="8"/>'
        title = f"<title>{escape(self.about)}</title>"
        return "\n".join((head, title, f"<style>{_STYLE}</style>", ground, *self.parts, "</svg>\n"))


@dataclass(frozen=True, kw_only=True)
class Axes:
    """A part of a canvas with a scale in each direction."""

    canvas: Canvas
    corner: Point
    size: Point
    x: tuple[float, float]
    y: tuple[float, float]
    log_x: bool = False

    def at(self, x: float, y: float) -> Point:
        """Return where a pair of values lies."""
        low, high = self.x
        if self.log_x:
            x, low, high = math.log(x), math.log(low), math.log(high)
        return (
            self.corner[0] + (x - low) / (high - low) * self.size[0],
            self.corner[1] + self.size[1] * (1 - (y - self.y[0]) / (self.y[1] - self.y[0])),
        )

    def frame(
        self,
        x_label: str,
        y_label: str,
        *,
        x_ticks: Sequence[float] = (),
        y_ticks: Sequence[float] = (),
        show: Callable[[float], str] = lambda value: f"{value:g}",
    ) -> None:
        """Draw the two axes with their ticks and names."""
        (left, top), (width, height) = self.corner, self.size
        foot = top + height
        self.canvas.line([(left, top), (left, foot), (left + width, foot)], SOFT, width=1.2)
        for value in x_ticks:
            place = self.at(value, self.y[0])[0]
            self.canvas.line([(place, foot), (place, foot + 4)], SOFT, width=1.2)
            self.canvas.words((place, foot + 17), show(value), SOFT, size=11)
        for value in y_ticks:
            place = self.at(self.x[0], value)[1]
            self.canvas.line([(left - 4, place), (left, place)], SOFT, width=1.2)
            self.canvas.words((left - 7, place + 4), show(value), SOFT, size=11, anchor="end")
        if x_label:
            self.canvas.words((left + width / 2, foot + 34), x_label, SOFT, size=12)
        if y_label:
            self.canvas.words((left - 4, top - 9), y_label, SOFT, size=12, anchor="start")

    def curve(
        self, values: Sequence[Point], colour: str, *, width: float = 2, dash: str = ""
    ) -> None:
        """Draw a curve through pairs of values."""
        self.canvas.line([self.at(*pair) for pair in values], colour, width=width, dash=dash)
