"""A token changes nothing before it: not by one bit, whatever the switches.

Without the mask it does, which is what a model does that has seen the answers.
"""

import pytest
import torch

from bardling.errors import ConfigError
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from covers import pairwise

SIZES = {"vocab_size": 13, "n_layer": 2, "n_head": 4, "n_embd": 16, "block_size": 9}
SWITCHES = {
    "attention": ("none", "uniform", "causal"),
    "position": ("none", "learned", "sinusoidal", "sinusoidal_scaled", "rotary"),
    "norm": ("none", "layernorm", "rmsnorm"),
    "norm_place": ("before", "after"),
    "feedforward": ("none", "relu", "gelu", "gelu_tanh", "gelu_sigmoid", "swiglu"),
    "residual": (True, False),
    "qk_norm": (True, False),
    "attention_scale": (True, False),
    "attention_output": (True, False),
    "n_kv_head": (None, 2),
    "head_dim": (None, 6),
}


def _model(**switches) -> GPT:
    return GPT(ModelConfig(**SIZES, **switches, init="plain"))


def _valid(choice) -> bool:
    try:
        ModelConfig(**SIZES, **choice)
    except ConfigError:
        return False
    return True


COVER = pairwise(SWITCHES, _valid)


def _before_and_after(model: GPT, changed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the logits of a text and of the same text with one other token."""
    ids = torch.randint(13, (2, 9), generator=torch.Generator().manual_seed(changed))
    other = ids.clone()
    other[:, changed] = (ids[:, changed] + 1) % 13
    with torch.no_grad():
        return model(ids), model(other)


@pytest.mark.parametrize("choice", COVER, ids=range(len(COVER)))
def test_the_future_does_not_reach_the_past(choice) -> None:
    model = _model(**choice)
    for t in range(9):
        one, other = _before_and_after(model, changed=t)
        assert torch.equal(one[:, :t], other[:, :t])
        assert not torch.equal(one[:, t], other[:, t])


@pytest.mark.parametrize("attention", ["uniform", "causal"])
def test_the_past_does_reach_the_future(attention) -> None:
    one, other = _before_and_after(_model(attention=attention), changed=3)
    assert all(not torch.equal(one[:, t], other[:, t]) for t in range(3, 9))


@pytest.mark.parametrize("position", SWITCHES["position"])
def test_without_the_mask_the_future_shows(position) -> None:
    one, other = _before_and_after(_model(attention="unmasked", position=position), changed=5)
    assert all(not torch.equal(one[:, t], other[:, t]) for t in range(9))


@pytest.mark.parametrize("attention", ["uniform", "causal"])
def test_no_gradient_comes_from_the_past_to_the_future(attention) -> None:
    model = _model(attention=attention)
    stream = []
    model.embedding.register_forward_hook(lambda _, __, out: stream.append(out))
    logits = model(torch.randint(13, (2, 9)))
    (gradient,) = torch.autograd.grad(logits[:, :5].square().sum(), stream)
    assert not gradient[:, 5:].any()
    assert gradient[:, :5].all(dim=-1).all()
