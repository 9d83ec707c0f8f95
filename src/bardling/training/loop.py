"""The training loop: a generator that takes one optimizer step at a time.

It knows a learner and where batches come from. It knows no files, no console and no clock;
whoever iterates over it decides when to log, evaluate, save and stop.

A processor looks at loss and gradient before it steps. A device that works on its own is not
waited for: it leaves its weights alone by itself where they are not finite, and its figures are
read when the next step is on its way.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from bardling.data.batches import BatchSource
from bardling.errors import TrainingDiverged
from bardling.machine.later import on_its_way
from bardling.machine.shards import whole
from bardling.training.config import TrainingConfig
from bardling.training.learner import Learner
from bardling.training.plan import Plan
from bardling.training.schedule import lr_fraction_of_step
from bardling.training.step import StepResult, TakenStep

PATIENCE_WITH_NAN = 3

Figures = Callable[[], tuple[float, float, bool]]
"""() → mean loss, length of the gradient, and whether the step was applied."""


def take_steps(
    learner: Learner,
    batches: BatchSource,
    config: TrainingConfig,
    plan: Plan,
    *,
    start_step: int = 0,
    failures: int = 0,
    lr_factor: float = 1.0,
) -> Iterator[TakenStep]:
    """Take the steps of `plan` from `start_step` on and yield each; the caller waits for figures.

    Every learning rate is multiplied by `lr_factor`.

    A step whose loss or gradient is not finite changes nothing; after three in a row, `failures`
    of them before `start_step`, `TrainingDiverged` is raised. A step that only the loss scale of
    fp16 made overflow is repeated on the next batch at half the scale, and is no failure. The
    figures of a step are read before those of the next one are asked for.
    """
    before: TakenStep | None = None
    for step in range(start_step, plan.total_steps):
        if before is not None and before.here:
            failures = _watched(learner, before)
            before = None
        fraction = lr_factor * lr_fraction_of_step(config, step, plan)
        lr = learner.optimizers.set_lr_fraction(fraction)
        scale = learner.scale.get_scale()
        losses, n_tokens = _accumulate(learner, batches, step, config)
        move = _move_late if learner.late else _move
        figures = move(learner, losses, config.clip_norm)
        learner.scale.update()
        learner.optimizers.zero_grad()
        if before is not None:
            failures = _watched(learner, before)
        before = TakenStep(
            step=step + 1,
            tokens=n_tokens,
            read=_reader(figures, step + 1, lr, n_tokens, scale, failures),
            here=not learner.late,
        )
        yield before
    if before is not None:
        _watched(learner, before)


def _reader(
    figures: Figures, step: int, lr: float, tokens: int, scale: float, failures: int
) -> Callable[[], StepResult]:
    """Return what makes a step's result of its figures."""

    def read() -> StepResult:
        loss, grad_norm, applied = figures()
        overflow = not applied and math.isfinite(loss) and scale > 1.0
        return StepResult(
            step=step,
            loss=loss,
            grad_norm=grad_norm,
            lr=lr,
            tokens=tokens,
            applied=applied,
            failures=0 if applied else failures + (not overflow),
        )

    return read


def _watched(learner: Learner, taken: TakenStep) -> int:
    """Return the failures in a row up to a step, and raise when they are too many."""
    failures, step = taken.result.failures, taken.step
    if failures >= PATIENCE_WITH_NAN:
        raise TrainingDiverged(
            f"loss or gradient was not finite in steps {step - 2} to {step}; the weights "
            f"are those of step {step - 3}. Lower the learning rate "
            f"({learner.optimizers.peak_lr:g}) or lengthen warmup_fraction"
        )
    return failures


def _accumulate(
    learner: Learner, batches: BatchSource, step: int, config: TrainingConfig
) -> tuple[list[Tensor], int]:
    """Add up the gradients of a batch's parts; return their losses and the number of targets.

    Each part's summed loss is divided by the targets of the whole batch, not of the part, or by
    what else the learner counts.
    """
    team = learner.machine.team
    parts = [batches(step, r) for r in _parts(team.rows(config.batch_size), config.accumulate)]
    n_targets = team.total(sum(part.n_targets for part in parts))
    n_losses, last = n_targets, len(parts) - 1
    if learner.count is not None:
        n_losses = team.total(sum(map(learner.count, parts)))
    losses = [learner.backward(p, n_losses, last=i == last) for i, p in enumerate(parts)]
    learner.unscale()
    return losses, n_targets


def _parts(rows: range, n_parts: int) -> Sequence[range]:
    """Cut rows of a batch into `n_parts` ranges whose lengths differ by one at most."""
    cuts = [len(rows) * part // n_parts for part in range(n_parts + 1)]
    return [rows[start:stop] for start, stop in pairwise(cuts)]


def _move(learner: Learner, losses: list[Tensor], clip_norm: float) -> Figures:
    """Look at loss and gradient, shorten that to `clip_norm` (0: leave it), and step."""
    norm = _length(learner.parameters)
    loss, length = learner.machine.team.total(sum(loss.item() for loss in losses)), norm.item()
    if 0 < clip_norm < length:  # most steps are short enough, and need no pass over the gradient
        torch.nn.utils.clip_grads_with_norm_(learner.parameters, clip_norm, norm)
    applied = math.isfinite(loss) and math.isfinite(length)
    if applied:
        learner.optimizers.step()
    return lambda: (loss, length, applied)


def _move_late(learner: Learner, losses: list[Tensor], clip_norm: float) -> Figures:
    """Do the same without waiting: the device decides whether it steps, and sends its figures."""
    norm = _length(learner.parameters)
    if clip_norm > 0:
        torch.nn.utils.clip_grads_with_norm_(learner.parameters, clip_norm, norm)
    loss = torch.stack(losses).double().sum()
    learner.optimizers.step(unless=(loss + norm).isfinite().logical_not())
    wait = on_its_way(torch.stack((loss, norm.double())))

    def figures() -> tuple[float, float, bool]:
        loss, length = wait()
        return loss, length, math.isfinite(loss) and math.isfinite(length)

    return figures


def _length(parameters: Sequence[nn.Parameter]) -> Tensor:
    """Return the length of the whole gradient."""
    return whole(torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None]))
