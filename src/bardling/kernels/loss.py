"""The loss of hidden states under an output layer, a part of the rows at a time.

The logits of a batch are the largest tensor of a step where the vocabulary is large: 8,192 tokens
of GPT-2's 50,257 take 1.6 GB. Here a part of them becomes its losses and its gradient before the
next part is made, so that never more than `CHUNK_BYTES` of them exist; the gradient is ready when
the loss is.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from bardling.kernels.halves import Layer, apply
from bardling.kernels.library import Library
from bardling.kernels.operations import cross_entropy
from bardling.kernels.products import outer, times

CHUNK_BYTES = 2**25

Judge = Callable[..., Float[Tensor, " rows"]]
"""(logits, what else there is of their rows) → each row's loss; logits become their gradient."""


def chunk_rows(vocab_size: int, dtype: torch.dtype) -> int:
    """Return how many rows of logits are made at a time."""
    return max(16, CHUNK_BYTES // (vocab_size * dtype.itemsize))


def _add(dweight: Tensor, dbias: Tensor, dlogits: Tensor, x: Tensor, *, wanted: bool) -> None:
    """Add what some rows give to the gradient of the output layer, if it is not frozen."""
    if wanted:
        dweight += outer(dlogits, x)
        dbias += dlogits.sum(0, dtype=torch.float32)


class HiddenLoss(Function):
    """(judge, output layer, what it knows of rows, hidden, weight, bias) → the summed loss."""

    @staticmethod
    def forward(
        ctx: Any,
        judge: Judge,
        output: Layer,
        known: tuple[Tensor, ...],
        hidden: Float[Tensor, "rows width"],
        *_: Tensor | None,
    ) -> Float[Tensor, ""]:
        """Return the sum over all rows."""
        step = chunk_rows(output.weight.shape[0], output.weight.dtype)
        dhidden = torch.empty_like(hidden)
        dweight = hidden.new_zeros(output.weight.shape, dtype=torch.float32)
        dbias = hidden.new_zeros(output.weight.shape[0], dtype=torch.float32)
        losses = []
        for part, into, *others in zip(
            *(torch.split(rows, step) for rows in (hidden, dhidden, *known)), strict=True
        ):
            logits = output(part)
            losses.append(judge(logits, *others))
            into.copy_(times(logits, output.weight))
            _add(dweight, dbias, logits, part, wanted=ctx.needs_input_grad[4])
        ctx.save_for_backward(dhidden, dweight, dbias)
        ctx.output = output
        return torch.cat(losses).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dloss: Tensor) -> tuple[Any, ...]:
        """Scale what is ready."""
        dhidden, dweight, dbias = ctx.saved_tensors
        parts = ctx.output.source.split(
            dweight * dloss, None if ctx.output.bias is None else dbias * dloss
        )
        return None, None, None, dhidden * dloss, *parts


def judged_loss(
    judge: Judge, output: Layer, hidden: Float[Tensor, "rows width"], known: tuple[Tensor, ...]
) -> Float[Tensor, ""]:
    """Return the summed loss by `judge`, without a gradient where none is asked for.

    It is given a part of the logits, and the same rows of all that is `known`.
    """
    if torch.is_grad_enabled():
        loss: Tensor = apply(HiddenLoss, judge, output, known, hidden, *output.source.parameters)
        return loss
    step = chunk_rows(output.weight.shape[0], output.weight.dtype)
    parts = zip(*(torch.split(rows, step) for rows in (hidden, *known)), strict=True)
    return torch.cat([judge(output(part), *others) for part, *others in parts]).sum()


def summed_loss(
    lib: Library,
    output: Layer,
    hidden: Float[Tensor, "rows width"],
    targets: Int64[Tensor, " rows"],
) -> Float[Tensor, ""]:
    """Return the summed cross-entropy of the targets; those below 0 count nothing."""
    return judged_loss(partial(cross_entropy, lib), output, hidden, (targets,))
