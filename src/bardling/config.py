"""A whole run as one frozen value, and its way to JSON and back.

The parts are declared beside what they configure; here they are only put together. Reading is
strict: an unknown key, a word of the wrong kind or a value that no run can have is an error that
names the place; how a value is read is left to `fields`. No torch is imported.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from bardling.data.config import DataConfig
from bardling.errors import ConfigError, nearest
from bardling.fields import check_fields, read_value
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
        check_fields(self)
        if self.total_steps < 0:
            raise ConfigError(f"total_steps is {self.total_steps}; it must be at least 0")

    def to_json(self) -> dict[str, Any]:
        """Return the config as JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Any) -> "RunConfig":
        """Read what `to_json` wrote; a key that is absent takes its default."""
        return read_value(cls, values, "config")

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
