"""In which numbers to multiply: what the device does well.

bf16 keeps float32's range with fewer digits, so it needs no care; fp16 has more digits and
little range, so small gradients are lifted by a loss scale first (Micikevicius et al., "Mixed
precision training", 2018). Weights and optimizer stay in float32 in both; only the products run
in the short form, which is what torch calls autocast.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from bardling.errors import UsageError
from bardling.machine.config import PrecisionWish

SHORT = {"bf16": torch.bfloat16, "fp16": torch.float16}
MODERN_GPU = (8, 0)  # compute capability with bf16 matrix units (Ampere)
HALF_GPU = (7, 0)  # with fp16 matrix units (Volta)


def pick_precision(wish: PrecisionWish, device: torch.device) -> str:
    """Return the precision that was asked for, or the one that this device does well.

    Raises `UsageError` for a precision that the device does not have.
    """
    if wish == "auto":
        return _best(device)
    if device.type == "mps" and wish == "fp64":
        raise UsageError("an Apple GPU has no float64; take --machine.device cpu for fp64")
    return wish


def _best(device: torch.device) -> str:
    if device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        return "bf16" if capability >= MODERN_GPU else "fp16" if capability >= HALF_GPU else "fp32"
    return "bf16" if device.type == "cpu" and cpu_units() else "fp32"


def cpu_units() -> list[str]:
    """Return the processor's units for bf16, the fastest first: AMX, AVX512-BF16, or none."""
    units = {"AMX": "_is_amx_tile_supported", "AVX512-BF16": "_is_avx512_bf16_supported"}
    # torch names these with an underscore and may not have both in every version
    return [unit for unit, ask in units.items() if getattr(torch.cpu, ask, lambda: False)()]


def number_format(precision: str) -> torch.dtype:
    """Return the type of the weights, which is float32 but for proofs."""
    return torch.float64 if precision == "fp64" else torch.float32


def product_type(precision: str) -> torch.dtype:
    """Return the type in which matrices are multiplied."""
    return SHORT.get(precision, number_format(precision))


def autocast(device: torch.device, precision: str) -> AbstractContextManager[None]:
    """Return the context in which a forward pass is computed."""
    if precision not in SHORT:
        return nullcontext()
    return torch.autocast(device.type, SHORT[precision])


def loss_scale(
    device: torch.device, precision: str, state: Mapping[str, Any] | None = None
) -> torch.amp.GradScaler:
    """Return the loss scale of fp16, at its start or as a checkpoint had it; others do nothing."""
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
    if state and scaler.is_enabled():
        scaler.load_state_dict(dict(state))
    return scaler
