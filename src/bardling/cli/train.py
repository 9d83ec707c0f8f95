"""`bardling train CORPUS|PRESET`: the settings as options, the preset's values as defaults."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import bardling
from bardling.cli.forecast import show_forecast
from bardling.cli.options import Folder, Word, split_commas, value_of
from bardling.cli.settings import SettingsArguments, parse_settings
from bardling.cli.watching import watching
from bardling.config import RunConfig
from bardling.errors import UsageError
from bardling.machine.seat import seat
from bardling.presets.table import config_for
from bardling.reporting.console import open_console
from bardling.reporting.plots import schedule_plot
from bardling.reporting.screen import Screen, complain, show_text
from bardling.run_folder import RunFolder, find_run, runs_folder

USAGE = "bardling train CORPUS|PRESET [options], or bardling train --resume RUN|auto"


@dataclass(frozen=True, kw_only=True)
class TrainArguments(SettingsArguments):
    """Train a model on CORPUS (a name, a text file or a folder) or by a PRESET."""

    name: Word = None
    """Name of the run's folder; without one, corpus and time make it."""
    resume: Word = None
    """Go on with a run by name or path; auto goes on if there is something to go on with."""
    runs_dir: Folder = None
    """Where runs live: else BARDLING_RUNS, else ./runs."""
    data_dir: Folder = None
    """Where corpora are looked for first: else BARDLING_DATA."""
    dry_run: bool = False
    """Rehearse the run, print what it would take in steps, time and memory, and stop."""
    show_schedule: bool = False
    """Draw the learning rate over the run and stop."""
    watch: bool = False
    """Open a page in the browser that follows the run: curves, samples, other runs beside it."""
    nproc: int = 1
    """Processes that share the work on this machine; several machines: see docs/scale.md."""
    max_restarts: int = 0
    """How often to start all processes anew, from the last checkpoint, when one is lost."""


def run(argv: Sequence[str]) -> int:
    """Parse the options, train, and tell how it goes."""
    began, started = time.perf_counter(), time.time()
    words = split_commas(argv, "--keep-at")
    target = words.pop(0) if words and not words[0].startswith("-") else None
    resume, wants_help = value_of("--resume", words), {"-h", "--help"} & set(words)
    if target is None and resume is None and not wants_help:
        raise UsageError(f"the corpus or preset comes first: {USAGE}")
    named = None if target is None else config_for(target, value_of("--budget", words))
    base = _base(named, resume, value_of("--runs-dir", words))
    prog = f"bardling train {target or 'CORPUS|PRESET'}"
    arguments, config = parse_settings(TrainArguments, base, words, prog=prog)
    if target is None and resume == "auto" and config != base:
        raise UsageError(f"name the corpus or preset that these options are for: {USAGE}")
    if arguments.show_schedule:
        _show_schedule(config)
        return 0
    if arguments.dry_run:
        if resume is not None:
            raise UsageError("--dry-run rehearses a run from its start; leave --resume away")
        if arguments.nproc != 1:
            raise UsageError("--dry-run rehearses one process; leave --nproc away")
        with Screen(stderr=True).status("rehearsing", refresh_per_second=4):
            found = bardling.dry_run(
                config,
                data_dir=arguments.data_dir,
                note=complain,
                began=began,
                runs_dir=arguments.runs_dir,
                given=_given(words),
            )
        show_forecast(found)
        return 0
    if arguments.nproc != 1 and seat().size == 1:
        return _launch(argv, arguments)
    with watching(arguments.runs_dir, wanted=arguments.watch and seat().speaks) as opened:
        trained = bardling.train_config(
            None if target is None and config == base else config,
            name=arguments.name,
            resume=arguments.resume,
            runs_dir=arguments.runs_dir,
            data_dir=arguments.data_dir,
            watcher=open_console(named=opened),
            began=began,
            given=_given(words),
        )
    if seat().speaks:
        leave_page(trained.folder, since=started)
    return 0


def _launch(argv: Sequence[str], arguments: TrainArguments) -> int:
    """Run this command in several processes."""
    debug = ["--debug"] if "--debug" in sys.argv else []
    return bardling.launch(
        ["train", *argv, *debug], processes=arguments.nproc, restarts=arguments.max_restarts
    )


def leave_page(run: RunFolder, *, since: float) -> None:
    """Leave the page of a run that has ended since then, where it can be drawn, and say so."""
    ended = run.result_path.stat().st_mtime >= since
    if ended and find_spec("matplotlib") is not None:  # a page is of the extra `report`
        Screen().print(f"  page   {bardling.first_page(run.path)}")


def _given(words: Sequence[str]) -> frozenset[str]:
    """Return the names of the settings among some words."""
    options = [word.partition("=")[0].lstrip("-") for word in words if word.startswith("--")]
    return frozenset(option.rpartition(".")[2].replace("-", "_") for option in options)


def _base(named: RunConfig | None, resume: str | None, runs_dir: str | None) -> RunConfig:
    """Return the settings that the options start from: those of the run that is to go on, if any.

    `named` are those of the corpus or preset; beside such a run it must be of its corpus.
    """
    if resume in (None, "auto"):
        return named or config_for("shakespeare")
    run = find_run(resume, runs_folder(None if runs_dir is None else Path(runs_dir)))
    config = run.known_config()
    if config is None:
        return named or config_for("shakespeare")
    if named is not None and named.data.corpus != config.data.corpus:
        raise UsageError(
            f"{run.name} was trained on {config.data.corpus}, not on {named.data.corpus}; "
            f"go on with it by: bardling train --resume {run.name}"
        )
    return config


def _show_schedule(config: RunConfig) -> None:
    training = config.training
    if training.budget.endswith(("epoch", "epochs")):
        raise UsageError("how many steps epochs are depends on the text; give --budget in steps")
    plot = schedule_plot(training, config.optimizer.lr, config.budget_steps())
    show_text(plot + "\n")
