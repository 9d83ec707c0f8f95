"""The verbs as functions: `train`, `load`, and what can be done with a `Run`.

    import bardling

    run = bardling.train("shakespeare", budget="500steps", n_layer=2)
    print(run.generate("ROMEO:", temperature=0.8))

The command line calls these; there is nothing it can do that Python cannot.
"""

import time
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any
from warnings import warn

from bardling import __version__, storage
from bardling.config import RunConfig, difference
from bardling.data.corpora import find_shakespeare
from bardling.data.known import cache_folder, data_folder
from bardling.errors import BardlingError, UsageError
from bardling.forecast import RunForecast, forecast
from bardling.kernels.choice import obstacle
from bardling.machine.facts import MachineFacts
from bardling.machine.measure import SECONDS
from bardling.machine.ranks import joined
from bardling.machine.report import gather
from bardling.machine.seat import seat
from bardling.model.config import ModelConfig
from bardling.planning import open_settings, planned
from bardling.presets.table import config_for
from bardling.reporting.watcher import Watcher
from bardling.run import resume_run, start_run
from bardling.run_folder import RunFolder, find_run, list_runs, new_run, runs_folder
from bardling.text.tokenizer_file import is_built_in
from bardling.trained import Note, Run, load


def train(
    corpus: str | Path = "shakespeare",
    *,
    budget: str | None = None,
    name: str | None = None,
    resume: str | Path | None = None,
    runs_dir: str | Path | None = None,
    data_dir: str | Path | None = None,
    watcher: Watcher | None = None,
    **overrides: Any,
) -> Run:
    """Train a model on a corpus, a text file, a folder, or by a preset, and return its best step.

    `overrides` are settings by their own names, such as `n_layer=2`, `lr=3e-4` or
    `batch_size=64`. `resume` names a run to go on with, or is `auto`: go on where there is
    something to go on with, begin where there is not. `watcher` hears how it goes; nobody does
    by default. A text of one's own and a budget in time choose the model where no size is given
    (see `plan`).
    """
    if budget is not None:
        overrides["budget"] = budget
    config = config_for(str(corpus), overrides.get("budget")).with_overrides(**overrides)
    return train_config(
        config,
        name=name,
        resume=resume,
        runs_dir=runs_dir,
        data_dir=data_dir,
        watcher=watcher,
        given=overrides.keys(),
    )


def train_config(
    config: RunConfig | None,
    *,
    name: str | None = None,
    resume: str | Path | None = None,
    runs_dir: str | Path | None = None,
    data_dir: str | Path | None = None,
    watcher: Watcher | None = None,
    began: float | None = None,
    given: Collection[str] | None = None,
) -> Run:
    """Train by a whole `RunConfig`; None takes that of the run to resume.

    `began`, by `time.perf_counter`, is when the time of a budget such as 5m began to run. `given`
    are the settings that were asked for, where the others may be planned (see `plan`); None stands
    for all. A run that is resumed keeps what was planned for it.
    """
    began = time.perf_counter() if began is None else began
    folder = runs_folder(None if runs_dir is None else Path(runs_dir))
    text_folder = None if data_dir is None else Path(data_dir)
    config = None if config is None else _with_tokenizer_path(config, folder)
    wishes = None if config is None else config.machine
    unsaid = frozenset() if config is None else open_settings(config, given)

    def choose() -> dict[str, Any]:
        wanted = "auto" if resume is None and restarts else resume
        known = _run_to_resume(wanted, name, config, folder, unsaid)
        if known is not None:
            _same_settings(config, known, unsaid)
            return {"run": str(known.path)}
        if config is None:
            raise UsageError("there is nothing to resume, and no corpus or preset to begin with")
        run = new_run(name, config.data.corpus, folder)
        whole = planned(config, unsaid, data_dir=text_folder, note=ears.note)
        return {"run": str(run.path), "config": whole.to_json()}

    watcher = watcher if watcher is not None and seat().speaks else Watcher()
    with joined() as team, watcher as ears:
        restarts = team.most(seat().restarts)  # since a process was lost, somewhere
        chosen = team.first(choose)
        run = RunFolder(Path(chosen["run"]))
        if "config" not in chosen:
            resume_run(run, ears, wishes=wishes, began=began, team=team)
            return load(run.path, note=ears.note)
        whole = RunConfig.from_json(chosen["config"])
        start_run(whole, run, data_dir=text_folder, watcher=ears, began=began, team=team)
        return load(run.path)


