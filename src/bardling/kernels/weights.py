"""The forms in which decode.cpp reads a model's matrices."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

WeightForm = Literal["fp32", "bf16", "int8"]
FORMS: dict[str, int] = {"fp32": 0, "bf16": 1, "int8": 2}
INT8_LARGEST = 127
PANEL = 32
"""Rows of a matrix that lie side by side where many texts are read at once."""


def shortened(
    weight: Float[Tensor, "rows columns"], form: WeightForm
) -> tuple[Tensor, Float[Tensor, " rows"] | None]:
    """Return a matrix in a form and, for int8, the factor that each row was divided by.

    Rounded to the nearest of 255 steps between a row's largest entries, so that no entry is
    further off than half a factor.
    """
    if form == "fp32":
        return weight, None
    if form == "bf16":
        return weight.bfloat16(), None
    factors = weight.abs().amax(dim=1).clamp(min=1e-30) / INT8_LARGEST
    return (weight / factors[:, None]).round().to(torch.int8), factors


def in_panels(weight: Float[Tensor, "rows columns"]) -> Float[Tensor, "panels columns panel"]:
    """Return a matrix cut into panels of rows, the last one filled up with zeros."""
    whole = F.pad(weight, (0, 0, 0, -len(weight) % PANEL))
    return whole.view(-1, PANEL, weight.shape[1]).transpose(1, 2).contiguous()
