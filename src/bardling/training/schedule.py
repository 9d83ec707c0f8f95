"""The learning rate as a function of progress.

Progress runs from 0 (first step) towards 1 (budget spent). The rate rises in a straight line
during warm-up and then follows one of four curves down to `floor`:

constant     1
exponential  floor ** p        (the same factor every step)
cosine       floor + (1 - floor) (1 + cos(π p)) / 2     (Loshchilov and Hutter 2017)
linear       1 - (1 - floor) p                          (Defazio et al. 2023: as good or better)

where p runs from 0 at the end of warm-up to 1 at the end of the budget.
"""

import math
from collections.abc import Callable

from bardling.training.config import Schedule, TrainingConfig
from bardling.training.plan import Plan

CURVES: dict[Schedule, Callable[[float, float], float]] = {
    "constant": lambda p, floor: 1.0,
    "exponential": lambda p, floor: floor**p,
    "cosine": lambda p, floor: floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * p)),
    "linear": lambda p, floor: 1.0 - (1.0 - floor) * p,
}


def lr_fraction(
    schedule: Schedule, progress: float, *, warmup: float, floor: float, one_step: float
) -> float:
    """Return the share of the highest learning rate at `progress` in [0, 1].

    `one_step` is the progress that one step makes: in warm-up a step uses the rate at its end,
    so that the first one is not spent at zero.
    """
    end = min(1.0, progress + one_step)  # 48 / 49 + 1 / 49 may be a little more than 1
    if end <= warmup:
        return end / warmup
    p = (progress - warmup) / (1.0 - warmup)
    return CURVES[schedule](min(1.0, max(0.0, p)), floor)


def lr_fraction_of_step(config: TrainingConfig, step: int, plan: Plan) -> float:
    """Return the share of the highest learning rate that step `step` (from 0) uses."""
    progress, one_step = plan.progress(step)
    return lr_fraction(
        config.schedule,
        progress,
        warmup=config.warmup_fraction,
        floor=config.min_lr_fraction,
        one_step=one_step,
    )
