"""What one optimizer step did, as those who watch a run see it. No torch here."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """One step's figures."""

    step: int
    """Steps done, this one included."""
    loss: float
    """Mean loss of the batch in nats per token, or per pair of answers, before the step."""
    grad_norm: float
    """Length of the whole gradient before clipping."""
    lr: float
    """Learning rate of this step."""
    tokens: int
    """Targets in the batch."""
    applied: bool
    """False when loss or gradient was not finite and the weights were left alone."""
    failures: int = 0
    """Such steps in a row, this one included; those that only a loss scale made do not count."""


@dataclass(frozen=True, kw_only=True)
class TakenStep:
    """A step whose figures may still be on their way from a device."""

    step: int
    """Steps done, this one included."""
    tokens: int
    """Targets in the batch."""
    read: Callable[[], StepResult]
    """Waits for the figures."""
    here: bool
    """Whether there is nothing to wait for."""

    @cached_property
    def result(self) -> StepResult:
        """The figures; asking for them waits until they are here."""
        return self.read()
