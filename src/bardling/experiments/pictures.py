"""Which picture an experiment gets."""

from collections.abc import Mapping, Sequence

from bardling.reporting.charts import Figure, bar_chart, heat_map
from bardling.reporting.rows import Row


def bars(rows: Sequence[Row], levels: Mapping[str, float]) -> dict[str, Figure]:
    """Return a bar for each row, in nats per byte where all rows have them.

    That compares tokenizers too; for ASCII by characters it is the loss itself.
    """
    everywhere = all(row.per_byte is not None for row in rows if row.mean is not None)
    label = "validation loss, nats per " + ("byte" if everywhere else "token")

    def value(row: Row) -> float | None:
        return row.per_byte if everywhere else row.mean

    return {"chart": bar_chart(rows, levels, value=value, y_label=label)}


def grid(
    vary: Mapping[str, Sequence[object]], rows: Sequence[Row], levels: Mapping[str, float]
) -> dict[str, Figure]:
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
    return {"map": picture}
