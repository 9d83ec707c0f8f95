"""The training loop: a generator that takes one optimizer step at a time.

It knows a model, an optimizer, an objective and where batches come from. It knows no files, no
console and no clock; whoever iterates over it decides when to log, evaluate, save and stop.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
from torch.optim import Optimizer

from bardling.data.batches import Batch
from bardling.errors import TrainingDiverged
from bardling.model.gpt import GPT
from bardling.training.config import TrainingConfig
from bardling.training.objective import Objective
from bardling.training.schedule import lr_fraction_of_step
from bardling.training.step import StepResult

PATIENCE_WITH_NAN = 3

BatchSource = Callable[[int, range], Batch]
"""(step, rows of the global batch) → those rows."""


def training_steps(
    model: GPT,
    optimizer: Optimizer,
    objective: Objective,
    batches: BatchSource,
    config: TrainingConfig,
    *,
    lr: float,
    total_steps: int,
    start_step: int = 0,
    failures: int = 0,
) -> Iterator[StepResult]:
    """Take steps `start_step` to `total_steps` and yield the result of each.

    `lr` is the highest learning rate. A step whose loss or gradient is not finite changes
    nothing; after three in a row, `failures` of them before `start_step`, `TrainingDiverged` is
    raised.
    """
    for step in range(start_step, total_steps):
        step_lr = lr * lr_fraction_of_step(config, step, total_steps)
        for group in optimizer.param_groups:
            group["lr"] = step_lr
        loss, n_tokens = _accumulate(model, objective, batches, step, config)
        grad_norm = _clip(model, config.clip_norm)
        applied = math.isfinite(loss) and math.isfinite(grad_norm)
        if applied:
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        failures = 0 if applied else failures + 1
        yield StepResult(
            step=step + 1,
            loss=loss,
            grad_norm=grad_norm,
            lr=step_lr,
            tokens=n_tokens,
            applied=applied,
        )
        if failures >= PATIENCE_WITH_NAN:
            raise TrainingDiverged(
                f"loss or gradient was not finite in steps {step - 1} to {step + 1}; the weights "
                f"are those of step {step - 2}. Lower the learning rate ({lr:g}) or lengthen "
                "warmup_fraction"
            )


def _accumulate(
    model: GPT, objective: Objective, batches: BatchSource, step: int, config: TrainingConfig
) -> tuple[float, int]:
    """Add up the gradients of a batch's parts; return its mean loss and number of targets.

    Each part's summed loss is divided by the targets of the whole batch, not of the part.
    """
    parts = [batches(step, rows) for rows in _parts(config.batch_size, config.accumulate)]
    n_targets = sum(part.n_targets for part in parts)
    total = 0.0
    for part in parts:
        loss = objective(model, part) / n_targets
        torch.autograd.backward(loss)
        total += loss.item()
    return total, n_targets


def _parts(batch_size: int, n_parts: int) -> Sequence[range]:
    """Cut the rows of a batch into `n_parts` ranges whose lengths differ by one at most."""
    cuts = [batch_size * part // n_parts for part in range(n_parts + 1)]
    return [range(start, stop) for start, stop in pairwise(cuts)]


def _clip(model: GPT, clip_norm: float) -> float:
    """Shorten the gradient to `clip_norm` (0: leave it) and return its length before."""
    limit = clip_norm if clip_norm > 0 else math.inf
    return torch.nn.utils.clip_grad_norm_(model.parameters(), limit).item()
