"""What is made of an experiment's rows: pictures, and what they say."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from bardling.reporting.charts import Figure, bar_chart, heat_map
from bardling.reporting.rows import Row


class Drawn(NamedTuple):
    """What is made of rows."""

    pictures: Mapping[str, Figure]
    """By file name."""
    remarks: Sequence[str] = ()
    values: Mapping[str, Any] = {}
    """The same as JSON values."""


Draw = Callable[[Sequence[Row], Mapping[str, float]], Drawn]
"""(rows, losses to compare with) → what is made of them."""


def bars(rows: Sequence[Row], levels: Mapping[str, float]) -> Drawn:
    """Return a bar for each row, in nats per byte where all rows have them.

    That compares tokenizers too; for ASCII by characters it is the loss itself.
    """
    everywhere = all(row.per_byte is not None for row in rows if row.mean is not None)
    label = "validation loss, nats per " + ("byte" if everywhere else "token")

    def value(row: Row) -> float | None:
        return row.per_byte if everywhere else row.mean

    return Drawn({"chart": bar_chart(rows, levels, value=value, y_label=label)})


def grid(
    vary: Mapping[str, Sequence[object]], rows: Sequence[Row], levels: Mapping[str, float]
) -> Drawn:
    """Return a heat map where two settings vary, else bars."""
    if len(vary) != 2:
        return bars(rows, levels)
    (y_label, y_values), (x_label, x_values) = vary.items()
    width = len(x_values)
    means = [row.mean for row in rows]
    picture = heat_map(
        [means[start : start + width] for start in range(0, len(means), width)],
        [str(value) for value in x_values],
        [str(value) for value in y_values],
        x_label=x_label,
        y_label=y_label,
    )
    return Drawn({"map": picture})
