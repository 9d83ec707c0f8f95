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


class _Heads(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int64) for name in ("batch", "time", "heads", "kv_heads", "channels")),
        *((name, ctypes.c_float) for name in ("eps", "scale")),
        *((name, ctypes.c_void_p) for name in ("query_weight", "key_weight", "cos", "sin")),
    ]


class _Grid(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64) for name in ("rows", "width")]


class _Teaching(ctypes.Structure):
    _fields_ = [(name, ctypes.c_float) for name in ("hard", "temperature")]


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

    def structure(self, batch: int, time: int) -> _Heads:
        """The same as the kernels read it, for a batch."""
        tensors = (self.query_weight, self.key_weight, self.cos, self.sin)
        return _Heads(
            batch, time, self.n_head, self.n_kv_head, self.channels, self.eps, self.scale,
            *(None if tensor is None else tensor.data_ptr() for tensor in tensors),
        )  # fmt: skip


def attend(
    lib: Library, joined: Wide, batch: int, heads: Heads, drop: Drop
) -> tuple[Wide, Float[Tensor, "batch head time"]]:
    """Return each head's mixture of the values, and what each query's softmax divided by.

    `joined` has queries, keys and values side by side; the divisors are logarithms.
    """
    rows = joined.shape[0]
    mixed = joined.new_empty(rows, heads.n_head * heads.channels)
    divisors = joined.new_empty(batch, heads.n_head, rows // batch, dtype=torch.float32)
    lib.call_typed(
        "attend_forward", joined.dtype, heads.structure(batch, rows // batch), drop.structure,
        joined, mixed, divisors,
    )  # fmt: skip
    return mixed, divisors


def attend_backward(
    lib: Library,
    dmixed: Wide,
    joined: Wide,
    mixed: Wide,
    divisors: Float[Tensor, "batch head time"],
    heads: Heads,
    drop: Drop,
) -> tuple[Wide, Tensor | None, Tensor | None]:
    """Return the gradients of `joined` and of the weights of the norms of queries and keys."""
    batch, _, time = divisors.shape
    djoined = torch.empty_like(joined)
    parts = divisors.new_zeros(torch.get_num_threads(), 2, heads.channels)
    lib.call_typed(
        "attend_backward", joined.dtype, heads.structure(batch, time), drop.structure,
        dmixed, joined, mixed, divisors, djoined, parts,
    )  # fmt: skip
    if heads.query_weight is None:
        return djoined, None, None
    dquery, dkey = parts.sum(0)
    return djoined, dquery, dkey


def bend(lib: Library, kind: str, x: Wide) -> Float[Tensor, "rows inner"]:
    """Return `swiglu` of rows with gate and up side by side, or `gelu` (by tanh) of any."""
    width = x.shape[1] // 2 if kind == "swiglu" else x.shape[1]
    y = x.new_empty(x.shape[0], width)
    lib.call_typed(f"{kind}_forward", x.dtype, _Grid(x.shape[0], width), x, y)
    return y


def bend_backward(
    lib: Library, kind: str, dy: Float[Tensor, "rows inner"], x: Wide
) -> tuple[Float[Tensor, "rows inner"], Wide]:
    """Return what was bent, made once more, and its gradient."""
    y, dx = torch.empty_like(dy), torch.empty_like(x)
    lib.call_typed(f"{kind}_backward", x.dtype, _Grid(*dy.shape), dy, x, y, dx)
    return y, dx


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
    _require_known(targets, logits.shape[1])
    losses = logits.new_empty(logits.shape[0], dtype=torch.float32)
    lib.call_typed("cross_entropy", logits.dtype, _Grid(*logits.shape), logits, targets, losses)
    return losses


def distil(
    lib: Library,
    logits: Float[Tensor, "rows vocab"],
    targets: Int64[Tensor, " rows"],
    taught: Float[Tensor, "rows vocab"],
    *,
    hard: float,
    temperature: float,
) -> Float[Tensor, " rows"]:
    """Return each row's loss under a teacher's logits, in nats; the logits become their gradient.

    That is `hard` times the cross-entropy, and the rest of 1 times temperature² times
    KL(teacher || student), both softened by it. Targets are those of `cross_entropy`.
    """
    _require_known(targets, logits.shape[1])
    losses = logits.new_empty(logits.shape[0], dtype=torch.float32)
    how, grid = _Teaching(hard, temperature), _Grid(*logits.shape)
    lib.call_typed("distil", logits.dtype, grid, how, logits, taught, targets, losses)
    return losses


def _require_known(targets: Int64[Tensor, " rows"], vocab_size: int) -> None:
    if len(targets) and int(targets.max()) >= vocab_size:
        raise IndexError(f"target {int(targets.max())} is none of {vocab_size} tokens")
