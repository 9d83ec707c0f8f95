"""`bardling distill TEACHER`: a smaller model learns to foretell as a trained one does."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

import bardling
from bardling.cli.options import Folder, Word, value_of
from bardling.cli.settings import SettingsArguments, parse_settings
from bardling.cli.tuning import leave, run_named
from bardling.config import RunConfig
from bardling.errors import UsageError
from bardling.presets.distilled import distilled_config
from bardling.presets.table import config_for
from bardling.reporting.console import open_console
from bardling.training.task import Distillation

USAGE = "bardling distill TEACHER [--student PRESET | --layers N] [options]"
Layers = Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")]


@dataclass(frozen=True, kw_only=True)
class DistillArguments(SettingsArguments):
    """Train a smaller model to foretell as that of the run TEACHER does, on the same text."""

    task: Distillation
    student: Word = None
    """A preset whose model learns; without one it is the teacher's with fewer layers."""
    layers: Layers = None
    """How many of the teacher's layers it begins with, spread evenly; else every second."""
    name: Word = None
    """Name of the new run's folder; without one, corpus and time make it."""
    runs_dir: Folder = None
    """Where runs live: else BARDLING_RUNS, else ./runs."""
    data_dir: Folder = None
    """Where corpora are looked for first: else BARDLING_DATA."""


def run(argv: Sequence[str]) -> int:
    """Parse the options, train, and tell how it goes and how near the student has come."""
    began, started = time.perf_counter(), time.time()
    words = list(argv)
    teacher = words.pop(0) if words and not words[0].startswith("-") else None
    if teacher is None and not {"-h", "--help"} & set(words):
        raise UsageError(f"say which run to learn from: {USAGE}")
    prog = f"bardling distill {teacher or 'TEACHER'}"
    arguments, config = parse_settings(DistillArguments, _base(teacher, words), words, prog=prog)
    student, found = bardling.distill_by(
        config,
        name=arguments.name,
        runs_dir=arguments.runs_dir,
        data_dir=arguments.data_dir,
        watcher=open_console(),
        began=began,
    )
    leave(student.folder, found.told, since=started)
    return 0


def _base(teacher: str | None, words: Sequence[str]) -> RunConfig:
    """Return the settings that the options change: those of the teacher, or of a preset."""
    given = {name: value_of(f"--{name}", words) for name in ("student", "corpus", "budget")}
    layers = value_of("--layers", words)
    n_layers = int(layers) if layers is not None and layers.isdecimal() else None
    if teacher is None:  # to be shown
        return distilled_config(config_for("demo"), "TEACHER", layers=n_layers, **given)
    folder = run_named(teacher, words)
    path = str(folder.path.absolute())
    return distilled_config(folder.config(), path, layers=n_layers, **given)
