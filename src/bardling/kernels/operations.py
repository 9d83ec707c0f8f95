"""The kernels on tensors: each operation as a function, and beside it its way back by hand.

`dtype` is the type in which matrices are multiplied, bfloat16 or float32; activations between
products have it too. The residual stream, weights and their gradients are float32. A forward
function returns what follows and what its backward function needs.
"""

import ctypes
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int32, Int64
from torch import Tensor

from bardling.kernels.library import Library

Wide = Float[Tensor, "rows _"]


class _NormWork(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int64) for name in ("rows", "width", "centred")),
        ("eps", ctypes.c_float),
    ]


class _Shape(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int64) for name in ("batch", "time", "heads", "channels", "stride")),
        *((name, ctypes.c_float) for name in ("eps", "scale")),
    ]


class _Grid(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64) for name in ("rows", "width")]


class _Drop(ctypes.Structure):
    _fields_ = [
        ("keys", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("positions", "site", "threshold")),
        ("scale", ctypes.c_float),
    ]


@dataclass(frozen=True)
class Drop:
    """One site's dropout of a batch; the masks are those of `model.dropout.keep_mask`."""

    site: int = 0
    rate: float = 0.0
    row_keys: Int32[Tensor, " batch"] | None = None
    positions: int = 1
    """Rows of a sequence."""

    @property
    def structure(self) -> _Drop:
        """The same as the kernels read it."""
        keys = None if self.row_keys is None else self.row_keys.data_ptr()
        threshold = int(self.rate * 2**32) - 2**31
        return _Drop(keys, self.positions, self.site, threshold, 1.0 / (1.0 - self.rate))


NO_DROP = Drop()


class Norm(NamedTuple):
    """A norm of the stream: RMSNorm, or LayerNorm where it centres."""

    weight: Float[Tensor, " width"]
    bias: Float[Tensor, " width"] | None
    eps: float
    centred: bool


def add_norm(
    lib: Library, x: Wide, change: Wide | None, drop: Drop, norm: Norm, dtype: torch.dtype
) -> tuple[Wide, Wide, Tensor]:
    """Return x + dropout(change), its norm in `dtype`, and each row's mean and 1 / deviation."""
    rows, width = x.shape
    total, stats = torch.empty_like(x), x.new_empty(rows, 2)
    y = x.new_empty(rows, width, dtype=dtype)
    work = _NormWork(rows, width, norm.centred, norm.eps)
    lib.call_typed(
        "add_norm_forward", dtype, work, x, change, drop.structure, norm.weight, norm.bias,
        total, y, stats,
    )  # fmt: skip
    return total, y, stats


class NormGradients(NamedTuple):
    """What `add_norm_backward` returns."""

    x: Wide
    change: Wide | None
    weight: Tensor
    bias: Tensor | None


def add_norm_backward(
    lib: Library,
    dtotal: Wide | None,
    dy: Wide,
    total: Wide,
    stats: Tensor,
    norm: Norm,
    drop: Drop,
    *,
    with_change: bool,
) -> NormGradients:
    """Return the gradients of `add_norm`; `dtotal` is that of the stream past it, if any."""
    rows, width = total.shape
    dx = torch.empty_like(total)
    dchange = torch.empty_like(dy) if with_change else None
    parts = total.new_zeros(torch.get_num_threads(), 2, width)
    lib.call_typed(
        "add_norm_backward", dy.dtype, _NormWork(rows, width, norm.centred, norm.eps),
        dtotal, dy, total, stats, norm.weight, drop.structure, dx, dchange, parts,
    )  # fmt: skip
    dweight, dbias = parts.sum(0)
    return NormGradients(dx, dchange, dweight, None if norm.bias is None else dbias)


def sum_rows(lib: Library, x: Wide) -> Float[Tensor, " width"]:
    """Return the sum of all rows in float32, the gradient of a bias."""
    parts = x.new_zeros(torch.get_num_threads(), x.shape[1], dtype=torch.float32)
    lib.call_typed("sum_rows", x.dtype, _Grid(*x.shape), x, parts)
    return parts.sum(0)


class Heads(NamedTuple):
    """The heads of a layer, and what is done to queries and keys."""

    n_head: int
    n_kv_head: int
    channels: int
    scale: float
    eps: float
    query_weight: Tensor | None
    key_weight: Tensor | None
    cos: Tensor | None
    sin: Tensor | None

    def parts(self) -> tuple[tuple[int, int, Tensor | None, Tensor | None, Tensor | None], ...]:
        """Return first column, heads, norm and rotation of queries, keys and values."""
        n, kv, channels = self.n_head, self.n_kv_head, self.channels
        return (
            (0, n, self.query_weight, self.cos, self.sin),
            (n * channels, kv, self.key_weight, self.cos, self.sin),
            ((n + kv) * channels, kv, None, None, None),
        )


