"""A half of a block as one differentiable step, with the way back written out.

Attention and feed-forward are halves of one form: a norm, a linear layer, something in between,
a linear layer. A half begins where the one before ended: it adds that one's change to the stream,
and makes a change of its own, which it leaves to be added. So the stream goes through memory once
a half. What autograd sees of a model are these steps, its ends, and nothing between.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

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
    sum_rows,
)
from bardling.kernels.products import outer, times, times_transposed


@dataclass(frozen=True)
class Layer:
    """Linear layers with one input as one matrix, copied in the type of products."""

    weight: Tensor
    bias: Tensor | None
    sizes: tuple[int, ...]
    """Rows of each."""
    parameters: tuple[Tensor | None, ...]
    """The weights of all, then the biases, None for one that is absent."""

    def __call__(self, x: Wide) -> Wide:
        """Return x Wᵀ + b."""
        return times_transposed(x, self.weight, self.bias)

    def split(self, dweight: Tensor, dbias: Tensor | None) -> list[Tensor | None]:
        """Return the gradients of `parameters`."""
        none = [None] * len(self.sizes)
        biases = none if dbias is None else list(torch.split(dbias, list(self.sizes)))
        return [*torch.split(dweight, list(self.sizes)), *biases]


def join_layers(layers: Sequence[nn.Linear], dtype: torch.dtype) -> Layer:
    """Return layers as one, with a copy of their weights as they are now.

    It is made anew for every batch: nothing tells that weights have changed, since torch's fused
    optimizers do not count their steps in a tensor's version.
    """
    with torch.no_grad():
        weights = [layer.weight.to(dtype) for layer in layers]
        biases: list[Tensor] = [layer.bias for layer in layers if layer.bias is not None]
        return Layer(
            weight=weights[0] if len(weights) == 1 else torch.cat(weights),
            bias=torch.cat(biases).to(dtype) if biases else None,
            sizes=tuple(layer.weight.shape[0] for layer in layers),
            parameters=(*(x.weight for x in layers), *(x.bias for x in layers)),
        )


Kept = tuple[Tensor | None, ...]
"""What a way back needs besides its input."""


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

    def again(self, lib: Library, x: Wide, kept: Kept) -> Wide:
        """Return what `forward` returned: kept, or made once more."""
        ...

    def backward(self, lib: Library, dy: Wide, x: Wide, kept: Kept) -> tuple[Wide, Kept]:
        """Return the gradients of `x` and of the parameters."""
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
        """Return the mixtures, and keep them with what made them."""
        mixed, kept = attend(lib, x, self.batch, self.heads, self.drop)
        return mixed, (mixed, *kept[:4], *kept.rstds)

    def again(self, lib: Library, x: Wide, kept: Kept) -> Wide:
        """Return the mixtures."""
        mixed: Any = kept[0]
        return mixed

    def backward(self, lib: Library, dy: Wide, x: Wide, kept: Kept) -> tuple[Wide, Kept]:
        """Go back through attention."""
        parts: Any = (*kept[1:5], kept[5:])
        attended = Attended._make(parts)
        dx, dquery, dkey = attend_backward(lib, dy, x, self.batch, self.heads, self.drop, attended)
        return dx, (dquery, dkey)


@dataclass(frozen=True)
class Bending:
    """The bend of a feed-forward layer, which is bent again rather than kept."""

    kind: str
    parameters: tuple[Tensor | None, ...] = ()

    def forward(self, lib: Library, x: Wide) -> tuple[Wide, Kept]:
        """Return what was bent."""
        return bend(lib, self.kind, x), ()

    def again(self, lib: Library, x: Wide, kept: Kept) -> Wide:
        """Bend again."""
        return bend(lib, self.kind, x)

    def backward(self, lib: Library, dy: Wide, x: Wide, kept: Kept) -> tuple[Wide, Kept]:
        """Go back through the bend."""
        return bend_backward(lib, self.kind, dy, x), ()


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
        layers = (*self.first.parameters, *self.second.parameters)
        return (self.norm.weight, self.norm.bias, *layers, *self.inner.parameters)


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
        out = work.inner.again(lib, wide, tuple(kept))
        dout, *dsecond = linear_backward(lib, dchange, out, work.second)
        dwide, dinner = work.inner.backward(lib, dout, wide, tuple(kept))
        dy, *dfirst = linear_backward(lib, dwide, y, work.first)
        back = add_norm_backward(
            lib, dtotal, dy, total, stats, work.norm, work.drop_change,
            with_change=ctx.with_change,
        )  # fmt: skip
        return None, *back, *work.first.split(*dfirst), *work.second.split(*dsecond), *dinner


def linear_backward(
    lib: Library, dy: Wide, x: Wide, layer: Layer
) -> tuple[Wide, Tensor, Tensor | None]:
    """Return the gradients of x, of the weight and of the bias of a layer."""
    dbias = None if layer.bias is None else sum_rows(lib, dy)
    return times(dy, layer.weight), outer(dy, x).float(), dbias


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
