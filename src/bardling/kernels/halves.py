"""A half of a block as one differentiable step, with the way back written out.

Attention and feed-forward are halves of one form: a norm, a linear layer, something in between,
a linear layer. A half begins where the one before ended: it adds that one's change to the stream,
and makes a change of its own, which it leaves to be added. So the stream goes through memory once
a half. What autograd sees of a model are these steps, its ends, and nothing between.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from bardling.kernels.library import Library
from bardling.kernels.operations import (
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
    sum_rows,
)
from bardling.kernels.products import outer, times, times_transposed
from bardling.model.lora import weight_of


class Linears:
    """Linear layers with one input, to be multiplied as one."""

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        self.layers = layers
        self.sizes = [layer.out_features for layer in layers]
        """Rows of each."""
        self.n_parameters = 2 * len(layers)

    @property
    def parameters(self) -> tuple[Tensor | None, ...]:
        """The weights of all, adapters included, then the biases, None for one that is absent."""
        weights = [weight_of(layer) for layer in self.layers]
        return (*weights, *(layer.bias for layer in self.layers))

    def copied(self, dtype: torch.dtype) -> "Layer":
        """Return them with a copy of their weights as they are now; call it without gradient.

        It is made anew for every batch: nothing tells that weights have changed, since torch's
        fused optimizers do not count their steps in a tensor's version.
        """
        weights = [weight_of(layer).to(dtype) for layer in self.layers]
        biases: list[Tensor] = [one.bias for one in self.layers if one.bias is not None]
        bias = torch.cat(biases).to(dtype) if biases else None
        return Layer(self, weights[0] if len(weights) == 1 else torch.cat(weights), bias)

    def split(self, dweight: Tensor, dbias: Tensor | None) -> list[Tensor | None]:
        """Return the gradients of `parameters`."""
        if len(self.sizes) == 1:
            return [dweight, dbias]
        none = [None] * len(self.sizes)
        biases = none if dbias is None else dbias.split_with_sizes(self.sizes)
        return [*dweight.split_with_sizes(self.sizes), *biases]


class Layer(NamedTuple):
    """Linear layers with one input as one matrix, copied in the type of products."""

    source: Linears
    weight: Tensor
    bias: Tensor | None

    def __call__(self, x: Wide) -> Wide:
        """Return x Wᵀ + b."""
        return times_transposed(x, self.weight, self.bias)

    def gradients(
        self, lib: Library, dy: Wide, x: Wide, wanted: Sequence[bool]
    ) -> list[Tensor | None]:
        """Return those of the parameters, for the gradient of what a call returned.

        Where none of them is `wanted`, because all are frozen, none is made.
        """
        if not any(wanted):
            return [None] * self.source.n_parameters
        dbias = None if self.bias is None else sum_rows(lib, dy)
        return self.source.split(outer(dy, x).float(), dbias)


Kept = tuple[Tensor | None, ...]
"""What a way back needs besides its input."""


class Back(NamedTuple):
    """What the way back through an `Inner` gives."""

    out: Wide
    """What `forward` returned: kept, or made once more."""
    dx: Wide
    parameters: Kept
    """Their gradients."""


@runtime_checkable
class Inner(Protocol):
    """What lies between the two linear layers of a half."""

    @property
    def parameters(self) -> tuple[Tensor | None, ...]:
        """Those that it has of its own."""
        ...

    def forward(self, lib: Library, x: Wide) -> tuple[Wide, Kept]:
        """Return what follows from `x`, and what is kept of it."""
        ...

    def backward(self, lib: Library, dy: Wide, x: Wide, kept: Kept) -> Back:
        """Go back through it."""
        ...


@dataclass(frozen=True)
class Attending:
    """Heads that attend to each other, for queries, keys and values side by side."""

    batch: int
    heads: Heads
    drop: Drop

    @property
    def parameters(self) -> tuple[Tensor | None, ...]:
        """The weights of the norms of queries and keys."""
        return self.heads.query_weight, self.heads.key_weight

    def forward(self, lib: Library, x: Wide) -> tuple[Wide, Kept]:
        """Return the mixtures, and keep them with what their softmax divided by."""
        kept = attend(lib, x, self.batch, self.heads, self.drop)
        return kept[0], kept

    def backward(self, lib: Library, dy: Wide, x: Wide, kept: Kept) -> Back:
        """Go back through attention."""
        mixed: Any
        divisors: Any
        mixed, divisors = kept
        dx, *dnorms = attend_backward(lib, dy, x, mixed, divisors, self.heads, self.drop)
        return Back(mixed, dx, tuple(dnorms))


@dataclass(frozen=True)
class Bending:
    """The bend of a feed-forward layer, which is bent again rather than kept."""

    kind: str
    parameters: tuple[Tensor | None, ...] = ()

    def forward(self, lib: Library, x: Wide) -> tuple[Wide, Kept]:
        """Return what was bent."""
        return bend(lib, self.kind, x), ()

    def backward(self, lib: Library, dy: Wide, x: Wide, kept: Kept) -> Back:
        """Go back through the bend."""
        return Back(*bend_backward(lib, self.kind, dy, x), ())


@dataclass(frozen=True)
class Work:
    """What a half needs besides tensors."""

    lib: Library
    norm: Norm
    drop_change: Drop
    """What is dropped of the change that is added first."""
    first: Layer
    inner: Inner
    second: Layer

    @property
    def parameters(self) -> tuple[Tensor | None, ...]:
        """All of them, in the order in which `Half` takes them."""
        layers = (*self.first.source.parameters, *self.second.source.parameters)
        return (self.norm.weight, self.norm.bias, *layers, *self.inner.parameters)


_BEFORE_LAYERS = 5  # what `Half` takes first: work, stream, change, weight and bias of the norm


def apply(function: type[Function], *arguments: Any) -> Any:
    """Apply a step so that autograd knows the way back."""
    do: Callable[..., Any] = function.apply
    return do(*arguments)


class Half(Function):
    """(work, stream, change or None, parameters) → the stream with the change, the next change."""

    @staticmethod
    def forward(
        ctx: Any, work: Work, x: Wide, change: Wide | None, *_: Tensor | None
    ) -> tuple[Wide, Wide]:
        """Keep what the way back needs, and return both."""
        lib, dtype = work.lib, work.first.weight.dtype
        total, y, stats = add_norm(lib, x, change, work.drop_change, work.norm, dtype)
        wide = work.first(y)
        out, kept = work.inner.forward(lib, wide)
        ctx.work, ctx.with_change = work, change is not None
        ctx.save_for_backward(total, y, stats, wide, *kept)
        ctx.set_materialize_grads(False)
        return total, work.second(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dtotal: Wide | None, dchange: Wide) -> tuple[Any, ...]:
        """Go back through it."""
        work, lib = ctx.work, ctx.work.lib
        total, y, stats, wide, *kept = ctx.saved_tensors
        dout = times(dchange, work.second.weight)
        out, dwide, dinner = work.inner.backward(lib, dout, wide, tuple(kept))
        wanted = ctx.needs_input_grad[_BEFORE_LAYERS:]
        n_first = work.first.source.n_parameters
        n_both = n_first + work.second.source.n_parameters
        dsecond = work.second.gradients(lib, dchange, out, wanted[n_first:n_both])
        dfirst = work.first.gradients(lib, dwide, y, wanted[:n_first])
        dy = times(dwide, work.first.weight)
        back = add_norm_backward(
            lib, dtotal, dy, total, stats, work.norm, work.drop_change,
            with_change=ctx.with_change,
        )  # fmt: skip
        return None, *back, *dfirst, *dsecond, *dinner


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
