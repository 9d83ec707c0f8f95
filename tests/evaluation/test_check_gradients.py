"""Gradients: with every switch finite and not zero, but for exceptions that are exact."""

from itertools import islice

import pytest
import torch

from bardling.errors import ConfigError
from bardling.evaluation.checks.gradients import exempt, gradients
from bardling.evaluation.checks.steps import copied_learner, first_steps
from bardling.machine.machine import plain_machine
from bardling.training.config import TrainingConfig
from bardling.training.objective import next_token_loss
from bardling.training.optimizer_config import AdamW
from checked import FAMILIES, batch_of, config_of, model_of, windows_of

SWITCHES = {
    "attention": ("none", "uniform", "unmasked"),
    "position": ("none", "learned", "sinusoidal", "sinusoidal_scaled", "rotary"),
    "norm": ("none", "layernorm", "rmsnorm"),
    "norm_place": ("after",),
    "final_norm": (False,),
    "residual": (False,),
    "attention_output": (False,),
    "attention_scale": (False,),
    "qk_norm": (True, False),
    "feedforward": ("none", "relu", "gelu", "gelu_tanh", "gelu_sigmoid", "swiglu"),
    "qkv_bias": (True, False),
    "bias": (True, False),
    "tie_embeddings": (False,),
    "dropout": (0.3,),
    "init": ("plain", "gpt2", "modern", "copying"),
    "n_kv_head": (1,),
    "head_dim": (6, 4),
    "n_layer": (0, 1),
    "block_size": (1, 2),
}
ONE_SWITCH = [{name: value} for name, values in SWITCHES.items() for value in values]
TWO_SWITCHES = [
    {"tie_embeddings": False, "output_bias": True},
    {"qk_norm": False, "qkv_bias": True},
    {"qk_norm": False, "qkv_bias": True, "position": "none"},
    {"qk_norm": True, "qkv_bias": True, "position": "none"},
    {"qkv_bias": True, "block_size": 1},
    {"residual": False, "feedforward": "swiglu"},
    {"residual": False, "norm": "none", "final_norm": False, "init": "plain"},
]


def after_three_steps(model):
    learner = copied_learner(model, AdamW(), plain_machine())
    windows = windows_of(model.config.block_size)
    training = TrainingConfig(budget="20steps", batch_size=8)
    list(islice(first_steps(learner, windows.batch, training, warmup_steps=5), 3))
    return learner.model


@pytest.mark.parametrize("switches", [{}, *ONE_SWITCH, *TWO_SWITCHES], ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_with_every_switch(family, switches):
    model = after_three_steps(model_of(family, **switches))
    found = gradients(model, batch_of(model.config.block_size))
    assert found.outcome == "passed", found.detail
    assert f"zero in none of {len(list(model.parameters()))} tensors" in found.detail
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("switches", [{}, *ONE_SWITCH, *TWO_SWITCHES], ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_exceptions_are_exact_in_double_precision(family, switches):
    """What is exempt is zero but for rounding, at random weights; what is not, is not."""
    config = config_of(family, **switches)
    model = model_of(family, **switches).double()
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter + 0.3 * torch.randn(parameter.shape, generator=random))
    batch = batch_of(config.block_size)
    torch.autograd.backward(next_token_loss(model, batch) / batch.n_targets)
    sizes = {name: p.grad.abs().max().item() for name, p in model.named_parameters()}
    spared = exempt(config, list(sizes))
    assert all(sizes[name] < 1e-13 * max(sizes.values()) for name in spared)
    assert all(size > 1e-9 for name, size in sizes.items() if name not in spared), sizes


def test_exceptions_come_with_their_reason():
    found = gradients(after_three_steps(model_of("classic")), batch_of())
    assert "but 2: softmax does not see what is added to all keys alike" in found.detail
    model = model_of("classic", block_size=1)
    names = [name for name, _ in model.named_parameters()]
    reasons = exempt(model.config, names)
    assert len(reasons) == 8 and len(set(reasons.values())) == 2
    narrow = config_of("modern", n_head=16, position="none", qkv_bias=True)
    assert set(exempt(narrow, names).values()) == {"a norm over one channel leaves only its sign"}
    with pytest.raises(ConfigError):
        config_of("modern", n_head=16)  # rotation needs pairs of channels


@pytest.mark.parametrize("switches", [{"vocab_size": 1}, {"n_embd": 1, "n_head": 1, "head_dim": 2}])
def test_where_nothing_can_be_learned_gradients_are_not_looked_at(switches):
    found = gradients(model_of(**switches), batch_of())
    assert found.outcome == "skipped"


def test_fresh_sublayers_hand_nothing_on_yet():
    found = gradients(model_of(), batch_of())
    assert found.outcome == "failed" and "is zero everywhere" in found.detail


@pytest.mark.parametrize("family", FAMILIES)
def test_a_parameter_that_is_detached(family):
    model = after_three_steps(model_of(family))
    layer = model.blocks[1].sublayers["feedforward"].transform.layer.down
    layer.register_forward_pre_hook(lambda _, args: (args[0].detach(),))
    found = gradients(model, batch_of())
    assert found.outcome == "failed"
    assert found.detail.startswith("the loss does not depend on blocks.1.sublayers.feedforward.")


def test_a_layer_at_rest_and_a_gradient_that_is_not_finite():
    model = after_three_steps(model_of("classic", feedforward="relu"))
    up = model.blocks[0].sublayers["feedforward"].transform.layer.up
    with torch.no_grad():
        up.bias.fill_(-100.0)
    found = gradients(model, batch_of())
    assert found.outcome == "failed"
    assert "blocks.0.sublayers.feedforward.norm_before.weight is zero everywhere" in found.detail
    with torch.no_grad():
        up.bias.fill_(torch.nan)
    assert gradients(model, batch_of()).detail.endswith("is not finite")


@pytest.mark.parametrize(
    ("part", "row"), [("embedding.weight", "of embedding.weight"), ("places.weight", "row 3 of")]
)
def test_a_row_that_is_used_and_learns_nothing(part, row):
    model, batch = after_three_steps(model_of("classic", tie_embeddings=False)), batch_of()
    weight = dict(model.named_parameters())[part]
    still = 3 if part == "places.weight" else int(batch.inputs[0, 0])

    def silence(gradient):
        gradient = gradient.clone()
        gradient[still] = 0.0
        return gradient

    weight.register_hook(silence)
    found = gradients(model, batch)
    assert found.outcome == "failed" and row in found.detail
    assert found.detail.endswith("is used by the batch, and its gradient is zero")


def test_tokens_and_places_that_do_not_occur_are_counted_and_fine():
    model = after_three_steps(
        model_of("classic", tie_embeddings=False, qkv_bias=False, block_size=32)
    )
    batch = batch_of(block_size=16)  # half of the places
    found = gradients(model, batch)
    absent = model.config.vocab_size - len(batch.inputs.unique())
    assert found.outcome == "passed"
    assert f"; {16 * (absent + 16):,} of " in found.detail