class Attended(NamedTuple):
    """What the way back through attention needs; products have [batch * kv_head] matrices."""

    query: Tensor
    key: Tensor
    value: Tensor
    weights: Tensor
    rstds: tuple[Tensor | None, ...]


def attend(
    lib: Library, joined: Wide, batch: int, heads: Heads, drop: Drop
) -> tuple[Wide, Attended]:
    """Return each head's mixture of the values, for queries, keys and values side by side."""
    rows, stride = joined.shape
    time, kv, n = rows // batch, heads.n_kv_head, heads.channels
    cut: list[Tensor] = []
    rstds: list[Tensor | None] = []
    for first, count, weight, cos, sin in heads.parts():
        shape = _Shape(batch, time, count, n, stride, heads.eps, heads.scale)
        y = joined.new_empty(batch * kv, count // kv * time, n)
        rstd = None if weight is None else joined.new_empty(rows, count, dtype=torch.float32)
        source = joined[:, first:]
        lib.call_typed("heads_forward", joined.dtype, shape, source, weight, cos, sin, y, rstd)
        cut.append(y)
        rstds.append(rstd)
    query, key, value = cut
    weights = torch.bmm(query, key.mT)
    left = weights if drop.row_keys is None else torch.empty_like(weights)
    shape = _Shape(batch, time, heads.n_head, n, stride, heads.eps, heads.scale)
    lib.call_typed("softmax_forward", joined.dtype, shape, drop.structure, weights, left)
    mixed = torch.bmm(left, value).view(batch, heads.n_head, time, n)
    return (
        mixed.transpose(1, 2).reshape(rows, -1),
        Attended(query, key, value, weights, tuple(rstds)),
    )


def attend_backward(
    lib: Library, dmixed: Wide, joined: Wide, batch: int, heads: Heads, drop: Drop, kept: Attended
) -> tuple[Wide, Tensor | None, Tensor | None]:
    """Return the gradients of `joined` and of the weights of the norms of queries and keys."""
    rows, stride = joined.shape
    time, n = rows // batch, heads.channels
    query, key, value, weights, rstds = kept
    d = dmixed.view(batch, time, heads.n_head, n).transpose(1, 2).reshape(query.shape)
    dscores = torch.bmm(d, value.mT)
    left = weights if drop.row_keys is None else torch.empty_like(weights)
    shape = _Shape(batch, time, heads.n_head, n, stride, heads.eps, heads.scale)
    lib.call_typed("softmax_backward", joined.dtype, shape, drop.structure, weights, dscores, left)
    dcut = torch.bmm(dscores, key), torch.bmm(dscores.mT, query), torch.bmm(left.mT, d)
    djoined, norms = torch.empty_like(joined), []
    for (first, count, weight, cos, sin), dy, rstd in zip(heads.parts(), dcut, rstds, strict=True):
        shape = _Shape(batch, time, count, n, stride, heads.eps, heads.scale)
        parts = None if weight is None else weight.new_zeros(torch.get_num_threads(), n)
        lib.call_typed(
            "heads_backward", joined.dtype, shape, dy, joined[:, first:], weight, cos, sin, rstd,
            djoined[:, first:], parts,
        )  # fmt: skip
        norms.append(None if parts is None else parts.sum(0))
    return djoined, norms[0], norms[1]


def bend(lib: Library, kind: str, x: Wide) -> Float[Tensor, "rows inner"]:
    """Return `swiglu` of rows with gate and up side by side, or `gelu` (by tanh) of any."""
    width = x.shape[1] // 2 if kind == "swiglu" else x.shape[1]
    y = x.new_empty(x.shape[0], width)
    lib.call_typed(f"{kind}_forward", x.dtype, _Grid(x.shape[0], width), x, y)
    return y


def bend_backward(lib: Library, kind: str, dy: Float[Tensor, "rows inner"], x: Wide) -> Wide:
    """Return the gradient of what was bent."""
    dx = torch.empty_like(x)
    lib.call_typed(f"{kind}_backward", x.dtype, _Grid(*dy.shape), dy, x, dx)
    return dx


def drop_rows(lib: Library, x: Wide, drop: Drop) -> Wide:
    """Return `x` with dropout, which is its own way back."""
    y = torch.empty_like(x)
    lib.call("drop_rows_fp32", _Grid(*x.shape), drop.structure, x, y)
    return y


def cross_entropy(
    lib: Library, logits: Float[Tensor, "rows vocab"], targets: Int64[Tensor, " rows"]
) -> Float[Tensor, " rows"]:
    """Return each row's loss in nats; the logits become their gradient, softmax - one-hot.

    Targets below 0 count nothing; `IndexError` is raised for one that no logit belongs to.
    """
    if len(targets) and int(targets.max()) >= logits.shape[1]:
        raise IndexError(f"target {int(targets.max())} is none of {logits.shape[1]} tokens")
    losses = logits.new_empty(logits.shape[0], dtype=torch.float32)
    lib.call_typed("cross_entropy", logits.dtype, _Grid(*logits.shape), logits, targets, losses)
    return losses
