"""What the verbs that compare runs share: where they lie, what is shown while and after."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from bardling.cli.options import Folder, Word
from bardling.experiments.place import Place
from bardling.reporting.experiment import Experiment, table_of
from bardling.reporting.screen import Screen
from bardling.reporting.trial_console import TrialConsole


@dataclass(frozen=True, kw_only=True)
class PlaceArguments:
    """Where an experiment lies."""

    name: Word = None
    """Name of its folder, in which each run has its own; the same name goes on with it."""
    runs_dir: Folder = None
    """Where runs live: else BARDLING_RUNS, else ./runs."""
    data_dir: Folder = None
    """Where corpora are looked for first: else BARDLING_DATA."""


def command_of(verb: str, words: Sequence[str]) -> str:
    """Return the command line again."""
    return shlex.join(["bardling", verb, *words])


def place_of(arguments: PlaceArguments, screen: Screen, command: str) -> Place:
    """Return where an experiment lies, with a watcher on the screen for each of its runs."""
    return Place(
        name=arguments.name,
        runs_dir=arguments.runs_dir,
        data_dir=arguments.data_dir,
        listen=lambda number, total, trial: TrialConsole(screen, number, total, trial.name),
        command=command,
    )


def show(screen: Screen, experiment: Experiment, page: Path) -> None:
    """Show the table of an experiment, what it is compared with, and where its page is."""
    heads, cells = table_of(experiment)
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for place, head in enumerate(heads):
        edge = place in (0, len(heads) - 1)
        table.add_column(head, justify="left" if edge else "right", no_wrap=place == 0)
    for row in cells:
        table.add_row(Text(row[0], "bold"), *row[1:])
    screen.print()
    screen.print(table, soft_wrap=False)
    for name, level in experiment.levels.items():
        screen.print(f"  counting {name}: {level:.4f} nats per token")
    for remark in experiment.remarks:
        screen.print(f"  {remark}")
    screen.print(f"  page  {page}")
