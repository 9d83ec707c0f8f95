"""The two halves of a block as one differentiable step each, with the way back written out.

A half begins where the one before ended: it adds that one's change to the stream, normalises,
and makes a change of its own, which it leaves to be added. So a stream goes through memory once
a half. What autograd sees of a model are these steps, its ends, and nothing between.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from bardling.kernels.library import Library
from bardling.kernels.operations import (
    Attended,
    Drop,
    Heads,
    Norm,
    Wide,
    add_norm,
    add_norm_backward,
    attend,
    attend_backward,
    bend,
    bend_backward,
    drop_rows,
    linear_backward,
)
from bardling.kernels.products import times_transposed


class Stack:
    """Linear layers with one input, multiplied as one, in the type of products.

    `ready` copies the weights anew for every batch: nothing tells that they have changed, since
    torch's fused optimizers do not count their steps in a tensor's version.
    """

    def __init__(self, layers: Sequence[nn.Linear], dtype: torch.dtype) -> None:
        self.layers, self.dtype = tuple(layers), dtype
        self.sizes = [layer.weight.shape[0] for layer in layers]
        self.parameters = [layer.weight for layer in layers] + [layer.bias for layer in layers]
        self.biased = layers[0].bias is not None
        self.weight, self.bias = torch.empty(0), torch.empty(0)

    def ready(self) -> "Stack":
        """Bring the copy up to date."""
        with torch.no_grad():
            weights = [layer.weight.to(self.dtype) for layer in self.layers]
            self.weight = weights[0] if len(weights) == 1 else torch.cat(weights)
            if self.biased:
                self.bias = torch.cat([layer.bias for layer in self.layers]).to(self.dtype)
        return self

    def __call__(self, x: Wide) -> Wide:
        """Return x Wᵀ + b."""
        return times_transposed(x, self.weight, self.bias if self.biased else None)

    def split(self, dweight: Tensor, dbias: Tensor | None) -> list[Tensor | None]:
        """Return the gradients of `parameters`."""
        none = [None] * len(self.sizes)
        biases = none if dbias is None else list(torch.split(dbias, self.sizes))
        return [*torch.split(dweight, self.sizes), *biases]


@dataclass(frozen=True)
class Half:
    """What both halves need besides tensors."""

    lib: Library
    batch: int
    norm: Norm
    drop_change: Drop
    """What is dropped of the change that is added first."""
    first: Stack
    second: Stack


@dataclass(frozen=True)
class AttentionWork(Half):
    """Its stacks are query, key and value, and the output."""

    heads: Heads
    drop: Drop
    """What is dropped of the attention weights."""


@dataclass(frozen=True)
class FeedForwardWork(Half):
    """Its stacks are up, after the gate where there is one, and down."""

    kind: str


def parameters_of(work: Half) -> list[Tensor | None]:
    """Return the parameters in the order in which a half takes them."""
    own = (
        [work.heads.query_weight, work.heads.key_weight] if isinstance(work, AttentionWork) else []
    )
    stacks = [*work.first.parameters, *work.second.parameters]
    return [work.norm.weight, work.norm.bias, *stacks, *own]


def apply(function: type[Function], *arguments: Any) -> Any:
    """Apply a step so that autograd knows the way back."""
    do: Callable[..., Any] = function.apply
    return do(*arguments)


class AttentionHalf(Function):
    """(work, stream, change or None, parameters) → stream with the change, attention's change."""

    @staticmethod
    def forward(
        ctx: Any, work: AttentionWork, x: Wide, change: Wide | None, *_: Tensor | None
    ) -> tuple[Wide, Wide]:
        """Keep what the way back needs, and return both."""
        lib, dtype = work.lib, work.first.dtype
        total, y, stats = add_norm(lib, x, change, work.drop_change, work.norm, dtype)
        joined = work.first(y)
        mixed, kept = attend(lib, joined, work.batch, work.heads, work.drop)
        ctx.work, ctx.with_change = work, change is not None
        ctx.weights = work.first.weight, work.second.weight
        ctx.save_for_backward(total, y, stats, joined, mixed, *kept[:4], *kept.rstds)
        ctx.set_materialize_grads(False)
        return total, work.second(mixed)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dtotal: Wide | None, dchange: Wide) -> tuple[Any, ...]:
        """Go back through it."""
        work, lib = ctx.work, ctx.work.lib
        total, y, stats, joined, mixed, query, key, value, weights, *rstds = ctx.saved_tensors
        kept = Attended(query, key, value, weights, tuple(rstds))
        first, second = ctx.weights
        dmixed, doutput, dbias = linear_backward(
            lib, dchange, mixed, second, biased=work.second.biased
        )
        djoined, dquery, dkey = attend_backward(
            lib, dmixed, joined, work.batch, work.heads, work.drop, kept
        )
        dy, dfirst, dfirst_bias = linear_backward(lib, djoined, y, first, biased=work.first.biased)
        back = add_norm_backward(
            lib, dtotal, dy, total, stats, work.norm, work.drop_change,
            with_change=ctx.with_change,
        )  # fmt: skip
        stacks = [*work.first.split(dfirst, dfirst_bias), *work.second.split(doutput, dbias)]
        return None, back.x, back.change, back.weight, back.bias, *stacks, dquery, dkey


