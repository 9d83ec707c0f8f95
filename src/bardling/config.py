"""A whole run as one frozen value, and its way to JSON and back.

The parts are declared beside what they configure; here they are only put together. Reading is
strict: an unknown key, a word of the wrong kind or a value that no run can have is an error that
names the place. No torch is imported.
"""

import dataclasses
import types
from dataclasses import dataclass, field
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from bardling.data.config import DataConfig
from bardling.errors import ConfigError, nearest
from bardling.model.config import ModelConfig
from bardling.training.config import AdamW, TrainingConfig


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides what a run computes."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optimizer: AdamW = field(default_factory=AdamW)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    total_steps: int = 0
    """The budget in optimizer steps; 0 until the run has worked it out."""

    def __post_init__(self) -> None:
        if self.total_steps < 0:
            raise ConfigError(f"total_steps is {self.total_steps}; it must be at least 0")

    def to_json(self) -> dict[str, Any]:
        """Return the config as JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Any) -> "RunConfig":
        """Read what `to_json` wrote; a key that is absent takes its default."""
        return _read(cls, values, "config")

    def with_overrides(self, **overrides: Any) -> "RunConfig":
        """Return a copy with fields set by their own names: `n_layer=2, lr=3e-4, budget="2epochs"`.

        Field names are unique over all parts, so no prefix is needed.
        """
        values = self.to_json()
        parts = {name: part for part, name in settings(values)}
        for name, value in overrides.items():
            if name not in parts:
                raise ConfigError(f"there is no setting '{name}'{nearest(name, parts)}")
            values[parts[name]][name] = value
        return type(self).from_json(values)


def difference(mine: RunConfig, other: RunConfig) -> str | None:
    """Return the first setting in which two configs differ, in words, or None.

    What a run works out for itself (vocabulary size, steps of the budget) does not count.
    """
    left, right = mine.to_json(), other.to_json()
    for part, name in settings(left):
        here, there = left[part][name], right[part][name]
        if here != there and name != "vocab_size":
            return f"{name} is {here!r} here and {there!r} there"
    return None


def settings(values: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (part, name) of every setting in the JSON of a `RunConfig`."""
    groups = {part: group for part, group in values.items() if isinstance(group, dict)}
    return [(part, name) for part, group in groups.items() for name in group]


def _read(kind: Any, value: Any, place: str) -> Any:
    """Return `value`, read from JSON, as a value of type `kind`."""
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, value, place)
    origin = get_origin(kind)
    if origin is Literal:
        if value in get_args(kind):
            return value
        choices = [str(choice) for choice in get_args(kind)]
        raise ConfigError(
            f"{place} is {value!r}; it must be one of {', '.join(choices)}"
            + nearest(str(value), choices)
        )
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        return _read(get_args(kind)[0], value, place)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{place} is {value!r}; it must be a list")
        return tuple(_read(get_args(kind)[0], item, place) for item in value)
    return _read_plain(kind, value, place)


def _read_plain(kind: type, value: Any, place: str) -> Any:
    words = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise ConfigError(f"{place} is {value!r}; it must be {words[kind]}")


def _read_dataclass(kind: Any, value: Any, place: str) -> Any:
    if not isinstance(value, dict):
        raise ConfigError(f"{place} is {value!r}; it must be a group of settings")
    hints = get_type_hints(kind)
    known = [f.name for f in dataclasses.fields(kind)]
    for name in value:
        if name not in known:
            raise ConfigError(f"{place} has no setting '{name}'{nearest(str(name), known)}")
    return kind(**{name: _read(hints[name], v, f"{place}.{name}") for name, v in value.items()})
