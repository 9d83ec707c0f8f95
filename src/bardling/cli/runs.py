"""`bardling runs`: the runs made so far, oldest first."""

from collections.abc import Sequence
from dataclasses import dataclass

import tyro
from rich.console import Console
from rich.table import Table

from bardling.cli.options import Folder
from bardling.errors import BardlingError
from bardling.model.size import count_parameters
from bardling.run_folder import RunFolder, list_runs, runs_folder


@dataclass(frozen=True, kw_only=True)
class RunsArguments:
    """Show the runs made so far."""

    runs_dir: Folder = None
    """Where runs live: else BARDLING_RUNS, else ./runs."""


def run(argv: Sequence[str]) -> int:
    """Parse the options and show the table."""
    arguments = tyro.cli(RunsArguments, args=list(argv), prog="bardling runs")
    folder = runs_folder(arguments.runs_dir)
    screen = Console(highlight=False)
    runs = list_runs(folder)
    if not runs:
        screen.print(f"{folder} has no runs yet; begin with: bardling train shakespeare")
        return 0
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("run", no_wrap=True)
    table.add_column("corpus")
    for name in ("parameters", "step", "best val loss"):
        table.add_column(name, justify="right")
    table.add_column("")
    for one in runs:
        table.add_row(*_row(one))
    screen.print(table)
    return 0


def _row(run: RunFolder) -> tuple[str, ...]:
    try:
        config, result = run.config(), run.result()
        records = run.metrics()
    except BardlingError as error:
        return run.name, "", "", "", "", f"damaged: {error}"
    step = max((record["step"] for record in records), default=0)
    losses = [record["val_loss"] for record in records if "val_loss" in record]
    best = f"{min(losses):.4f}" if losses else ""
    if result is not None:
        best = f"{result['best']['val_loss']:.4f}"
    return (
        run.name,
        config.data.corpus,
        f"{count_parameters(config.model).total:,}",
        f"{step}/{config.total_steps}",
        best,
        "ended" if result is not None else f"go on: bardling train --resume {run.name}",
    )
