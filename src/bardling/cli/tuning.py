"""What verbs that train on from a run have in common: their words, and how it goes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import bardling
from bardling.cli.options import Folder, Word, value_of
from bardling.cli.settings import TuningArguments, parse_settings
from bardling.cli.train import leave_page
from bardling.config import RunConfig
from bardling.errors import UsageError
from bardling.machine.seat import seat
from bardling.reporting.console import open_console
from bardling.reporting.screen import Screen
from bardling.run_folder import RunFolder, find_run, runs_folder

Base = Callable[[RunFolder | None, str, Sequence[str]], RunConfig]
"""(the run that it begins with, the word after it, the options) → the settings that those change;
without a run, any that can be shown."""


@dataclass(frozen=True, kw_only=True)
class TunedRunArguments(TuningArguments):
    """The settings, and where the new run goes."""

    name: Word = None
    """Name of the new run's folder; without one, corpus and time make it."""
    runs_dir: Folder = None
    """Where runs live: else BARDLING_RUNS, else ./runs."""
    data_dir: Folder = None
    """Where corpora are looked for first: else BARDLING_DATA."""


Tuned = TypeVar("Tuned", bound=TunedRunArguments)


def run_named(word: str, words: Sequence[str]) -> RunFolder:
    """Return a run by name or path, where the options say that runs live."""
    runs_dir = value_of("--runs-dir", words)
    return find_run(word, runs_folder(None if runs_dir is None else Path(runs_dir)))


def tune(argv: Sequence[str], kind: type[Tuned], base: Base, *, usage: str, asked: str) -> int:
    """Train by a verb whose first words are a run and something to learn from; tell how it goes.

    `usage` begins with the verb and those two words; `asked` says what the second one is.
    """
    began, started = time.perf_counter(), time.time()
    words, places = list(argv), list[str]()
    while words and not words[0].startswith("-") and len(places) < 2:
        places.append(words.pop(0))
    if len(places) < 2 and not {"-h", "--help"} & set(words):
        raise UsageError(f"say which run to begin with, and {asked}: {usage}")
    verb, *shown = usage.split()[1:4]
    given = places if len(places) == 2 else shown
    folder = run_named(places[0], words) if len(places) == 2 else None
    start = base(folder, given[1], words)
    arguments, config = parse_settings(
        kind, start, words, prog=f"bardling {verb} {' '.join(given)}"
    )
    tuned, forgotten = bardling.finetune_by(
        config,
        name=arguments.name,
        runs_dir=arguments.runs_dir,
        data_dir=arguments.data_dir,
        watcher=open_console(),
        began=began,
    )
    leave(tuned.folder, "" if forgotten is None else forgotten.told, since=started)
    return 0


def leave(run: RunFolder, told: str, *, since: float) -> None:
    """Say what was measured at the end, and where the page is; one of a team does."""
    if seat().speaks:
        for line in told.splitlines():
            Screen().print(f"  {line}")
        leave_page(run, since=since)
