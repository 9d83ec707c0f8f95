"""The settings of a run as options, for every verb that takes them.

A corpus or preset gives the defaults, so it has to be known before the options are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, TypeVar

import tyro

from bardling.cli.options import parse, value_of
from bardling.config import RunConfig
from bardling.data.config import DataConfig
from bardling.errors import UsageError, nearest
from bardling.fields import kinds, word_for
from bardling.machine.config import MachineConfig
from bardling.model.config import ModelConfig
from bardling.training.config import TrainingConfig
from bardling.training.optimizer_config import OptimizerConfig

OPTIMIZERS = kinds(OptimizerConfig)
OptimizerWord = Annotated[
    str,
    tyro.conf.arg(
        name="optimizer",
        metavar="|".join(OPTIMIZERS),
        help="What moves the weights; another than the preset's begins with its own defaults. "
        + " ".join(
            f"{word}: {(kind.__doc__ or '').splitlines()[0]}" for word, kind in OPTIMIZERS.items()
        ),
    ),
]


@dataclass(frozen=True, kw_only=True)
class SettingsArguments:
    """The parts of a `RunConfig`; a verb adds options of its own."""

    training: Annotated[TrainingConfig, tyro.conf.arg(name="")]
    data: Annotated[DataConfig, tyro.conf.arg(name="")]
    model: ModelConfig
    optimizer_kind: OptimizerWord
    optimizer: OptimizerConfig
    machine: MachineConfig


Settings = TypeVar("Settings", bound=SettingsArguments)


def parse_settings(
    kind: type[Settings], base: RunConfig, words: Sequence[str], *, prog: str
) -> tuple[Settings, RunConfig]:
    """Return the options of a verb, and `base` with the settings among them."""
    base = _with_optimizer(base, words)
    default = kind(
        training=base.training,
        data=base.data,
        model=base.model,
        optimizer_kind=word_for(type(base.optimizer)),
        optimizer=base.optimizer,
        machine=base.machine,
    )
    arguments = parse(kind, words, default=default, prog=prog)
    config = replace(
        base,
        data=arguments.data,
        model=arguments.model,
        optimizer=arguments.optimizer,
        training=arguments.training,
        machine=arguments.machine,
    )
    return arguments, config


def _with_optimizer(base: RunConfig, words: Sequence[str]) -> RunConfig:
    """Return the settings with the optimizer that `words` choose: its options depend on it."""
    word = value_of("--optimizer", words)
    if word is None:
        return base
    if word not in OPTIMIZERS:
        raise UsageError(
            f"'{word}' is no optimizer{nearest(word, OPTIMIZERS)}; "
            f"there are {', '.join(OPTIMIZERS)}"
        )
    return base.with_overrides(optimizer=word)
