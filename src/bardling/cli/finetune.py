"""`bardling finetune RUN CORPUS`: a trained model goes on learning, from another text."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bardling
from bardling.cli.options import File, Folder, Word, value_of
from bardling.cli.settings import TuningArguments, parse_settings
from bardling.cli.train import leave_page
from bardling.config import RunConfig
from bardling.errors import UsageError
from bardling.machine.seat import seat
from bardling.presets.table import config_for
from bardling.presets.tuned import tuned_config
from bardling.reporting.console import open_console
from bardling.reporting.screen import Screen
from bardling.run_folder import find_run, runs_folder

USAGE = "bardling finetune RUN CORPUS [options]"


@dataclass(frozen=True, kw_only=True)
class FinetuneArguments(TuningArguments):
    """Train the model of RUN, or adapters in it, on CORPUS: a name, a text file or a folder.

    A .jsonl file of conversations (messages, prompt and completion, question and answer, or
    instruction and output) makes a model that answers; see `bardling chat`.
    """

    chat_format: File = None
    """JSON with the special tokens before (prefix) and after (suffix) what each role says."""
    name: Word = None
    """Name of the new run's folder; without one, corpus and time make it."""
    runs_dir: Folder = None
    """Where runs live: else BARDLING_RUNS, else ./runs."""
    data_dir: Folder = None
    """Where corpora are looked for first: else BARDLING_DATA."""


def run(argv: Sequence[str]) -> int:
    """Parse the options, train, and tell how it goes and what was forgotten."""
    began, started = time.perf_counter(), time.time()
    words, places = list(argv), list[str]()
    while words and not words[0].startswith("-") and len(places) < 2:
        places.append(words.pop(0))
    if len(places) < 2 and not {"-h", "--help"} & set(words):
        raise UsageError(f"say which run to begin with, and which text to read: {USAGE}")
    prog = f"bardling finetune {' '.join(places) if len(places) == 2 else 'RUN CORPUS'}"
    arguments, config = parse_settings(FinetuneArguments, _base(places, words), words, prog=prog)
    tuned, forgotten = bardling.finetune_by(
        config,
        name=arguments.name,
        runs_dir=arguments.runs_dir,
        data_dir=arguments.data_dir,
        watcher=open_console(),
        began=began,
    )
    if seat().speaks:
        if forgotten is not None:
            Screen().print(f"  {forgotten.told}")
        leave_page(tuned.folder, since=started)
    return 0


def _base(places: Sequence[str], words: Sequence[str]) -> RunConfig:
    """Return the settings that the options change: those of the run that it begins with."""
    if len(places) < 2:  # to be shown
        return tuned_config(config_for("demo"), "RUN", "CORPUS")
    runs_dir = value_of("--runs-dir", words)
    folder = find_run(places[0], runs_folder(None if runs_dir is None else Path(runs_dir)))
    chat = value_of("--chat-format", words)
    return bardling.finetune_base(
        folder,
        places[1],
        value_of("--adapter", words) or "whole",
        None if chat is None else Path(chat),
    )
