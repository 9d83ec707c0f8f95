"""`bardling train CORPUS|PRESET`: the settings as options, the preset's values as defaults."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

import bardling
from bardling.cli.options import Folder, Word, parse, split_commas
from bardling.config import RunConfig
from bardling.data.config import DataConfig
from bardling.errors import UsageError
from bardling.model.config import ModelConfig
from bardling.presets import config_for
from bardling.reporting.console import open_console
from bardling.reporting.plots import schedule_plot
from bardling.reporting.screen import show_text
from bardling.training.config import AdamW, TrainingConfig, steps_of_budget

USAGE = "bardling train CORPUS|PRESET [options], or bardling train --resume RUN|auto"


@dataclass(frozen=True, kw_only=True)
class TrainArguments:
    """Train a model on CORPUS (a name, a text file or a folder) or by a PRESET."""

    training: Annotated[TrainingConfig, tyro.conf.arg(name="")]
    name: Word = None
    """Name of the run's folder; without one, corpus and time make it."""
    resume: Word = None
    """Go on with a run by name or path; auto goes on if there is something to go on with."""
    runs_dir: Folder = None
    """Where runs live: else BARDLING_RUNS, else ./runs."""
    data_dir: Folder = None
    """Where corpora are looked for first: else BARDLING_DATA."""
    show_schedule: bool = False
    """Draw the learning rate over the run and stop."""
    data: Annotated[DataConfig, tyro.conf.arg(name="")]
    model: ModelConfig
    optimizer: AdamW


def run(argv: Sequence[str]) -> int:
    """Parse the options, train, and tell how it goes."""
    words = list(argv)
    target = words.pop(0) if words and not words[0].startswith("-") else None
    wants_help = "-h" in words or "--help" in words
    if target is None and not wants_help and not any(w.startswith("--resume") for w in words):
        raise UsageError(f"the corpus or preset comes first: {USAGE}")
    arguments = _parse(target, words)
    config = _config(arguments)
    if target is None and config != config_for("shakespeare"):
        raise UsageError(
            "a resumed run keeps its settings; leave the other options away, "
            f"or name the corpus too: {USAGE}"
        )
    if arguments.show_schedule:
        _show_schedule(config)
        return 0
    bardling.train_config(
        config if target is not None else None,
        name=arguments.name,
        resume=arguments.resume,
        runs_dir=arguments.runs_dir,
        data_dir=arguments.data_dir,
        watcher=open_console(),
    )
    return 0


def _parse(target: str | None, words: list[str]) -> TrainArguments:
    config = config_for(target or "shakespeare")
    default = TrainArguments(
        training=config.training, data=config.data, model=config.model, optimizer=config.optimizer
    )
    return parse(
        TrainArguments,
        split_commas(words, "--keep-at"),
        default=default,
        prog=f"bardling train {target or 'CORPUS|PRESET'}",
    )


def _config(arguments: TrainArguments) -> RunConfig:
    return RunConfig(
        data=arguments.data,
        model=arguments.model,
        optimizer=arguments.optimizer,
        training=arguments.training,
    )


def _show_schedule(config: RunConfig) -> None:
    training = config.training
    if training.budget.endswith(("epoch", "epochs")):
        raise UsageError("how many steps epochs are depends on the text; give --budget in steps")
    steps = steps_of_budget(
        training.budget,
        batch_tokens=training.batch_size * config.model.block_size,
        train_tokens=1,
    )
    show_text(schedule_plot(training, config.optimizer.lr, steps) + "\n")
