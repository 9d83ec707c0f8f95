"""What is restated as GPT-2, Llama or Qwen3 has the logits that it had; the rest is refused."""

from dataclasses import replace

import pytest
import torch

from bardling.errors import ExportError
from bardling.interchange.family import nearest_preset, reasons, require_family, restate
from bardling.model.config import ModelConfig
from bardling.presets.table import PRESETS
from families import family, randomised

SAID = {
    "biases left away": family("gpt2", bias=False, qkv_bias=False),
    "no places": family("gpt2", position="none"),
    "waves": family("gpt2", position="sinusoidal"),
    "scaled waves": family("gpt2", position="sinusoidal_scaled"),
    "shared heads": family("gpt2", n_kv_head=2),
    "scores as they are": family("gpt2", attention_scale=False),
    "heads side by side": family("gpt2", attention_output=False),
    "untied": family("gpt2", tie_embeddings=False),
    "all of it": family(
        "gpt2", position="sinusoidal_scaled", n_kv_head=1, attention_scale=False, bias=False,
        attention_output=False, feedforward="relu",
    ),
    "llama": family("llama"),
    "llama with some biases": family("llama", qkv_bias=True),
    "llama, scores as they are": family("llama", attention_scale=False),
    "qwen3": family("qwen3"),
    "qwen3, scores as they are": family("qwen3", attention_scale=False),
}  # fmt: skip


@pytest.mark.parametrize("config", SAID.values(), ids=SAID)
def test_the_logits_stay(config: ModelConfig):
    model = randomised(config)
    said = restate(model)
    ids = torch.randint(29, (3, 16), generator=torch.Generator().manual_seed(1))
    ours, theirs = model(ids), said.build()(ids)
    assert ours.std() > 0.3
    torch.testing.assert_close(theirs, ours, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("config", SAID.values(), ids=SAID)
def test_what_was_restated_has_nothing_left_to_restate(config: ModelConfig):
    said = restate(randomised(config))
    assert reasons(said.config) == []
    again = restate(said.build())
    assert again.config == said.config
    assert again.weights.keys() == said.weights.keys()
    assert all(torch.equal(again.weights[n], said.weights[n]) for n in said.weights)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"n_layer": 0}, "no block"),
        ({"attention": "uniform"}, "'uniform'"),
        ({"attention": "unmasked"}, "'unmasked'"),
        ({"feedforward": "none"}, "no feed-forward"),
        ({"norm": "none"}, "norm 'none'"),
        ({"norm": "rmsnorm"}, "norm 'rmsnorm'"),
        ({"norm_place": "after"}, "norms after"),
        ({"final_norm": False}, "no final norm"),
        ({"residual": False}, "no residual"),
        ({"output_bias": True, "tie_embeddings": False}, "output layer"),
        ({"qk_norm": True}, "qk_norm"),
        ({"feedforward": "swiglu"}, "'swiglu'"),
        ({"head_dim": 8}, "heads of 8"),
    ],
)
def test_what_gpt2_cannot_say_is_refused_by_name(change, reason):
    config = family("gpt2", **change)
    with pytest.raises(ExportError, match=reason) as refused:
        require_family(config)
    assert "GPT-2" in str(refused.value) and "nearest preset" in str(refused.value)


def test_what_qwen3_cannot_say_is_refused_by_name():
    for change in ({"qkv_bias": True}, {"bias": True}, {"feedforward": "relu"}):
        with pytest.raises(ExportError, match="Qwen3"):
            require_family(family("qwen3", **change))


def test_the_nearest_preset_is_of_a_family_and_near_in_size():
    small = replace(PRESETS["seed-001-heads"]().config.model, vocab_size=65)
    large = replace(PRESETS["seed-004"]().config.model, vocab_size=50257)
    assert reasons(small) and reasons(large)
    for config in (small, large):
        assert not reasons(PRESETS[nearest_preset(config)]().config.model)
    assert nearest_preset(replace(large, final_norm=False)) != nearest_preset(small)
