"""What a run learns to do, as frozen values: each with its own numbers. No torch here.

The word for a task, in JSON, is the name of its type in lower case. What its loss is stands in
`objective.py` and `distillation.py`; what its batches are, in `data`.
"""

from dataclasses import dataclass
from typing import ClassVar

from bardling.errors import ConfigError
from bardling.fields import check_fields


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """Foretell each token from those before it."""

    sequences: ClassVar[int] = 1
    """In a row of its batches."""


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """Foretell the tokens of answers, from questions and what was answered so far."""

    sequences: ClassVar[int] = 1


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """Foretell as a teacher does (Hinton, Vinyals and Dean 2015, section 2)."""

    sequences: ClassVar[int] = 1
    temperature: float = 4.0
    """Both distributions are softened by it; the loss between them is multiplied by its square."""
    hard_weight: float = 0.5
    """Share of the text's own tokens in the loss; the rest is the teacher's."""

    def __post_init__(self) -> None:
        check_fields(self)
        if self.temperature <= 0:
            raise ConfigError(f"temperature is {self.temperature}; it must be above 0")
        if not 0.0 <= self.hard_weight <= 1.0:
            raise ConfigError(f"hard_weight is {self.hard_weight}; it must be in [0, 1]")


@dataclass(frozen=True, kw_only=True)
class Preference:
    """Prefer one answer to another, near the model one began with (DPO; Rafailov et al. 2023)."""

    sequences: ClassVar[int] = 2
    """A row of its batches is a pair of answers, which nothing can tear apart."""
    beta: float = 0.1
    """How dear it is to leave the reference: small goes far."""

    def __post_init__(self) -> None:
        check_fields(self)
        if self.beta <= 0:
            raise ConfigError(f"beta is {self.beta}; it must be above 0")


Task = Pretraining | Instruction | Distillation | Preference
