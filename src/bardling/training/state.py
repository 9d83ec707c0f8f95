"""Where a run stands between two steps, as a value: what a checkpoint's state.json holds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bardling.errors import CheckpointError, ConfigError
from bardling.fields import read_value
from bardling.machine.conditions import Conditions
from bardling.training.spikes import Usual
from bardling.training.step import TakenStep

PASSED_OVER = frozenset({"optimizer_groups", "threads", "torch_version"})  # two of older runs
COUNTS = (
    "step",
    "tokens",
    "seconds",
    "best_step",
    "validations_since_best",
    "failures",
    "retreats",
)


@dataclass(frozen=True, kw_only=True)
class RunState:
    """The counts that go on when a run does. No torch here."""

    conditions: Conditions | None
    """What the bits depend on besides the settings; None in runs older than this record."""
    step: int = 0
    """Optimizer steps done."""
    tokens: int = 0
    """Tokens trained on, repeats counted."""
    seconds: float = 0.0
    """Time in training steps, over all sittings."""
    val_loss: float | None = None
    """Last validation loss in nats per token."""
    best_step: int = 0
    """The step whose validation loss was the lowest."""
    best_val_loss: float | None = None
    validations_since_best: int = 0
    """Validations in a row that brought no new best."""
    failures: int = 0
    """Steps in a row whose loss or gradient was not finite."""
    validated: int = -1
    """The step at which the last validation was; it may still be due at `step`."""
    latest: Mapping[str, float | None] = field(default_factory=dict)
    """Figures of the last step, as the log has them."""
    usual: Usual = field(default_factory=Usual)
    """What losses were usual lately, by which spikes are told."""
    retreats: int = 0
    """How often the run went back to a checkpoint, on at half the rate each time."""
    loss_scale: Mapping[str, int | float] = field(default_factory=dict)
    """Where fp16's loss scale stood; empty in other precisions."""

    @classmethod
    def from_json(cls, values: Any) -> "RunState":
        """Read what a checkpoint holds; the optimizer's groups follow from the config.

        Runs from before there were conditions tell none, and have validated wherever they stand.
        """
        if not isinstance(values, dict) or "step" not in values:
            raise CheckpointError("state.json does not say where a run stood: it names no step")
        known = {name: value for name, value in values.items() if name not in PASSED_OVER}
        try:
            state = read_value(
                cls, {"conditions": None, "validated": values["step"]} | known, "state"
            )
        except ConfigError as error:
            raise CheckpointError(f"state.json does not say where a run stood: {error}") from error
        if min(getattr(state, name) for name in COUNTS) < 0:
            raise CheckpointError("state.json does not say where a run stood: a count is below 0")
        return state

    def after_step(self, taken: TakenStep, seconds: float) -> "RunState":
        """Return the state one optimizer step later; its figures may not be known yet."""
        return replace(
            self,
            step=taken.step,
            tokens=self.tokens + taken.tokens,
            seconds=self.seconds + seconds,
        )

    def after_validation(self, val_loss: float) -> "RunState":
        """Return the state with a validation at this step counted.

        A tie is no new best, and neither is a loss that is not finite.
        """
        known = finite(val_loss)
        if known is not None and (self.best_val_loss is None or known < self.best_val_loss):
            return replace(
                self,
                validated=self.step,
                val_loss=known,
                best_step=self.step,
                best_val_loss=known,
                validations_since_best=0,
            )
        waited = self.validations_since_best + 1
        return replace(self, validated=self.step, val_loss=known, validations_since_best=waited)

    @property
    def lr_factor(self) -> float:
        """What is left of every learning rate."""
        return 0.5**self.retreats

    @property
    def place(self) -> dict[str, int | float]:
        """What every line of the log begins with."""
        return {"step": self.step, "tokens": self.tokens, "seconds": round(self.seconds, 3)}


def finite(value: float) -> float | None:
    """Return a number that JSON can hold, or None for infinity and NaN."""
    return value if math.isfinite(value) else None
