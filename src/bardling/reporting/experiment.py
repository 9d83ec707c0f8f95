"""An experiment as files: results.json, a page, and its pictures as SVG and PNG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from bardling import storage
from bardling.reporting.charts import Figure, curves_chart, png, svg
from bardling.reporting.console import clock, count, nats
from bardling.reporting.page import document
from bardling.reporting.rows import Row

STYLE = """
body { max-width: 62rem; } blockquote { max-width: 46rem; }
table.rows { font-size: .9rem; } table.rows td:last-child { min-width: 15rem; }
table.rows td:first-child { white-space: nowrap; }
.wide { overflow-x: auto; } .level td { color: var(--soft); }
"""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Rows to compare, and all that is told about them."""

    title: str
    facts: Sequence[str]
    """What was trained on what, how, and on which machine."""
    command: str
    """What makes it again."""
    rows: Sequence[Row]
    levels: Mapping[str, float] = field(default_factory=dict)
    """Losses to compare with, such as those of counting, in nats per token."""
    pictures: Mapping[str, Figure] = field(default_factory=dict)
    """By file name, without its ending."""
    samples: Mapping[str, str] = field(default_factory=dict)
    """What each row's first run wrote last."""
    commands: Mapping[str, str] = field(default_factory=dict)
    """What makes each row's first run by itself."""
    remarks: Sequence[str] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    """What was worked out of the rows, for results.json."""


def loss_cell(row: Row) -> str:
    """Return a row's mean loss and its spread over seeds."""
    if row.mean is None:
        return row.state
    spread = "" if row.spread is None else f" ± {row.spread:.4f}"
    return f"{nats(row.mean)}{spread}"


def table_of(experiment: Experiment) -> tuple[list[str], list[list[str]]]:
    """Return the heads and the cells of the table that screen and page show."""
    stated = any(row.stated is not None for row in experiment.rows)
    floor = any(row.excess is not None for row in experiment.rows)
    heads = ["", "last loss", "best", *(["above the floor"] if floor else []),
             *(["stated"] if stated else []), "bits per byte",
             "parameters", "tokens", "seeds", "time", "what it is"]  # fmt: skip
    cells = []
    for row in experiment.rows:
        best = "" if row.best is None else nats(row.best)
        per_byte = "" if row.bits_per_byte is None else nats(row.bits_per_byte)
        cells.append(
            [row.name, loss_cell(row), best,
             *(["" if row.excess is None else nats(row.excess)] if floor else []),
             *(["" if row.stated is None else f"{row.stated:.2f}"] if stated else []),
             per_byte, count(row.parameters), count(row.tokens), str(len(row.outcomes)),
             clock(row.seconds), row.about]
        )  # fmt: skip
    return heads, cells


def write_experiment(experiment: Experiment, folder: Path) -> Path:
    """Leave everything in `folder` and return the path of the page."""
    values = {
        "title": experiment.title,
        "command": experiment.command,
        "facts": list(experiment.facts),
        "levels": dict(experiment.levels),
        "commands": dict(experiment.commands),
        "pictures": [f"{name}.svg" for name in experiment.pictures],
        "remarks": [remark.rstrip(".") for remark in experiment.remarks],
        "rows": [row.to_json() for row in experiment.rows],
        **experiment.values,
    }
    storage.write_json(folder / "results.json", values)
    pictures = {name: svg(figure) for name, figure in experiment.pictures.items()}
    for name, figure in experiment.pictures.items():
        storage.write_text(folder / f"{name}.svg", pictures[name])
        storage.write_bytes(folder / f"{name}.png", png(figure))
    page = folder / "report.html"
    storage.write_text(page, _page(experiment, list(pictures.values())))
    return page


def _page(experiment: Experiment, pictures: Sequence[str]) -> str:
    parts = [
        f"<h1>{escape(experiment.title)}</h1>",
        f'<p class="facts">{escape(" · ".join(experiment.facts))}</p>',
        *(f"<figure>{picture}</figure>" for picture in pictures),
        _table(experiment),
        *(f'<p class="facts">{escape(remark)}</p>' for remark in experiment.remarks),
        "<h2>How the losses fell</h2>",
        f"<figure>{svg(curves_chart(experiment.rows, experiment.levels))}</figure>",
    ]
    if experiment.samples:
        parts.append("<h2>What each wrote at its end</h2>")
    for name, text in experiment.samples.items():
        parts.append(f'<p class="facts">{escape(name)}</p><blockquote>{escape(text)}</blockquote>')
    parts += ["<h2>Again</h2>", f"<p><code>{escape(experiment.command)}</code></p>"]
    for name, command in experiment.commands.items():
        parts.append(
            f'<p class="facts">{escape(name)} alone</p><p><code>{escape(command)}</code></p>'
        )
    return document(experiment.title, parts, style=STYLE)


def _table(experiment: Experiment) -> str:
    heads, cells = table_of(experiment)
    last = len(heads) - 1
    lines = ["".join(_cell("th", text, place, last) for place, text in enumerate(heads))]
    for row in cells:
        lines.append("".join(_cell("td", text, place, last) for place, text in enumerate(row)))
    levels = [
        f'<tr class="level"><td>{escape(name)}</td><td class="number">{nats(level)}</td>'
        f'<td colspan="{last - 1}"></td></tr>'
        for name, level in experiment.levels.items()
    ]
    body = "".join(f"<tr>{line}</tr>" for line in lines) + "".join(levels)
    return f'<div class="wide"><table class="rows">{body}</table></div>'


def _cell(kind: str, text: str, place: int, last: int) -> str:
    number = "" if place in (0, last) else ' class="number"'
    return f"<{kind}{number}>{escape(text)}</{kind}>"
