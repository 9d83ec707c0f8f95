"""The loss of a model on a whole split, by one protocol.

Non-overlapping windows of the training `block_size` over all of the text, the shorter tail
included, each token after the first predicted exactly once, without dropout. The sum is kept in
float64, so that the order of the windows does not show.

The last window is padded, and targets in the padding are not counted. Causal attention never sees
them; unmasked attention does, one more reason why its losses mean nothing.
"""

import math
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Shaped

from bardling.data.batches import evaluation_batches
from bardling.errors import CorpusError
from bardling.machine.machine import Machine
from bardling.model.gpt import GPT
from bardling.training.objective import next_token_loss


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A loss and what it was measured on."""

    loss: float
    """Nats per token."""
    tokens: int
    """Tokens predicted."""

    @property
    def perplexity(self) -> float:
        """exp(loss): how many equally likely tokens the model hesitates between."""
        return math.exp(min(self.loss, 700.0))


@torch.no_grad()
def evaluate(
    model: GPT,
    tokens: Shaped[np.ndarray, " count"],
    *,
    batch_size: int,
    max_tokens: int | None = None,
    machine: Machine | None = None,
) -> Evaluation:
    """Return the mean loss over `tokens`, or over an evenly spaced `max_tokens` of them.

    It is computed where the model is, in the precision of its weights, or in that of `machine`.
    Raises `CorpusError` when there are fewer than two tokens, and so nothing to predict.
    """
    if len(tokens) < 2:
        raise CorpusError(
            f"{len(tokens)} tokens leave nothing to predict; an evaluation takes at least 2"
        )
    total, n_targets = 0.0, 0
    precision = machine.autocast if machine is not None else nullcontext
    for batch in evaluation_batches(
        tokens,
        block_size=model.config.block_size,
        batch_size=batch_size,
        max_tokens=max_tokens,
    ):
        with precision():
            total += next_token_loss(model, batch.to(model.device)).item()
        n_targets += batch.n_targets
    return Evaluation(loss=total / n_targets, tokens=n_targets)
