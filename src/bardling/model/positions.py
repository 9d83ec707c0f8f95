"""How a token knows its place: not at all, learned, sinusoidal, or by rotation.

Two kinds of part. An *embedding of places* adds a vector to each token before the first block;
a *rotation* turns queries and keys inside attention, so that their product depends on how far
apart they are. Each has a null object, so that the model always has one of both.

Sinusoidal: Vaswani et al., "Attention is all you need" (2017), section 3.5; scaled as in its 3.4.
Rotary: Su et al., "RoFormer" (2021), section 3.2, in the rotate-half order of Llama and Qwen3.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bardling.model.config import ModelConfig


class NoPlaces(nn.Module):
    """Adds nothing."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()

    def forward(
        self, x: Float[Tensor, "batch time width"], start: int
    ) -> Float[Tensor, "batch time width"]:
        """Return `x` as it is."""
        return x


class LearnedPlaces(nn.Module):
    """Adds a learned vector for each place in the context."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(config.block_size, config.n_embd))

    def forward(
        self, x: Float[Tensor, "batch time width"], start: int
    ) -> Float[Tensor, "batch time width"]:
        """Add the vectors of places `start` and on."""
        return x + self.weight[start : start + x.shape[1]]


class SinusoidalPlaces(nn.Module):
    """Adds sines and cosines of wavelengths from 2π to 20,000π: even channels sine, odd cosine."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.n_embd
        frequency = torch.exp(torch.arange(0, width, 2) * (-math.log(config.rope_base) / width))
        angle = torch.arange(config.block_size)[:, None] * frequency
        table = torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1)[:, :width]
        self.register_buffer("table", table, persistent=False)

    def forward(
        self, x: Float[Tensor, "batch time width"], start: int
    ) -> Float[Tensor, "batch time width"]:
        """Add the vectors of places `start` and on."""
        table: Tensor = self.get_buffer("table")
        return x + table[start : start + x.shape[1]]


class ScaledSinusoidalPlaces(SinusoidalPlaces):
    """Adds the same to vectors made longer by sqrt(width), which begin shorter than the waves."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.scale = config.embedding_scale

    def forward(
        self, x: Float[Tensor, "batch time width"], start: int
    ) -> Float[Tensor, "batch time width"]:
        """Scale, and add the vectors of places `start` and on."""
        return super().forward(x * self.scale, start)


class NoRotation(nn.Module):
    """Leaves queries and keys as they are."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()

    def forward(
        self, x: Float[Tensor, "batch head time channel"], start: int
    ) -> Float[Tensor, "batch head time channel"]:
        """Return `x` as it is."""
        return x


class Rotation(nn.Module):
    """Turns channel i together with channel i + half by an angle that grows with the place."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.head_width
        frequency = 1.0 / config.rope_base ** (torch.arange(0, width, 2) / width)
        angle = torch.arange(config.block_size)[:, None] * frequency
        self.register_buffer("cos", angle.cos().repeat(1, 2), persistent=False)
        self.register_buffer("sin", angle.sin().repeat(1, 2), persistent=False)

    def forward(
        self, x: Float[Tensor, "batch head time channel"], start: int
    ) -> Float[Tensor, "batch head time channel"]:
        """Turn the vectors of places `start` and on."""
        places = slice(start, start + x.shape[2])
        cos, sin = self.get_buffer("cos")[places], self.get_buffer("sin")[places]
        first, second = x.chunk(2, dim=-1)
        return x * cos + torch.cat((-second, first), dim=-1) * sin


PLACES = {
    "none": NoPlaces,
    "learned": LearnedPlaces,
    "sinusoidal": SinusoidalPlaces,
    "sinusoidal_scaled": ScaledSinusoidalPlaces,
    "rotary": NoPlaces,
}
ROTATIONS = {
    "none": NoRotation,
    "learned": NoRotation,
    "sinusoidal": NoRotation,
    "sinusoidal_scaled": NoRotation,
    "rotary": Rotation,
}
