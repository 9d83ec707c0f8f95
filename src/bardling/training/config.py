"""How a model is trained, as frozen values. No torch here.

A budget is what the user is willing to spend; it becomes a number of optimizer steps before the
first of them, and everything else (schedule, evaluation, checkpoints) follows from that number.
"""

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from bardling.errors import ConfigError, UsageError
from bardling.fields import check_fields, show

Schedule = Literal["constant", "exponential", "cosine", "linear"]

_BUDGET = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)([kKMG]?)\s*(steps?|tokens?|epochs?|s|m|h)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
EXAMPLES = "90s, 5m, 2000steps, 20Mtokens or 3epochs"
MOST_SEQUENCES = 2**20
"""Of a batch; where each of them begins is drawn at once."""
_SCALE = {"": 1, "k": 1_000, "K": 1_000, "M": 1_000_000, "G": 1_000_000_000}


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The settings of one training run."""

    budget: str = "2000steps"
    """What to spend: 90s, 5m or 2h that you wait, 2000steps, 20Mtokens or 3epochs."""
    batch_size: int = 32
    """Sequences per optimizer step, over all accumulated parts."""
    accumulate: int = 1
    """Parts into which a batch is cut to save memory; the result is the same."""
    schedule: Schedule = "linear"
    """How the learning rate falls after warm-up."""
    warmup_fraction: float = 0.05
    """Share of the run in which the learning rate rises from zero."""
    min_lr_fraction: float = 0.0
    """What is left of the learning rate at the end (constant: unused)."""
    clip_norm: float = 1.0
    """Longest gradient, over all parameters together; 0 turns clipping off."""
    eval_interval_steps: int = 0
    """Steps between validations, each with a checkpoint; 0 takes a tenth of the run."""
    checkpoint_interval_steps: int = 0
    """Steps between further checkpoints; 0 writes none but those of the validations."""
    retreats: int = 0
    """Times to go back to the last checkpoint, and on at half the rate, where training diverges."""
    patience: int = 0
    """Stop after this many validations in a row without a new best; 0 never stops early."""
    keep_last: int = 2
    """Newest checkpoints to keep, besides step 0 and the best."""
    keep_at: tuple[int, ...] = ()
    """Steps whose checkpoints are kept for good."""
    log_interval_steps: int = 10
    """Steps between lines in metrics.jsonl."""
    sample_tokens: int = 200
    """Tokens of the sample that is written at each validation."""
    quick_checks: bool = True
    """Look for common faults before the first step; one that is found is told."""
    seed: int = 0
    """Decides first weights, batches and dropout."""

    def __post_init__(self) -> None:
        check_fields(self)
        least = {
            "batch_size": 1, "accumulate": 1, "eval_interval_steps": 0,
            "checkpoint_interval_steps": 0, "retreats": 0, "patience": 0, "keep_last": 1,
            "log_interval_steps": 1, "sample_tokens": 0, "seed": 0,
        }  # fmt: skip
        for name, smallest in least.items():
            if getattr(self, name) < smallest:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}; it must be at least {smallest}"
                )
        if self.batch_size > MOST_SEQUENCES:
            raise ConfigError(f"batch_size is {self.batch_size}; {MOST_SEQUENCES:,} are the most")
        for name in ("warmup_fraction", "min_lr_fraction"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be in [0, 1]")
        if self.clip_norm < 0:
            raise ConfigError(f"clip_norm is {self.clip_norm}; it must be at least 0")
        if self.schedule == "exponential" and self.min_lr_fraction == 0.0:
            raise ConfigError("an exponential schedule never reaches 0; give min_lr_fraction")
        if self.accumulate > self.batch_size:
            raise ConfigError(
                f"batch_size {self.batch_size} cannot be cut into {self.accumulate} parts"
            )
        if min(self.keep_at, default=0) < 0:
            raise ConfigError(f"keep_at names step {min(self.keep_at)}; steps count from 0")
        parse_budget(self.budget)

    def eval_interval(self, total_steps: int) -> int:
        """Return the steps between validations in a run of `total_steps`."""
        return self.eval_interval_steps or max(1, total_steps // 10)


def parse_budget(budget: str) -> tuple[Fraction, str]:
    """Return the amount of a budget and its unit: step, token, epoch or second.

    Raises `UsageError` when the text is no budget.
    """
    match = _BUDGET.fullmatch(budget.strip())
    unit = match[3] if match else ""
    if match is None or (match[2] and unit in _SECONDS):
        raise UsageError(f"{show(budget, 500)} is no budget; write it as {EXAMPLES}")
    amount = Fraction(match[1]) * _SCALE[match[2]]
    if amount <= 0:
        raise UsageError(f"the budget '{budget}' buys nothing; write it as {EXAMPLES}")
    if unit in _SECONDS:
        return amount * _SECONDS[unit], "second"
    return amount, unit.rstrip("s")


def seconds_of_budget(budget: str) -> float | None:
    """Return the seconds of a budget in time, or None for any other."""
    amount, unit = parse_budget(budget)
    return float(amount) if unit == "second" else None


def steps_of_budget(budget: str, *, batch_tokens: int, train_tokens: int) -> int:
    """Turn a budget into optimizer steps, rounded up, at least one.

    `batch_tokens` are the tokens of one step, `train_tokens` those of one epoch. Raises
    `UsageError` when the text is no budget, or one in time, which only a machine can turn into
    steps.
    """
    amount, unit = parse_budget(budget)
    if unit == "second":
        raise UsageError(f"how many steps '{budget}' are is known when the run has begun")
    tokens = amount * {"step": batch_tokens, "token": 1, "epoch": train_tokens}[unit]
    return math.ceil(tokens / batch_tokens)
