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

Columns = dict[str, tuple[str, ...]]
"""Cells by the head of their column."""
ABOUT = "what it is"
DISPENSABLE = ("seeds", "time", "tokens", "bits per byte", "parameters", "best")
"""What a terminal without room for all columns is shown least; the page has all of them."""
GAP = 2


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
    columns = dict(zip(heads, zip(*cells, strict=True), strict=True))
    meant = columns[ABOUT]
    columns, is_narrow = _fitting(columns, screen.width)
    table = Table(box=None, header_style="bold", padding=(0, GAP, 0, 0))
    for head in columns:
        is_text = head in ("", ABOUT)
        words = "\n".join(head.split()) if is_narrow and not is_text else head
        table.add_column(
            words, justify="left" if is_text else "right", no_wrap=head != ABOUT, overflow="fold"
        )
    for name, *others in zip(*columns.values(), strict=True):
        table.add_row(Text(name, "bold"), *others)
    screen.print()
    screen.print(table, soft_wrap=False)
    if ABOUT not in columns:
        for name, about in zip(columns[""], meant, strict=True):
            screen.print(Text.assemble("  ", (name, "bold"), f"  {about}"))
    for name, level in experiment.levels.items():
        screen.print(f"  counting {name}: {level:.4f} nats per token")
    for remark in experiment.remarks:
        screen.print(f"  {remark}")
    screen.print(f"  page  {page}")


def _fitting(columns: Columns, width: int) -> tuple[Columns, bool]:
    """Return the columns that `width` has room for uncut, and whether each word has its line."""
    if _width(columns, one_line=True) <= width:
        return columns, False
    left = dict(columns)
    for head in (ABOUT, *DISPENSABLE):
        if _width(left, one_line=False) <= width:
            break
        left.pop(head, None)
    return left, True


def _width(columns: Columns, *, one_line: bool) -> int:
    """Return how wide a table is at least: figures never break, what it is breaks at words."""
    total = 0
    for head, cells in columns.items():
        words = [head] if one_line else head.split()
        total += 24 if head == ABOUT else max(map(len, (*words, *cells)))
    return total + GAP * len(columns)
