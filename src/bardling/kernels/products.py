"""Products of matrices, by the library that is fast on this processor.

torch hands float32 products to MKL, which on AMD's processors runs at less than half of what
oneDNN reaches there (docs/performance.md); bfloat16 goes to oneDNN everywhere. The oneDNN form is
the operation that torch's own compiler calls; where a torch lacks it, torch's choice stands.
"""

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from bardling.machine.kernel import kernel_text


@lru_cache(maxsize=1)
def _onednn() -> Callable[..., Tensor] | None:
    """Return oneDNN's x Wᵀ + b for float32 where it is the faster one."""
    amd = "AuthenticAMD" in kernel_text("/proc/cpuinfo")[:200]
    linear: Callable[..., Tensor] | None = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    return linear if amd and torch._C._has_mkldnn else None


def times_transposed(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x Wᵀ + b."""
    onednn = _onednn() if x.dtype == torch.float32 else None
    if onednn is not None:
        return onednn(x, weight, bias, "none", [], "")
    return x @ weight.T if bias is None else torch.addmm(bias, x, weight.T)


def times(x: Tensor, weight: Tensor) -> Tensor:
    """Return x W."""
    return times_transposed(x, weight.T)


def outer(dy: Tensor, x: Tensor) -> Tensor:
    """Return dyᵀ x, the gradient of a weight; the shorter side is quicker to have as rows."""
    if dy.shape[1] > x.shape[1] and dy.dtype == torch.float32:
        return times_transposed(x.T, dy.T).T
    return times_transposed(dy.T, x.T)
