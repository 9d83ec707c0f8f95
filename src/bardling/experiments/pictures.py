"""What is made of an experiment's rows: pictures, and what they say."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from bardling.reporting.charts import Figure, bar_chart, heat_map
from bardling.reporting.rows import Row, tokenizers_differ


class Drawn(NamedTuple):
    """What is made of rows."""

    pictures: Mapping[str, Figure]
    """By file name."""
    remarks: Sequence[str] = ()
    values: Mapping[str, Any] = {}
    """The same as JSON values."""


Draw = Callable[[Sequence[Row], Mapping[str, float]], Drawn]
"""(rows, losses to compare with) → what is made of them."""


class Scale(NamedTuple):
    """The unit in which rows compare: nats per byte where tokenizers differ, else per token."""

    unit: str
    differ: bool
    first: float
    """Nats per byte over nats per token of the first row, whose tokens levels are counted in."""

    def of(self, row: Row) -> float | None:
        """Return a row's mean loss."""
        return row.per_byte if self.differ else row.mean

    def levels(self, levels: Mapping[str, float]) -> dict[str, float]:
        """Return losses of counting, which are per token of the first row."""
        return {name: level * self.first for name, level in levels.items()}


def scale_of(rows: Sequence[Row]) -> Scale:
    """Return the unit in which some rows compare."""
    differ = tokenizers_differ(rows)
    ratios = [row.ratio for row in rows if row.ratio is not None]
    return Scale(
        unit="nats per byte" if differ else "nats per token",
        differ=differ,
        first=ratios[0] if differ else 1.0,
    )


def bars(rows: Sequence[Row], levels: Mapping[str, float]) -> Drawn:
    """Return a bar for each row; what a source states is by characters, as its rows are."""
    scale = scale_of(rows)
    label = f"validation loss, {scale.unit}"
    return Drawn({"chart": bar_chart(rows, scale.levels(levels), value=scale.of, y_label=label)})


def grid(
    vary: Mapping[str, Sequence[object]], rows: Sequence[Row], levels: Mapping[str, float]
) -> Drawn:
    """Return a heat map where two settings vary, else bars."""
    if len(vary) != 2:
        return bars(rows, levels)
    (y_label, y_values), (x_label, x_values) = vary.items()
    scale, width = scale_of(rows), len(x_values)
    means = [scale.of(row) for row in rows]
    known = ", ".join(f"{name} {level:.3f}" for name, level in scale.levels(levels).items())
    picture = heat_map(
        [means[start : start + width] for start in range(0, len(means), width)],
        [str(value) for value in x_values],
        [str(value) for value in y_values],
        x_label=x_label,
        y_label=y_label,
        title=f"{scale.unit}; counting: {known}",
    )
    return Drawn({"map": picture})
