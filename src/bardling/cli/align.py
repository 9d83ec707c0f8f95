"""`bardling align RUN PAIRS.jsonl`: a trained model learns which of two answers is preferred."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bardling
from bardling.cli.options import Folder, Word, value_of
from bardling.cli.settings import TuningArguments, parse_settings
from bardling.cli.train import leave_page
from bardling.config import RunConfig
from bardling.errors import UsageError
from bardling.machine.seat import seat
from bardling.presets.table import config_for
from bardling.presets.tuned import aligned_config
from bardling.reporting.console import open_console
from bardling.reporting.screen import Screen
from bardling.run_folder import find_run, runs_folder
from bardling.training.task import Preference

USAGE = "bardling align RUN PAIRS.jsonl [options]"


@dataclass(frozen=True, kw_only=True)
class AlignArguments(TuningArguments):
    """Let the model of RUN, or adapters in it, prefer the chosen one of two answers (DPO).

    Each line of PAIRS is a JSON object with the texts "prompt", "chosen" and "rejected".
    --batch-size counts pairs.
    """

    task: Preference
    name: Word = None
    """Name of the new run's folder; without one, pairs and time make it."""
    runs_dir: Folder = None
    """Where runs live: else BARDLING_RUNS, else ./runs."""


def run(argv: Sequence[str]) -> int:
    """Parse the options, train, and tell how it goes and what was forgotten."""
    began, started = time.perf_counter(), time.time()
    words, places = list(argv), list[str]()
    while words and not words[0].startswith("-") and len(places) < 2:
        places.append(words.pop(0))
    if len(places) < 2 and not {"-h", "--help"} & set(words):
        raise UsageError(f"say which run to begin with, and where pairs of answers are: {USAGE}")
    prog = f"bardling align {' '.join(places) if len(places) == 2 else 'RUN PAIRS.jsonl'}"
    arguments, config = parse_settings(AlignArguments, _base(places, words), words, prog=prog)
    aligned, forgotten = bardling.finetune_by(
        config,
        name=arguments.name,
        runs_dir=arguments.runs_dir,
        watcher=open_console(),
        began=began,
    )
    if seat().speaks:
        if forgotten is not None:
            Screen().print(f"  {forgotten.told}")
        leave_page(aligned.folder, since=started)
    return 0


def _base(places: Sequence[str], words: Sequence[str]) -> RunConfig:
    """Return the settings that the options change: those of the run that it begins with."""
    if len(places) < 2:  # to be shown
        return aligned_config(config_for("demo"), "RUN", "PAIRS.jsonl")
    runs_dir = value_of("--runs-dir", words)
    folder = find_run(places[0], runs_folder(None if runs_dir is None else Path(runs_dir)))
    start = str(folder.path.absolute())
    return aligned_config(
        folder.config(), start, places[1], value_of("--adapter", words) or "whole"
    )
