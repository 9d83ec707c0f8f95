"""What training makes small: the loss of a model on a batch.

An objective takes (model, batch) and returns the *sum* of the losses; dividing by the number of
targets is left to whoever knows how many the whole batch has, so that accumulated parts weigh
as much as their tokens.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from bardling.data.batches import IGNORE, Batch
from bardling.kernels.fused import FusedGPT
from bardling.model.dropout import SILENCE, Noise, Silence
from bardling.model.gpt import GPT

Objective = Callable[[GPT | FusedGPT, Batch], Float[Tensor, ""]]


def next_token_loss(
    model: GPT | FusedGPT, batch: Batch, noise: Noise | Silence = SILENCE
) -> Float[Tensor, ""]:
    """Return the summed cross-entropy of the targets, in nats; `IGNORE` targets count nothing.

    The kernels make the loss from hidden states, without all logits at once.
    """
    if isinstance(model, FusedGPT):
        return model.summed_loss(batch.inputs, batch.targets, noise)
    logits = model(batch.inputs, noise=noise).flatten(0, 1)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))  # sums need the digits
    return F.cross_entropy(logits, batch.targets.flatten(), ignore_index=IGNORE, reduction="sum")


def pretraining_loss(model: GPT | FusedGPT, batch: Batch) -> Float[Tensor, ""]:
    """Return `next_token_loss` with this batch's dropout: the objective of a training step."""
    return next_token_loss(model, batch, Noise(batch.row_keys))
