"""The settings of a run as options, for every verb that takes them.

A corpus or preset gives the defaults, so it has to be known before the options are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, TypeVar

import tyro

from bardling.cli.options import parse, value_of
from bardling.config import CHOICES, RunConfig
from bardling.data.config import DataConfig
from bardling.errors import UsageError, nearest
from bardling.fields import kinds, word_for
from bardling.machine.config import MachineConfig
from bardling.model.config import ModelConfig
from bardling.model.lora_config import Adapter
from bardling.training.config import TrainingConfig
from bardling.training.optimizer_config import OptimizerConfig


def _choice(part: str, about: str) -> Any:
    """Return the option that chooses the type of a part, such as --optimizer."""
    known = kinds(CHOICES[part])
    each = " ".join(
        f"{word}: {(kind.__doc__ or '').splitlines()[0]}" for word, kind in known.items()
    )
    return tyro.conf.arg(name=part, metavar="|".join(known), help=f"{about} {each}")


OptimizerWord = Annotated[
    str,
    _choice(
        "optimizer",
        "What moves the weights; another than the preset's begins with its own defaults.",
    ),
]
AdapterWord = Annotated[str, _choice("adapter", "What of the model is trained.")]


@dataclass(frozen=True, kw_only=True)
class TrainingArguments:
    """The parts of a `RunConfig` that say how it is trained."""

    training: Annotated[TrainingConfig, tyro.conf.arg(name="")]
    data: Annotated[DataConfig, tyro.conf.arg(name="")]
    optimizer_kind: OptimizerWord
    optimizer: OptimizerConfig
    machine: MachineConfig


@dataclass(frozen=True, kw_only=True)
class SettingsArguments(TrainingArguments):
    """Those and the model; a verb adds options of its own."""

    model: ModelConfig


@dataclass(frozen=True, kw_only=True)
class TuningArguments(TrainingArguments):
    """Those of a run that begins with the model of another."""

    adapter_kind: AdapterWord
    adapter: Adapter


Settings = TypeVar("Settings", bound=TrainingArguments)


def parse_settings(
    kind: type[Settings], base: RunConfig, words: Sequence[str], *, prog: str
) -> tuple[Settings, RunConfig]:
    """Return the options of a verb, and `base` with the settings among them."""
    shown = {field.name for field in fields(kind)}
    for part in CHOICES:
        if f"{part}_kind" in shown:
            base = _chosen(base, part, words)
    parts = [field.name for field in fields(RunConfig) if field.name in shown]
    given = {part: getattr(base, part) for part in parts}
    given |= {f"{p}_kind": word_for(type(given[p])) for p in parts if f"{p}_kind" in shown}
    arguments = parse(kind, words, default=kind(**given), prog=prog)
    return arguments, replace(base, **{part: getattr(arguments, part) for part in parts})


def _chosen(base: RunConfig, part: str, words: Sequence[str]) -> RunConfig:
    """Return the settings with the type of a part that `words` choose: its options depend on it."""
    word, known = value_of(f"--{part}", words), kinds(CHOICES[part])
    if word is None:
        return base
    if word not in known:
        raise UsageError(
            f"'{word}' is no {part}{nearest(word, known)}; there are {', '.join(known)}"
        )
    return base.with_overrides(**{part: word})