class FeedForwardHalf(Function):
    """(work, stream, change, parameters) → stream with the change, feed-forward's change."""

    @staticmethod
    def forward(
        ctx: Any, work: FeedForwardWork, x: Wide, change: Wide | None, *_: Tensor | None
    ) -> tuple[Wide, Wide]:
        """Keep what the way back needs, and return both."""
        lib, dtype = work.lib, work.first.dtype
        total, y, stats = add_norm(lib, x, change, work.drop_change, work.norm, dtype)
        wide = work.first(y)
        ctx.work, ctx.with_change = work, change is not None
        ctx.weights = work.first.weight, work.second.weight
        ctx.save_for_backward(total, y, stats, wide)
        ctx.set_materialize_grads(False)
        return total, work.second(bend(lib, work.kind, wide))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dtotal: Wide | None, dchange: Wide) -> tuple[Any, ...]:
        """Go back through it; what was bent is bent again rather than kept."""
        work, lib = ctx.work, ctx.work.lib
        total, y, stats, wide = ctx.saved_tensors
        first, second = ctx.weights
        dbent, ddown, dbias = linear_backward(
            lib, dchange, bend(lib, work.kind, wide), second, biased=work.second.biased
        )
        dwide = bend_backward(lib, work.kind, dbent, wide)
        dy, dfirst, dfirst_bias = linear_backward(lib, dwide, y, first, biased=work.first.biased)
        back = add_norm_backward(
            lib, dtotal, dy, total, stats, work.norm, work.drop_change,
            with_change=ctx.with_change,
        )  # fmt: skip
        stacks = [*work.first.split(dfirst, dfirst_bias), *work.second.split(ddown, dbias)]
        return None, back.x, back.change, back.weight, back.bias, *stacks


class LastNorm(Function):
    """(work, stream, change, weight, bias) → the norm of both, in the type of products."""

    @staticmethod
    def forward(
        ctx: Any,
        work: tuple[Library, Norm, Drop, torch.dtype],
        x: Wide,
        change: Wide,
        *_: Tensor | None,
    ) -> Wide:
        """Add, and normalise."""
        lib, norm, drop, dtype = work
        total, y, stats = add_norm(lib, x, change, drop, norm, dtype)
        ctx.work = work
        ctx.save_for_backward(total, stats)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Wide) -> tuple[Any, ...]:
        """Go back through it."""
        lib, norm, drop, _ = ctx.work
        total, stats = ctx.saved_tensors
        back = add_norm_backward(
            lib, None, dy.contiguous(), total, stats, norm, drop, with_change=True
        )
        return None, *back


class DropRows(Function):
    """(lib, drop, stream) → what dropout leaves of it."""

    @staticmethod
    def forward(ctx: Any, lib: Library, drop: Drop, x: Wide) -> Wide:
        """Drop."""
        ctx.work = lib, drop
        return drop_rows(lib, x, drop)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Wide) -> tuple[Any, ...]:
        """Drop the same of the gradient."""
        lib, drop = ctx.work
        return None, None, drop_rows(lib, dy.contiguous(), drop)
