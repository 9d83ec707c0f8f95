"""A block is what its formula says, for each of the four ways around a sublayer."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bardling.machine.randomness import row_keys
from bardling.model.attention import Pass
from bardling.model.cache import NO_CACHE
from bardling.model.config import ModelConfig
from bardling.model.dropout import SILENCE, Noise
from bardling.model.residual import Block, PositionWise, Sublayer

QUIET = Pass(0, NO_CACHE, SILENCE)


def _norm(x: torch.Tensor, norm: nn.Module) -> torch.Tensor:
    return F.layer_norm(x, (12,), norm.weight, norm.bias, eps=0.1)


FORMULAS = {
    ("before", True): lambda x, f, n: x + f(_norm(x, n)),
    ("after", True): lambda x, f, n: _norm(x + f(x), n),
    ("before", False): lambda x, f, n: f(_norm(x, n)),
    ("after", False): lambda x, f, n: _norm(f(x), n),
}


@pytest.mark.parametrize(("place", "residual"), FORMULAS)
def test_the_four_formulas(place, residual) -> None:
    config = ModelConfig(
        n_embd=12,
        n_head=2,
        norm="layernorm",
        norm_place=place,
        norm_eps=0.1,
        bias=True,
        residual=residual,
    )
    layer = nn.Linear(12, 12)
    sublayer = Sublayer(PositionWise(layer), config, site=0)
    norm = sublayer.norm_before if place == "before" else sublayer.norm_after
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(2, 5, 12)
    expected = FORMULAS[place, residual](x, layer, norm)
    torch.testing.assert_close(sublayer(x, QUIET), expected, atol=1e-5, rtol=0)


def test_a_block_is_attention_then_feedforward() -> None:
    block = Block(ModelConfig(n_embd=12, n_head=2, block_size=8), layer=0)
    x = torch.randn(2, 5, 12)
    after_attention = block.sublayers["attention"](x, QUIET)
    expected = block.sublayers["feedforward"](after_attention, QUIET)
    assert list(block.sublayers) == ["attention", "feedforward"]
    assert torch.equal(block(x, QUIET), expected)


@pytest.mark.parametrize(
    ("attention", "feedforward", "parts"),
    [("none", "gelu", ["feedforward"]), ("causal", "none", ["attention"]), ("none", "none", [])],
)
def test_a_part_that_is_off_is_not_there(attention, feedforward, parts) -> None:
    config = ModelConfig(n_embd=12, n_head=2, attention=attention, feedforward=feedforward)
    assert list(Block(config, layer=0).sublayers) == parts


def test_dropout_falls_on_the_change_and_not_on_the_stream() -> None:
    config = ModelConfig(n_embd=12, n_head=2, norm="none", dropout=0.5)
    sublayer = Sublayer(PositionWise(nn.Identity()), config, site=4)
    noise = Noise(torch.from_numpy(row_keys(0, 0, np.arange(3))))
    out = sublayer(torch.ones(3, 5, 12), Pass(0, NO_CACHE, noise))
    assert set(out.unique().tolist()) == {1.0, 3.0}  # 1 + dropped, 1 + twice the survivor
