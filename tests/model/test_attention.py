"""Attention against torch's own, against loops, and as seen from outside."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bardling.model.attention import (
    Attention,
    Pass,
    attention_weights,
    merge_heads,
    share_heads,
    split_heads,
)
from bardling.model.cache import NO_CACHE
from bardling.model.config import ModelConfig
from bardling.model.dropout import SILENCE
from bardling.model.gpt import GPT

QUIET = Pass(0, NO_CACHE, SILENCE)
SMALL = {"n_embd": 24, "n_head": 6, "head_dim": 6, "block_size": 8}


def _config(**switches) -> ModelConfig:
    plain = {"position": "none", "qk_norm": False, "qkv_bias": True, "bias": True}
    return ModelConfig(**SMALL | plain | switches)


def _random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(4))


def test_heads_are_neighbouring_channels() -> None:
    x = torch.arange(12.0).reshape(1, 2, 6)
    assert split_heads(x, 3)[0, :, 0].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert torch.equal(merge_heads(split_heads(x, 3)), x)


def test_neighbouring_queries_share_keys() -> None:
    x = torch.tensor([1.0, 2.0]).reshape(1, 2, 1, 1)
    assert share_heads(x, 3).flatten().tolist() == [1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize("n_kv_head", [6, 2, 1])
@pytest.mark.parametrize("kind", ["causal", "unmasked"])
@pytest.mark.parametrize("scale", [True, False])
def test_it_is_torchs_attention(kind, n_kv_head, scale) -> None:
    layer = Attention(_config(attention=kind, n_kv_head=n_kv_head, attention_scale=scale), site=0)
    x = _random(2, 7, 24)
    query, key, value = (
        linear(x).reshape(2, 7, heads, 6).transpose(1, 2)
        for linear, heads in (
            (layer.pattern.query, 6),
            (layer.pattern.key, n_kv_head),
            (layer.value, n_kv_head),
        )
    )
    mixed = F.scaled_dot_product_attention(
        query,
        key,
        value,
        is_causal=kind == "causal",
        scale=6**-0.5 if scale else 1.0,
        enable_gqa=True,
    )
    expected = layer.output(mixed.transpose(1, 2).reshape(2, 7, 36))
    torch.testing.assert_close(layer(x, QUIET), expected, atol=1e-5, rtol=0)


def test_one_head_by_hand() -> None:
    config = _config(n_head=1, head_dim=24, attention_output=False)
    layer = Attention(config, site=0)
    x = _random(1, 5, 24)
    query, key, value = (f(x)[0] for f in (layer.pattern.query, layer.pattern.key, layer.value))
    out = layer(x, QUIET)[0]
    for t in range(5):
        powers = [torch.exp(query[t] @ key[s] / math.sqrt(24)) for s in range(t + 1)]
        expected = sum(p / sum(powers) * value[s] for s, p in enumerate(powers))
        torch.testing.assert_close(out[t], expected, atol=1e-5, rtol=0)


def test_queries_and_keys_are_normalised() -> None:
    layer = Attention(_config(qk_norm=True, norm_eps=0.05), site=0)
    for norm in (layer.pattern.query_norm, layer.pattern.key_norm):
        nn.init.normal_(norm.weight, mean=1.0, std=0.5)
    x = _random(2, 7, 24)
    query, key = (
        F.rms_norm(linear(x).unflatten(-1, (6, 6)), (6,), norm.weight, eps=0.05)
        for linear, norm in (
            (layer.pattern.query, layer.pattern.query_norm),
            (layer.pattern.key, layer.pattern.key_norm),
        )
    )
    scores = torch.einsum("bthc,bshc->bhts", query, key) / math.sqrt(6)
    expected = scores.masked_fill(torch.ones(7, 7).triu(1).bool(), -math.inf).softmax(-1)
    torch.testing.assert_close(layer.pattern(x, QUIET), expected, atol=1e-6, rtol=0)


def test_uniform_attention_is_the_average_of_the_past_in_four_ways() -> None:
    layer = Attention(_config(attention="uniform", head_dim=4, attention_output=False), site=0)
    x = _random(2, 8, 24)
    values = layer.value(x)

    by_loops = torch.zeros_like(values)
    for t in range(8):
        for s in range(t + 1):
            by_loops[:, t] += values[:, s] / (t + 1)
    triangle = torch.ones(8, 8).tril()
    by_product = triangle / triangle.sum(1, keepdim=True) @ values
    zeros = torch.zeros(8, 8).masked_fill(triangle == 0, -math.inf)
    by_softmax = zeros.softmax(-1) @ values

    for other in (by_loops, by_product, by_softmax):
        torch.testing.assert_close(layer(x, QUIET), other, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ["uniform", "causal"])
def test_weights_from_outside(kind) -> None:
    model = GPT(_config(attention=kind, n_layer=3, vocab_size=11, init="plain"))
    ids = torch.randint(11, (2, 7))
    before = model(ids)
    weights = attention_weights(model, ids)
    assert len(weights) == 3
    for layer in weights:
        assert layer.shape == (2, 6 if kind == "causal" else 1, 7, 7)
        torch.testing.assert_close(layer.sum(-1), torch.ones(layer.shape[:3]))
        assert not layer.triu(1).any()
    assert torch.equal(model(ids), before)
    assert not _hooks(model)


def test_unmasked_weights_look_ahead() -> None:
    model = GPT(_config(attention="unmasked", n_layer=1, vocab_size=11, init="plain"))
    (weights,) = attention_weights(model, torch.randint(11, (2, 7)))
    assert (weights > 0).all()


def test_looking_leaves_no_hooks_when_the_model_fails() -> None:
    model = GPT(_config(n_layer=2, vocab_size=11))
    with pytest.raises(IndexError):
        attention_weights(model, torch.full((1, 3), 11))
    assert not _hooks(model)


def _hooks(model: nn.Module) -> list[object]:
    return [hook for module in model.modules() for hook in module._forward_hooks.values()]
