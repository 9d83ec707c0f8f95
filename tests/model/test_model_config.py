"""ModelConfig: what it derives, what it refuses, and what a refusal says."""

import dataclasses
import subprocess
import sys

import pytest

from bardling.errors import ConfigError
from bardling.model import config as model_config
from bardling.model.config import ModelConfig


def test_heads_default_to_even_shares_of_the_width() -> None:
    config = ModelConfig(n_embd=192, n_head=6)
    assert (config.kv_heads, config.head_width, config.attention_width) == (6, 32, 192)


def test_heads_can_be_stated() -> None:
    config = ModelConfig(n_embd=20, n_head=6, n_kv_head=2, head_dim=8)
    assert (config.kv_heads, config.head_width, config.attention_width) == (2, 8, 48)


@pytest.mark.parametrize(
    ("feedforward", "n_embd", "d_ff", "width"),
    [
        ("gelu", 192, None, 768),
        ("swiglu", 192, None, 512),  # 8/3 * 192 is a multiple of 16 already
        ("swiglu", 193, None, 528),  # 514.7, rounded up
        ("swiglu", 6, None, 16),
        ("swiglu", 192, 500, 500),
        ("relu", 192, 7, 7),
    ],
)
def test_feedforward_width(feedforward, n_embd, d_ff, width) -> None:
    config = ModelConfig(n_embd=n_embd, n_head=1, feedforward=feedforward, d_ff=d_ff, head_dim=2)
    assert config.feedforward_width == width


@pytest.mark.parametrize(
    ("attention", "feedforward", "n_sublayers"),
    [("causal", "gelu", 6), ("none", "gelu", 3), ("uniform", "none", 3), ("none", "none", 0)],
)
def test_sublayers_are_those_that_are_there(attention, feedforward, n_sublayers) -> None:
    config = ModelConfig(n_layer=3, attention=attention, feedforward=feedforward)
    assert config.n_sublayers == n_sublayers


def test_only_unmasked_attention_cannot_be_cached() -> None:
    kinds = ("none", "uniform", "causal", "unmasked")
    assert [ModelConfig(attention=kind).cacheable for kind in kinds] == [True, True, True, False]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"vocab_size": -1}, ["vocab_size is -1", "at least 0"]),
        ({"block_size": 0}, ["block_size is 0", "at least 1"]),
        ({"n_layer": -1}, ["n_layer is -1", "at least 0"]),
        ({"n_embd": 0}, ["n_embd is 0", "at least 1"]),
        ({"n_head": 0}, ["n_head is 0", "at least 1"]),
        ({"n_kv_head": 0}, ["n_kv_head is 0", "at least 1, or none"]),
        ({"head_dim": 0}, ["head_dim is 0", "at least 1, or none"]),
        ({"d_ff": -3}, ["d_ff is -3", "at least 1, or none"]),
        ({"n_embd": 192, "n_head": 5}, ["192", "n_head 5", "n_head 4 or 6", "set head_dim"]),
        ({"n_embd": 10**12 + 1, "n_head": 6}, ["n_head 6", "take n_head 1 or 73,"]),
        ({"n_embd": 192, "n_head": 10**12}, ["take n_head 96 or 192,"]),
        ({"n_embd": 1_000_003, "n_head": 6}, ["take n_head 1 or 1000003,"]),  # a prime
        ({"n_embd": 1, "n_head": 3}, ["n_embd 1 ", "n_head 3", "take n_head 1,"]),
        ({"n_head": 6, "n_kv_head": 4}, ["n_head 6", "n_kv_head 4", "take a divisor, or none"]),
        (
            {"attention_output": False, "head_dim": 8, "n_head": 6, "n_embd": 192},
            ["6 heads of 8", "n_embd 192", "leave head_dim"],
        ),
        ({"n_embd": 9, "n_head": 3}, ["a head has 3", "even head_dim", "another position"]),
        ({"dropout": 1.0}, ["dropout is 1.0", "at least 0 and below 1"]),
        ({"dropout": -0.1}, ["dropout is -0.1", "at least 0 and below 1"]),
        ({"dropout": float("nan")}, ["dropout is nan", "a finite number"]),
        ({"norm_eps": 0.0}, ["norm_eps is 0.0", "between 0 and 1"]),
        ({"norm_eps": 1.0}, ["norm_eps is 1.0", "between 0 and 1"]),
        ({"rope_base": 1.0}, ["rope_base is 1.0", "must be above 1"]),
        ({"rope_base": float("inf")}, ["rope_base is inf", "a finite number"]),
        ({"output_bias": True}, ["output_bias", "set tie_embeddings to false", "bias off"]),
    ],
)
def test_a_refusal_names_the_numbers_and_the_cure(wrong, said) -> None:
    with pytest.raises(ConfigError) as refusal:
        ModelConfig(**wrong)
    for part in said:
        assert part in str(refusal.value)


def test_the_proposed_divisors_are_the_nearest_of_all() -> None:
    for width in range(1, 700):
        for wanted in (1, 5, 12, 100, 800):
            every = [n for n in range(1, width + 1) if width % n == 0]
            nearest = sorted(every, key=lambda n: abs(n - wanted))[:2]
            assert model_config._divisors_near(width, wanted) == sorted(nearest)


@pytest.mark.parametrize("n_head", [4, 6])
def test_the_proposed_cure_works(n_head) -> None:
    assert ModelConfig(n_embd=192, n_head=n_head).head_width == 192 // n_head


def test_an_odd_head_is_fine_without_rotation() -> None:
    assert ModelConfig(n_embd=9, n_head=3, position="learned").head_width == 3


def test_a_config_is_a_value() -> None:
    assert ModelConfig(n_layer=2) == ModelConfig(n_layer=2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        ModelConfig().n_layer = 3


def test_configs_and_sizes_need_no_torch() -> None:
    code = (
        "import sys, bardling.model.config, bardling.model.size; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
