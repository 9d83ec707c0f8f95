"""The first weights: where they come from, how large they are, and what the first loss is."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from covers import pairwise

RULES = ("plain", "gpt2", "modern", "copying")
WIDE = ModelConfig(
    vocab_size=65,
    n_layer=2,
    n_head=4,
    head_dim=24,
    n_embd=128,
    position="learned",
    norm="layernorm",
    feedforward="gelu",
    qkv_bias=True,
    bias=True,
    output_bias=True,
    tie_embeddings=False,
)


def _with(**switches) -> ModelConfig:
    fields = {name: getattr(WIDE, name) for name in WIDE.__dataclass_fields__}
    return ModelConfig(**fields | switches)


def _weights(config: ModelConfig, seed: int = 0) -> dict[str, torch.Tensor]:
    return dict(GPT(config, seed=seed).named_parameters())


@pytest.mark.parametrize("init", RULES)
def test_weights_are_a_function_of_config_and_seed(init) -> None:
    torch.manual_seed(1)
    first = _weights(_with(init=init), seed=5)
    torch.manual_seed(2)
    again, other = _weights(_with(init=init), seed=5), _weights(_with(init=init), seed=6)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["embedding.weight"], other["embedding.weight"])


def test_torchs_own_random_state_stays() -> None:
    before = torch.get_rng_state()
    GPT(WIDE)
    assert torch.equal(torch.get_rng_state(), before)


def test_no_two_parameters_begin_alike() -> None:
    weights = _weights(_with(init="plain"))
    same_shape = [p.flatten()[:8] for name, p in weights.items() if "norm" not in name]
    first = torch.stack([F.normalize(p, dim=0) for p in same_shape])
    assert (first @ first.T - torch.eye(len(first))).max() < 0.98


@pytest.mark.parametrize("init", RULES)
@pytest.mark.parametrize(
    ("switch", "touched"),
    [
        ({"feedforward": "swiglu"}, "feedforward.transform"),
        ({"feedforward": "none"}, "feedforward"),
        ({"attention": "none"}, "attention"),
        ({"position": "rotary"}, "places"),
        ({"norm": "rmsnorm", "qk_norm": False}, "norm"),
        ({"n_kv_head": 2}, "attention.transform"),
        ({"tie_embeddings": True, "output_bias": False}, "output"),
        ({"dropout": 0.5, "norm_eps": 0.1, "block_size": 64}, "places"),
    ],
)
def test_switching_one_part_leaves_the_beginning_of_the_others(init, switch, touched) -> None:
    one, other = _weights(_with(init=init)), _weights(_with(init=init, **switch))
    untouched = [name for name in one if touched not in name]
    assert len(untouched) >= 10
    assert all(torch.equal(one[name], other[name]) for name in untouched)


@pytest.mark.parametrize("init", RULES)
def test_norms_begin_at_one(init) -> None:
    for name, parameter in _weights(_with(init=init)).items():
        if "norm" in name:
            expected = torch.ones_like if name.endswith("weight") else torch.zeros_like
            assert torch.equal(parameter, expected(parameter))


def test_plain_has_torchs_ranges() -> None:
    model = GPT(_with(init="plain"))
    for module in model.modules():
        if isinstance(module, nn.Linear):
            torchs = nn.Linear(module.in_features, module.out_features)
            for ours, theirs in ((module.weight, torchs.weight), (module.bias, torchs.bias)):
                bound = module.in_features**-0.5
                assert 0.9 * bound < ours.abs().max() <= bound
                assert theirs.abs().max() <= bound * 1.0001
                assert ours.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.2)
    for table in (model.embedding.weight, model.places.weight):
        assert table.std().item() == pytest.approx(1.0, rel=0.03)


@pytest.mark.parametrize("n_layer", [2, 8])
def test_gpt2_makes_what_writes_into_the_stream_smaller(n_layer) -> None:
    for name, parameter in _weights(_with(init="gpt2", n_layer=n_layer)).items():
        if "norm" in name:
            continue
        if parameter.dim() == 1:
            assert not parameter.any()
            continue
        last = name.endswith(("attention.transform.output.weight", "layer.down.weight"))
        std = 0.02 / math.sqrt(2 * n_layer) if last else 0.02
        assert parameter.std().item() == pytest.approx(std, rel=0.03)


@pytest.mark.parametrize(
    "heads",
    [{"n_head": 4, "head_dim": 32}, {"n_head": 4, "n_kv_head": 2, "head_dim": 64}, {"n_head": 6}],
)
def test_copying_begins_with_heads_that_write_what_they_read(heads) -> None:
    """Whatever a token attends to, the layer adds to it as it was."""
    config = _with(init="copying", qkv_bias=False, bias=False, **heads)
    attention = GPT(config, seed=3).blocks[1].sublayers["attention"].transform
    x = torch.randn(1, 1, 128, generator=torch.Generator().manual_seed(0)).double()
    value, output = attention.value.weight.double(), attention.output.weight.double()
    taken = (x @ value.T).unflatten(2, (config.kv_heads, -1))
    per_head = taken.repeat_interleave(config.n_head // config.kv_heads, dim=2).flatten(2)
    torch.testing.assert_close(per_head @ output.T, x, atol=1e-5, rtol=0)


def test_modern_begins_with_silent_sublayers() -> None:
    for name, parameter in _weights(_with(init="modern")).items():
        if "norm" in name:
            continue
        silent = name.endswith(("transform.output.weight", "layer.down.weight", "bias"))
        if silent or name == "output.weight":
            assert not parameter.any()
        else:
            std = 0.02 if name in ("embedding.weight", "places.weight") else 128**-0.5
            assert parameter.std().item() == pytest.approx(std, rel=0.03)


@pytest.mark.parametrize("position", ["learned", "rotary", "sinusoidal", "sinusoidal_scaled"])
def test_the_first_loss_of_modern_untied_is_that_of_guessing(position) -> None:
    model, ids = GPT(_with(init="modern", position=position)), torch.randint(65, (4, 33))
    loss = F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
    assert loss.item() == pytest.approx(math.log(65), abs=1e-5)


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("init", RULES)
def test_no_model_begins_dead(init, tied, residual) -> None:
    config = _with(init=init, tie_embeddings=tied, output_bias=False, residual=residual, bias=False)
    model, ids = GPT(config), torch.randint(65, (4, 33))
    for _ in range(3):  # what begins at zero learns in the second or third step
        model.zero_grad()
        F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten()).backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.1 * parameter.grad
    still = [name for name, p in model.named_parameters() if not p.grad.any()]
    assert still == []


def test_a_window_has_no_values_to_copy() -> None:
    copying, modern = (
        ModelConfig(vocab_size=7, n_head=1, n_embd=12, block_size=4, attention="window", init=init)
        for init in ("copying", "modern")
    )
    for one, other in zip(GPT(copying).parameters(), GPT(modern).parameters(), strict=True):
        assert torch.equal(one, other)


def test_every_first_weight_is_finite_whatever_the_switches() -> None:
    switches = {
        "init": RULES,
        "n_layer": (0, 1, 3),
        "position": ("none", "learned", "sinusoidal", "sinusoidal_scaled", "rotary"),
        "norm": ("none", "layernorm", "rmsnorm"),
        "attention": ("none", "uniform", "window", "causal", "unmasked"),
        "attention_output": (True, False),
        "feedforward": ("none", "relu", "gelu", "gelu_tanh", "gelu_sigmoid", "swiglu"),
        "residual": (True, False),
        "bias": (True, False),
        "qkv_bias": (True, False),
        "tie_embeddings": (True, False),
    }
    for choice in pairwise(switches):
        config = ModelConfig(vocab_size=7, n_embd=12, n_head=3, block_size=4, **choice)
        model = GPT(config)
        assert all(p.isfinite().all() for p in model.parameters()), choice
        assert model(torch.randint(7, (2, 4))).isfinite().all(), choice
