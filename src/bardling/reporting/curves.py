"""Curves as SVG, drawn by matplotlib, which comes with the extra `report`."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bardling.extras import optional
from bardling.reporting.console import count

COLOURS = ("#2a6f97", "#c1666b", "#d4a017", "#6a994e", "#7d5ba6")
GREY = "#888888"  # readable on white and on black


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A line through points."""

    label: str
    x: Sequence[int | float]
    y: Sequence[float]


def loss_chart(curves: Sequence[Curve], levels: Mapping[str, float], *, x_label: str) -> str:
    """Return a chart of losses as an SVG element: curves, and levels as dashed lines.

    Raises `UsageError` that names the command when matplotlib is not installed.
    """
    figure = matplotlib("figure").Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots()
    for curve, colour in zip(curves, COLOURS, strict=False):
        axes.plot(curve.x, curve.y, label=curve.label, color=colour, linewidth=1.8)
    for label, value in levels.items():
        axes.axhline(value, color=GREY, linestyle="--", linewidth=1)
        axes.annotate(
            f"{label} {value:.3f}", (1.0, value), xycoords=("axes fraction", "data"),
            xytext=(4, 0), textcoords="offset points", va="center", color=GREY, fontsize=9,
        )  # fmt: skip
    values = [y for curve in curves for y in curve.y] + list(levels.values())
    if values and min(values) > 0:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(matplotlib("ticker").LogLocator(subs=(1, 2, 3, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(matplotlib("ticker").NullFormatter())
    axes.xaxis.set_major_formatter(lambda value, _: count(value))
    axes.set_xlabel(x_label)
    axes.set_ylabel("nats per token")
    for spine in ("top", "right"):
        axes.spines[spine].set_visible(False)
    paint(axes, figure)
    if curves:  # above the chart: within it the dashes of a level would strike words through
        axes.legend(
            frameon=False, labelcolor=GREY, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3
        )
    return svg_element(figure)


def paint(axes: Any, figure: Any) -> None:
    """Use one grey for all that is not a curve, so that the page may be dark or light."""
    figure.patch.set_alpha(0)
    axes.patch.set_alpha(0)
    axes.tick_params(which="both", colors=GREY)
    for part in (axes.xaxis.label, axes.yaxis.label):
        part.set_color(GREY)
    for spine in axes.spines.values():
        spine.set_color(GREY)


def svg_element(figure: Any) -> str:
    """Return the figure as an element that fits the width of the page; the same every time."""
    file = io.StringIO()
    with matplotlib().rc_context({"svg.hashsalt": "bardling", "svg.fonttype": "none"}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    element = file.getvalue()[file.getvalue().index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    return re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', 'width="100%"', element, count=1)


def matplotlib(module: str = "") -> Any:
    """Return matplotlib or a module of it, or raise `UsageError` that says how to get it."""
    return optional(f"matplotlib.{module}" if module else "matplotlib", "report", "the page")
