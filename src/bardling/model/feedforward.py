"""The layer that works on each position alone: widen, bend, narrow.

GELU: Hendrycks and Gimpel (2016), in its three forms: exact, by tanh (GPT-2's), by sigmoid.
SwiGLU: Shazeer, "GLU variants improve transformer" (2020), equation 6.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from bardling.model.config import ModelConfig

Activation = Callable[[Tensor], Tensor]

ACTIVATIONS: dict[str, Activation] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "gelu_sigmoid": lambda x: x * torch.sigmoid(1.702 * x),
}


class FeedForward(nn.Module):
    """down(activation(up(x)))."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[config.feedforward]
        self.up = nn.Linear(config.n_embd, config.feedforward_width, bias=config.bias)
        self.down = nn.Linear(config.feedforward_width, config.n_embd, bias=config.bias)

    def forward(self, x: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """Return the layer's answer for each position."""
        return self.down(self.activation(self.up(x)))


class SwiGLU(nn.Module):
    """down(silu(gate(x)) * up(x))."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate = nn.Linear(config.n_embd, config.feedforward_width, bias=config.bias)
        self.up = nn.Linear(config.n_embd, config.feedforward_width, bias=config.bias)
        self.down = nn.Linear(config.feedforward_width, config.n_embd, bias=config.bias)

    def forward(self, x: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """Return the layer's answer for each position."""
        return self.down(F.silu(self.gate(x)) * self.up(x))


def build_feedforward(config: ModelConfig) -> FeedForward | SwiGLU:
    """Return the configured layer."""
    return SwiGLU(config) if config.feedforward == "swiglu" else FeedForward(config)
