"""The training loop: a generator that takes one optimizer step at a time.

It knows a learner and where batches come from. It knows no files, no console and no clock;
whoever iterates over it decides when to log, evaluate, save and stop.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import nn

from bardling.data.batches import BatchSource
from bardling.errors import TrainingDiverged
from bardling.training.config import TrainingConfig
from bardling.training.learner import Learner
from bardling.training.plan import Plan
from bardling.training.schedule import lr_fraction_of_step
from bardling.training.step import StepResult

PATIENCE_WITH_NAN = 3


def training_steps(
    learner: Learner,
    batches: BatchSource,
    config: TrainingConfig,
    plan: Plan,
    *,
    start_step: int = 0,
    failures: int = 0,
) -> Iterator[StepResult]:
    """Take the steps of `plan` from `start_step` on and yield the result of each.

    A step whose loss or gradient is not finite changes nothing; after three in a row, `failures`
    of them before `start_step`, `TrainingDiverged` is raised. A step that only the loss scale of
    fp16 made overflow is repeated on the next batch at half the scale, and is no failure.
    """
    for step in range(start_step, plan.total_steps):
        lr = learner.optimizers.set_lr_fraction(lr_fraction_of_step(config, step, plan))
        loss, n_tokens = _accumulate(learner, batches, step, config)
        grad_norm = _clip(learner.parameters, config.clip_norm)
        scale = learner.scale.get_scale()
        applied = math.isfinite(loss) and math.isfinite(grad_norm)
        if applied:
            learner.optimizers.step()
        learner.scale.update()
        learner.optimizers.zero_grad()
        overflow = not applied and math.isfinite(loss) and scale > 1.0
        failures = 0 if applied else failures + (not overflow)
        yield StepResult(
            step=step + 1,
            loss=loss,
            grad_norm=grad_norm,
            lr=lr,
            tokens=n_tokens,
            applied=applied,
            failures=failures,
        )
        if failures >= PATIENCE_WITH_NAN:
            raise TrainingDiverged(
                f"loss or gradient was not finite in steps {step - 1} to {step + 1}; the weights "
                f"are those of step {step - 2}. Lower the learning rate "
                f"({learner.optimizers.peak_lr:g}) or lengthen warmup_fraction"
            )


def _accumulate(
    learner: Learner, batches: BatchSource, step: int, config: TrainingConfig
) -> tuple[float, int]:
    """Add up the gradients of a batch's parts; return its mean loss and number of targets.

    Each part's summed loss is divided by the targets of the whole batch, not of the part.
    """
    team = learner.machine.team
    parts = [batches(step, r) for r in _parts(team.rows(config.batch_size), config.accumulate)]
    n_targets = int(team.total(sum(part.n_targets for part in parts)))
    losses = [learner.backward(part, n_targets) for part in parts]
    team.add_gradients(learner.parameters)
    learner.unscale()
    return team.total(sum(loss.item() for loss in losses)), n_targets


def _parts(rows: range, n_parts: int) -> Sequence[range]:
    """Cut rows of a batch into `n_parts` ranges whose lengths differ by one at most."""
    cuts = [len(rows) * part // n_parts for part in range(n_parts + 1)]
    return [rows[start:stop] for start, stop in pairwise(cuts)]


def _clip(parameters: Sequence[nn.Parameter], clip_norm: float) -> float:
    """Shorten the gradient to `clip_norm` (0: leave it) and return its length before."""
    norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    length = norm.item()
    if 0 < clip_norm < length:  # most steps are short enough, and need no pass over the gradient
        torch.nn.utils.clip_grads_with_norm_(parameters, clip_norm, norm)
    return length
