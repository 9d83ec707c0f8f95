"""Where a run stands between two steps, as a value: what a checkpoint's state.json holds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bardling.errors import CheckpointError
from bardling.machine.conditions import Conditions
from bardling.training.step import TakenStep

PASSED_OVER = frozenset({"optimizer_groups", "threads", "torch_version"})  # two of older runs


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
    loss_scale: Mapping[str, Any] = field(default_factory=dict)
    """Where fp16's loss scale stood; empty in other precisions."""

    @classmethod
    def from_json(cls, values: Any) -> "RunState":
        """Read what a checkpoint holds; the optimizer's groups follow from the config.

        Runs from before there were conditions tell none, and have validated wherever they stand.
        """
        try:
            known = {k: v for k, v in values.items() if k not in PASSED_OVER}
            told = known.pop("conditions", None)
            conditions = None if told is None else Conditions(**told)
            return cls(**{"validated": values["step"], **known}, conditions=conditions)
        except (AttributeError, KeyError, TypeError) as error:
            raise CheckpointError(f"state.json does not say where a run stood: {error}") from error

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
    def place(self) -> dict[str, int | float]:
        """What every line of the log begins with."""
        return {"step": self.step, "tokens": self.tokens, "seconds": round(self.seconds, 3)}


def finite(value: float) -> float | None:
    """Return a number that JSON can hold, or None for infinity and NaN."""
    return value if math.isfinite(value) else None
