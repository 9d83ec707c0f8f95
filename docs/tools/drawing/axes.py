"""What the later pictures share: a scale in each direction, boxes of several lines."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drawing.canvas import Canvas, Colour, Point

COLOURS: tuple[Colour, ...] = ("blue", "orange", "teal", "purple", "red")
"""In the order in which things that are compared take them."""


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
        self.canvas.path([(left, top), (left, foot), (left + width, foot)], width=1.2)
        for value in x_ticks:
            place = self.at(value, self.y[0])[0]
            self.canvas.path([(place, foot), (place, foot + 4)], width=1.2)
            self.canvas.text(place, foot + 17, show(value), colour="soft", size=11)
        for value in y_ticks:
            place = self.at(self.x[0], value)[1]
            self.canvas.path([(left - 4, place), (left, place)], width=1.2)
            self.canvas.text(left - 7, place + 4, show(value), colour="soft", size=11, anchor="end")
        if x_label:
            self.canvas.text(left + width / 2, foot + 34, x_label, colour="soft", size=12)
        if y_label:
            self.canvas.text(left - 4, top - 9, y_label, colour="soft", size=12, anchor="start")

    def curve(self, values: Sequence[Point], colour: Colour, *, width: float = 2) -> None:
        """Draw a curve through pairs of values."""
        self.canvas.path([self.at(*pair) for pair in values], colour=colour, width=width)


def labelled(
    canvas: Canvas,
    x: float,
    y: float,
    width: float,
    height: float,
    lines: Sequence[str],
    *,
    colour: Colour = "soft",
) -> None:
    """Draw a box with lines in its middle, the first of them strong."""
    canvas.box(x, y, width, height, colour=colour)
    top = y + height / 2 - (len(lines) - 1) * 8.5 + 4.5
    for i, words in enumerate(lines):
        tone: Colour = "soft" if i else "ink"
        size = 12 if i else 13
        canvas.text(x + width / 2, top + 17 * i, words, colour=tone, size=size, bold=not i)
