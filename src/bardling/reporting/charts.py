"""Pictures of experiments, drawn by matplotlib: bars, curves of several runs, heat maps.

Each function returns a figure; `svg` and `png` make files of it. One grey serves all that is not
data, so that a picture can lie on a light or a dark page.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bardling.reporting.console import count
from bardling.reporting.curves import COLOURS, GREY, matplotlib, paint, svg_element
from bardling.reporting.rows import Row, tokenizers_differ

BAR, STATED = COLOURS[0], COLOURS[1]
Figure = Any


def bar_chart(
    rows: Sequence[Row],
    levels: Mapping[str, float],
    *,
    value: Callable[[Row], float | None],
    y_label: str,
    stated_label: str = "stated by the source",
) -> Figure:
    """Return a bar for each row, a dot for each seed, and levels as dashed lines."""
    figure = matplotlib("figure").Figure(figsize=(max(6.0, 0.62 * len(rows) + 2), 4.6))
    axes = figure.subplots()
    means = [value(row) for row in rows]
    known = [(place, mean) for place, mean in enumerate(means) if mean is not None]
    axes.bar([p for p, _ in known], [m for _, m in known], color=BAR, width=0.62, zorder=2)
    for place, row in enumerate(rows):
        if len(row.losses) > 1 and row.mean:
            ratio = (means[place] or 0.0) / row.mean
            dots = [loss * ratio for loss in row.losses]
            axes.scatter([place] * len(dots), dots, s=7, color="black", zorder=5)
    stated = [(place, row.stated) for place, row in enumerate(rows) if row.stated is not None]
    if stated:
        axes.scatter(
            [p for p, _ in stated], [s for _, s in stated], marker="_", s=340, linewidths=2,
            color=STATED, zorder=4, label=stated_label,
        )  # fmt: skip
        axes.legend(frameon=False, labelcolor=GREY, loc="upper right", fontsize=8)
    for label, level in levels.items():
        axes.axhline(level, color=GREY, linestyle="--", linewidth=1, zorder=3)
        axes.annotate(
            f" {label} {level:.3f}", (1.0, level), xycoords=("axes fraction", "data"), ha="left",
            va="center", color=GREY, fontsize=8,
        )  # fmt: skip
    shown = [mean for _, mean in known] + [s for _, s in stated] + list(levels.values())
    if shown:
        low, high = min(shown), max(shown)
        axes.set_ylim(max(0.0, low - 0.6 * (high - low) - 0.05), high + 0.12 * (high - low) + 0.05)
    _write_means(axes, known)
    axes.set_xticks(range(len(rows)), [row.name for row in rows], rotation=35, ha="right")
    axes.set_ylabel(y_label)
    return finished(figure, axes)


def _write_means(axes: Any, known: Sequence[tuple[int, float]]) -> None:
    """Write each mean at the foot of its bar, where no line or dot is; above one that is short."""
    foot, top = axes.get_ylim()
    for place, mean in known:
        inside = mean - foot > 0.08 * (top - foot)
        axes.annotate(
            f"{mean:.2f}", (place, foot if inside else mean), ha="center", va="bottom",
            color="white" if inside else GREY, fontsize=8, xytext=(0, 4),
            textcoords="offset points", zorder=6,
        )  # fmt: skip


def heat_map(
    values: Sequence[Sequence[float | None]],
    columns: Sequence[str],
    rows: Sequence[str],
    *,
    x_label: str,
    y_label: str,
    title: str = "",
) -> Figure:
    """Return a square of colours with their numbers, the lowest the darkest."""
    figure = matplotlib("figure").Figure(figsize=(1.1 * len(columns) + 2, 0.75 * len(rows) + 1.6))
    axes = figure.subplots()
    grid = [[float("nan") if value is None else value for value in row] for row in values]
    image = axes.imshow(grid, cmap="viridis", aspect="auto")
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            light = value is not None and image.norm(value) < 0.5
            shown = "-" if value is None else f"{value:.3f}"
            colour = "white" if light else "black"
            axes.text(x, y, shown, ha="center", va="center", color=colour, fontsize=9)
    axes.set_title(title, fontsize=9, color=GREY)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    return finished(figure, axes)


def curves_chart(rows: Sequence[Row], levels: Mapping[str, float]) -> Figure:
    """Return the validation losses of each row's first seed over tokens, laid over each other.

    They are per byte where tokenizers differ; `levels` are per token of the first row.
    """
    differ = tokenizers_differ(rows)
    figure = matplotlib("figure").Figure(figsize=(8, 4.4))
    axes = figure.subplots()
    colours = matplotlib().colormaps["viridis"]
    for number, row in enumerate(rows):
        curve = row.outcomes[0].curve[1:]  # the first is chance
        ratio = (row.ratio or 1.0) if differ else 1.0
        shade = colours(number / max(1, len(rows) - 1) * 0.9)
        axes.plot([x for x, _ in curve], [y * ratio for _, y in curve], label=row.name, color=shade)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: count(value))
    axes.xaxis.set_minor_formatter(matplotlib("ticker").NullFormatter())
    axes.set_xlabel("tokens trained on")
    axes.set_ylabel("validation loss, nats per " + ("byte" if differ else "token"))
    first = next((row.ratio for row in rows if row.ratio is not None), 1.0) if differ else 1.0
    for label, level in levels.items():
        axes.axhline(level * first, color=GREY, linestyle="--", linewidth=1)
        axes.annotate(
            label, (0.0, level * first), xycoords=("axes fraction", "data"), va="bottom",
            color=GREY, fontsize=8,
        )  # fmt: skip
    axes.legend(
        frameon=False, labelcolor=GREY, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5)
    )
    return finished(figure, axes)


def scaling_chart(
    runs: Sequence[tuple[float, float, float]],
    loss: Callable[[float, float], float],
    levels: Mapping[str, float],
    *,
    least: float,
) -> Figure:
    """Return losses above `least` over size and over tokens, as dots, with what a law says.

    `runs` are (weights, tokens, loss); both axes are logarithmic, where a power is a line.
    """
    figure = matplotlib("figure").Figure(figsize=(9.2, 4.4))
    left, right = figure.subplots(1, 2, sharey=True)
    colours = matplotlib().colormaps["viridis"]
    for axes, own, other, word in ((left, 0, 1, "tokens"), (right, 1, 0, "weights")):
        groups = sorted({run[other] for run in runs})
        for number, group in enumerate(groups):
            shade = colours(number / max(1, len(groups) - 1) * 0.9)
            mine = sorted(run for run in runs if run[other] == group)
            axes.plot(
                [run[own] for run in mine], [run[2] - least for run in mine], "o", color=shade,
                label=f"{count(group)} {word}",
            )  # fmt: skip
            line = sorted(run[own] for run in runs)
            says = [loss(*((x, group) if own == 0 else (group, x))) - least for x in line]
            axes.plot(line, says, color=shade, linewidth=1)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: count(value))
        axes.legend(frameon=False, labelcolor=GREY, fontsize=8)
    left.set_xlabel("weights that multiply")
    right.set_xlabel("tokens trained on")
    left.set_ylabel(f"nats per token above {least:.3f}")
    ticker = matplotlib("ticker")
    left.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 3, 5)))
    left.yaxis.set_major_formatter("{x:g}")
    for axes in (left, right):
        axes.yaxis.set_minor_formatter(ticker.NullFormatter())
        axes.xaxis.set_minor_formatter(ticker.NullFormatter())
        for name, level in levels.items():
            if level > least:
                axes.axhline(level - least, color=GREY, linestyle="--", linewidth=1)
                axes.annotate(
                    name, (0.01, level - least), xycoords=("axes fraction", "data"), va="bottom",
                    color=GREY, fontsize=8,
                )  # fmt: skip
        finished(figure, axes)
    return figure


def finished(figure: Figure, axes: Any) -> Figure:
    """Return a figure in the common style."""
    for spine in ("top", "right"):
        axes.spines[spine].set_visible(False)
    paint(axes, figure)
    figure.set_layout_engine("constrained")
    return figure


def svg(figure: Figure) -> str:
    """Return a figure as an SVG element; the same every time."""
    return svg_element(figure)


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG file, on white."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=130, facecolor="white", metadata={"Software": None})
    return file.getvalue()
