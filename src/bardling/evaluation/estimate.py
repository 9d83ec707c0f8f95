"""A loss over random batches, as most training loops report it, and how unsure that is.

It is here to be compared with the loss over the whole split, which has no such error.
"""

import statistics
from dataclasses import dataclass

import torch

from bardling.data.batches import Windows
from bardling.data.tokens import Tokens
from bardling.kernels.choice import read_by
from bardling.machine.machine import plain_machine
from bardling.model.gpt import GPT
from bardling.training.objective import next_token_loss


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over batches, in nats per token."""

    loss: float
    error: float | None
    """Its standard error, which one batch alone cannot tell: two estimates differ by about 1.4."""
    batches: int


@torch.no_grad()
def estimate_loss(
    model: GPT,
    tokens: Tokens,
    *,
    batches: int = 200,
    batch_size: int = 32,
    seed: int = 0,
    end_token: int | None = None,
) -> Estimate:
    """Return the mean loss of random batches (seed 003 takes 200), and its standard error.

    With an `end_token` they begin with a document, as the whole split is read where documents are
    known; still the last document of a window is cut.
    """
    windows = Windows(
        tokens=tokens,
        block_size=model.config.block_size,
        batch_size=batch_size,
        seed=seed,
        split="val",
        order="random" if end_token is None else "documents",
        end_token=end_token,
    )
    reader = read_by(model, plain_machine())
    losses = []
    for step in range(batches):
        batch = windows.batch(step, range(batch_size)).to(model.device)
        losses.append(float(next_token_loss(reader, batch)) / batch.n_targets)
    error = statistics.stdev(losses) / len(losses) ** 0.5 if len(losses) > 1 else None
    return Estimate(loss=statistics.fmean(losses), error=error, batches=batches)
