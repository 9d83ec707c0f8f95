"""The feed-forward layers against torch's functions and the formulas of the papers."""

import math

import pytest
import torch
from torch.nn import functional as F

from bardling.model.config import ModelConfig
from bardling.model.feedforward import ACTIVATIONS, build_feedforward


def _gelu(x: torch.Tensor) -> torch.Tensor:
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


def _gelu_tanh(x: torch.Tensor) -> torch.Tensor:
    return x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2


def _gelu_sigmoid(x: torch.Tensor) -> torch.Tensor:
    return x / (1 + torch.exp(-1.702 * x))


ORACLES = {
    "relu": lambda x: x.clamp(min=0),
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "gelu_sigmoid": _gelu_sigmoid,
}


@pytest.mark.parametrize("kind", ORACLES)
def test_activations(kind) -> None:
    x = torch.linspace(-6, 6, 1001, dtype=torch.float64)
    torch.testing.assert_close(ACTIVATIONS[kind](x), ORACLES[kind](x), atol=1e-12, rtol=0)


def test_the_three_gelus_are_close_and_not_the_same() -> None:
    x = torch.linspace(-4, 4, 1001)
    exact, by_tanh, by_sigmoid = (
        ACTIVATIONS[kind](x) for kind in ("gelu", "gelu_tanh", "gelu_sigmoid")
    )
    assert 1e-4 < (exact - by_tanh).abs().max() < 1e-3
    assert 1e-2 < (exact - by_sigmoid).abs().max() < 3e-2


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ORACLES)
def test_feedforward(kind, bias) -> None:
    layer = build_feedforward(
        ModelConfig(feedforward=kind, n_embd=12, n_head=2, d_ff=20, bias=bias)
    )
    x = torch.randn(2, 5, 12)
    inner = ORACLES[kind](F.linear(x, layer.up.weight, layer.up.bias))
    assert inner.shape == (2, 5, 20)
    expected = F.linear(inner, layer.down.weight, layer.down.bias)
    torch.testing.assert_close(layer(x), expected, atol=1e-6, rtol=0)
    assert len(list(layer.parameters())) == (4 if bias else 2)


@pytest.mark.parametrize("bias", [True, False])
def test_swiglu(bias) -> None:
    layer = build_feedforward(
        ModelConfig(feedforward="swiglu", n_embd=12, n_head=2, d_ff=20, bias=bias)
    )
    x = torch.randn(2, 5, 12)
    gate = F.linear(x, layer.gate.weight, layer.gate.bias)
    up = F.linear(x, layer.up.weight, layer.up.bias)
    inner = gate / (1 + torch.exp(-gate)) * up
    expected = F.linear(inner, layer.down.weight, layer.down.bias)
    torch.testing.assert_close(layer(x), expected, atol=1e-6, rtol=0)
    assert len(list(layer.parameters())) == (6 if bias else 3)