def dry_run(
    config: RunConfig,
    *,
    data_dir: str | Path | None = None,
    note: Note = warn,
    began: float | None = None,
    runs_dir: str | Path | None = None,
    given: Collection[str] | None = None,
) -> RunForecast:
    """Return what a run by `config` would take: steps, time, memory; nothing of it stays.

    The arguments mean what they mean to `train_config`.
    """
    folder = None if data_dir is None else Path(data_dir)
    runs = runs_folder(None if runs_dir is None else Path(runs_dir))
    config = _with_tokenizer_path(config, runs)
    config = planned(config, open_settings(config, given), data_dir=folder, note=note)
    return forecast(config, data_dir=folder, note=note, began=began)


def doctor(*, runs_dir: str | Path | None = None, seconds: float = SECONDS) -> MachineFacts:
    """Return what this machine can do and what a run would use of it; `advice` says what is off.

    About `seconds` are taken for each of four measurements.
    """
    return gather(
        version=__version__,
        runs=runs_folder(None if runs_dir is None else Path(runs_dir)),
        data=data_folder(),
        cache=cache_folder(),
        shakespeare=find_shakespeare(),
        seconds=seconds,
        obstacle=partial(obstacle, ModelConfig()),
    )


def _run_to_resume(
    resume: str | Path | None,
    name: str | None,
    config: RunConfig | None,
    folder: Path,
    unsaid: Collection[str],
) -> RunFolder | None:
    """Return the run that `--resume` means, or None for a new one."""
    if resume is None:
        return None
    if str(resume) != "auto":
        found = find_run(resume, folder)
        if storage.is_published(found.path):
            raise UsageError(
                f"{found.path} is one checkpoint; go on with its run: "
                f"--resume {found.path.absolute().parents[1]}"
            )
        return found
    if name is not None:
        named = RunFolder(folder / name)
        return named if named.is_run() else None
    return next((run for run in reversed(list_runs(folder)) if _goes_on(run, config, unsaid)), None)


def _goes_on(run: RunFolder, config: RunConfig | None, unsaid: Collection[str]) -> bool:
    """Tell whether `run` has not ended and is the one that `config` describes."""
    try:
        return run.result() is None and (
            config is None or _difference(config, run.config(), unsaid) is None
        )
    except BardlingError:  # damaged: not the run that anyone means by auto
        return False


def _with_tokenizer_path(config: RunConfig, folder: Path) -> RunConfig:
    """Let `tokenizer` be the name of a run in `folder`."""
    word = config.data.tokenizer
    path = folder / word
    if is_built_in(word) or storage.exists(Path(word)) or not storage.exists(path / "config.json"):
        return config
    return config.with_overrides(tokenizer=str(path))


def _difference(config: RunConfig, own: RunConfig, unsaid: Collection[str]) -> str | None:
    """Return in what a run differs from a config, but for what it worked out for itself.

    That is what was planned, and the parts it takes batches in since memory ran out.
    """
    return difference(config, own, besides={"accumulate", *unsaid})


def _same_settings(config: RunConfig | None, run: RunFolder, unsaid: Collection[str]) -> None:
    """Refuse to go on with a run by other settings than its own."""
    own = run.known_config()
    if config is None or own is None:  # what is lost is brought back when the run goes on
        return
    changed = _difference(config, own, unsaid)
    if changed is not None:
        raise UsageError(
            f"a resumed run keeps its settings, but {changed} ({run.path}); "
            "leave the option away, or start a new run under another --name"
        )
