"""`bardling runs`: the runs made so far, oldest first."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from bardling.cli.options import Folder, parse
from bardling.errors import BardlingError
from bardling.model.size import count_parameters
from bardling.reporting.console import nats
from bardling.reporting.screen import Screen
from bardling.run_folder import RunFolder, list_runs, runs_folder

NARROW = 80
"""Columns of a terminal below which some of the table are left out."""


@dataclass(frozen=True, kw_only=True)
class RunsArguments:
    """Show the runs made so far."""

    runs_dir: Folder = None
    """Where runs live: else BARDLING_RUNS, else ./runs."""


def run(argv: Sequence[str]) -> int:
    """Parse the options and show the table, then what to do about runs that have not ended."""
    arguments = parse(RunsArguments, argv, prog="bardling runs")
    folder = runs_folder(arguments.runs_dir)
    screen = Screen()
    runs = list_runs(folder)
    if not runs:
        screen.print(f"there are no runs in '{folder}' yet; begin with: bardling train shakespeare")
        return 0
    is_narrow = screen.width < NARROW
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("run", overflow="fold", min_width=16)
    if not is_narrow:
        table.add_column("corpus", overflow="ellipsis", no_wrap=True)
    for name in ("step", "best val loss") if is_narrow else ("parameters", "step", "best val loss"):
        table.add_column(name, justify="right", no_wrap=True, min_width=9)
    table.add_column("state", no_wrap=True, min_width=10)
    advice = []
    for one in runs:
        row, told = _row(one, one.name if arguments.runs_dir is None else str(one.path))
        table.add_row(*((row[0], *row[3:]) if is_narrow else row))
        advice += [told] if told else []
    screen.print(table, soft_wrap=False)
    screen.print("".join(f"\n{told}" for told in advice), end="\n" if advice else "")
    return 0


def _row(run: RunFolder, word: str) -> tuple[tuple[str, ...], str]:
    """Return a run's row, and what to say below the table; `word` is how to call the run."""
    try:
        config, result, records = run.config(), run.result(), run.metrics()
    except BardlingError as error:
        return (run.name, "", "", "", "", "damaged"), f"{run.name} is damaged: {error}"
    step = max([*(record["step"] for record in records), *run.steps()], default=0)
    losses = [record["val_loss"] for record in records if record.get("val_loss") is not None]
    best = nats(min(losses)) if losses else ""
    row = (
        run.name,
        Path(config.data.corpus).name,
        f"{count_parameters(config.model).total:,}",
        f"{step}/{config.total_steps}",
        best if result is None else nats(result["best"]["val_loss"]),
    )
    if result is not None:
        return (*row, "diverged" if result["stopped"] == "diverged" else "ended"), ""
    if run.is_imported():
        return (*row[:3], "", "", "imported"), ""
    return (*row, "unfinished"), f"go on with: bardling train --resume {shlex.quote(word)}"
