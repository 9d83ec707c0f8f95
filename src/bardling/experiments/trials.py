"""An experiment: runs to compare, made one after the other, and what came out of each.

A trial is an ordinary run in a folder of the experiment, so each can be looked at, written with and
gone on with by itself. An experiment that was stopped goes on with the trial it was stopped in, and
one that has ended is only read. Trials of one row differ in nothing but the seed.
"""

from collections.abc import Sequence
from pathlib import Path

from bardling.api import train_config
from bardling.errors import TrainingDiverged
from bardling.experiments.cases import Case, Listen, Trial
from bardling.reporting.rows import Outcome, Row, read_outcome
from bardling.reporting.watcher import Watcher
from bardling.run_folder import RunFolder


def carry_out(
    cases: Sequence[Case], folder: Path, *, data_dir: Path | None, listen: Listen
) -> list[Row]:
    """Make the runs that are not made yet, and return a row for each case.

    A run that diverges is an outcome like any other. Raises `UsageError` where a run of that name
    is there by other settings.
    """
    trials = [trial for case in cases for trial in case.trials]
    outcomes: dict[str, list[Outcome]] = {case.name: [] for case in cases}
    for number, trial in enumerate(trials, start=1):
        watcher = listen(number, len(trials), trial)
        outcomes[trial.case.name].append(_outcome(trial, folder, data_dir, watcher))
    return [
        Row(name=c.name, about=c.about, outcomes=tuple(outcomes[c.name]), stated=c.stated)
        for c in cases
    ]


def _outcome(trial: Trial, folder: Path, data_dir: Path | None, watcher: Watcher) -> Outcome:
    run = RunFolder(folder / trial.name)
    try:
        train_config(
            trial.config,
            name=trial.name,
            resume="auto",
            runs_dir=folder,
            data_dir=data_dir,
            watcher=watcher,
        )
    except TrainingDiverged as error:
        watcher.note(f"{trial.name}: {error}")
    return read_outcome(run)
