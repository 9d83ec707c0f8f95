"""Sizes by arithmetic against sizes of built models, and against numbers known elsewhere."""

from itertools import combinations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bardling.errors import ConfigError
from bardling.machine.randomness import row_keys
from bardling.model.config import ModelConfig
from bardling.model.dropout import SILENCE, Noise
from bardling.model.gpt import GPT
from bardling.model.size import count_parameters, hidden_shapes, training_memory
from bardling.training.optimizer_config import SGD, Adam, AdamW, Muon, kept_states
from bardling.training.optimizers import build_optimizer, hidden_matrices, state_tensors
from covers import pairwise

SWITCHES = {
    "n_layer": (0, 1, 2),
    "n_head": (1, 4),
    "n_kv_head": (None, 1, 2),
    "head_dim": (None, 6),
    "position": ("none", "learned", "sinusoidal", "sinusoidal_scaled", "rotary"),
    "norm": ("none", "layernorm", "rmsnorm"),
    "norm_place": ("before", "after"),
    "final_norm": (True, False),
    "residual": (True, False),
    "attention": ("none", "uniform", "window", "causal", "unmasked"),
    "attention_output": (True, False),
    "qk_norm": (True, False),
    "feedforward": ("none", "relu", "gelu", "gelu_tanh", "gelu_sigmoid", "swiglu"),
    "d_ff": (None, 20),
    "qkv_bias": (True, False),
    "bias": (True, False),
    "output_bias": (True, False),
    "tie_embeddings": (True, False),
    "dropout": (0.0, 0.1),
}


def _config(**choice) -> ModelConfig:
    return ModelConfig(vocab_size=11, n_embd=16, block_size=7, **choice)


def _valid(choice) -> bool:
    try:
        _config(**choice)
    except ConfigError:
        return False
    return True


COVER = pairwise(SWITCHES, _valid)


def test_the_cover_meets_every_pair_that_exists() -> None:
    met = {pair for choice in COVER for pair in combinations(choice.items(), 2)}
    every = sum(len(SWITCHES[a]) * len(SWITCHES[b]) for a, b in combinations(SWITCHES, 2))
    impossible = {
        (("n_head", 1), ("n_kv_head", 2)),
        (("head_dim", 6), ("attention_output", False)),
        (("output_bias", True), ("tie_embeddings", True)),
        (("n_kv_head", 1), ("attention", "window")),
        (("n_kv_head", 2), ("attention", "window")),
        (("head_dim", 6), ("attention", "window")),
    }
    assert len(met) == every - len(impossible)
    assert not met & impossible
    assert all(_valid(choice) for choice in COVER)
    assert len(COVER) < 60
    assert pairwise(SWITCHES, _valid) == COVER


@pytest.mark.parametrize("choice", COVER, ids=range(len(COVER)))
def test_parameters_by_component(choice) -> None:
    model = GPT(_config(**choice))
    measured = dict.fromkeys(("embeddings", "attention", "feedforward", "norms", "output"), 0)
    for name, parameter in model.named_parameters():
        measured[_component(name)] += parameter.numel()
    counted = count_parameters(model.config)
    assert vars(counted) == measured
    assert counted.total == sum(p.numel() for p in model.parameters())


def _component(name: str) -> str:
    if "norm" in name:
        return "norms"
    if name.startswith("blocks"):
        return name.split(".")[3]
    return "output" if name.startswith("output") else "embeddings"


@pytest.mark.parametrize("choice", COVER, ids=range(len(COVER)))
def test_the_matrices_inside_the_blocks(choice) -> None:
    model = GPT(_config(**choice))
    named = dict(model.named_parameters())
    found = [tuple(named[name].shape) for name in hidden_matrices(model)]
    assert sorted(hidden_shapes(model.config) * model.config.n_layer) == sorted(found)


@pytest.mark.parametrize("choice", COVER, ids=range(len(COVER)))
def test_activations_are_what_autograd_keeps(choice) -> None:
    config = _config(**choice)
    estimated = training_memory(config, batch_size=3).activations
    assert estimated == pytest.approx(_kept(config, batch_size=3), rel=0.02)


@pytest.mark.parametrize(
    "switches",
    [
        {"dropout": 0.2},
        {"n_kv_head": 2, "feedforward": "relu", "norm": "none"},
        {"norm": "layernorm", "position": "learned", "qk_norm": False, "bias": True},
        {"attention": "uniform", "n_layer": 5, "vocab_size": 400},
    ],
)
def test_activations_at_an_ordinary_size(switches) -> None:
    sizes = {"vocab_size": 65, "block_size": 64, "n_layer": 3, "n_head": 4, "n_embd": 64}
    config = ModelConfig(**sizes | switches)
    estimated = training_memory(config, batch_size=4).activations
    assert estimated == pytest.approx(_kept(config, batch_size=4), rel=0.02)


def _kept(config: ModelConfig, batch_size: int) -> int:
    """Return the bytes of the storages that autograd keeps for the backward pass."""
    model = GPT(config)
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}  # held, so that no address is used twice

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    ids, targets = torch.randint(config.vocab_size, (2, batch_size, config.block_size)).unbind()
    keys = torch.from_numpy(row_keys(0, 0, np.arange(batch_size)))
    noise = Noise(keys) if config.dropout else SILENCE
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = F.cross_entropy(model(ids, noise=noise).flatten(0, 1), targets.flatten())
    assert loss.requires_grad
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize("optimizer_states", [1, 2])
def test_the_rest_of_the_memory(optimizer_states) -> None:
    config = _config(n_head=4)
    memory = training_memory(config, batch_size=3, optimizer_states=optimizer_states)
    weights = 4 * count_parameters(config).total
    assert (memory.weights, memory.gradients) == (weights, weights)
    assert memory.optimizer == optimizer_states * weights
    assert memory.total == (2 + optimizer_states) * weights + memory.activations
    assert training_memory(config, batch_size=6).activations == 2 * memory.activations


@pytest.mark.parametrize("optimizer", [AdamW(), Adam(), Muon(), SGD(), SGD(momentum=0.9)], ids=repr)
@pytest.mark.parametrize(
    "switches",
    [{"n_head": 4}, {"bias": True, "qkv_bias": True, "position": "learned"}, {"n_layer": 0}],
)
def test_the_optimizer_keeps_what_is_counted(optimizer, switches) -> None:
    config = _config(**{"n_head": 4} | switches)
    memory = training_memory(config, batch_size=1, **kept_states(optimizer))
    model = GPT(config)
    optimizers = build_optimizer(model, optimizer)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizers.step()
    kept = state_tensors(model, optimizers)
    assert memory.optimizer == sum(
        tensor.nbytes for name, tensor in kept.items() if not name.endswith("/step")
    )
    assert (
        memory.total
        == memory.optimizer + training_memory(config, batch_size=1, optimizer_states=0).total
    )


def test_gpt2_small() -> None:
    config = ModelConfig(
        vocab_size=50257,
        block_size=1024,
        n_layer=12,
        n_head=12,
        n_embd=768,
        position="learned",
        norm="layernorm",
        qk_norm=False,
        feedforward="gelu_tanh",
        qkv_bias=True,
        bias=True,
    )
    assert count_parameters(config).total == 124_439_808
    assert count_parameters(config).embeddings == 50257 * 768 + 1024 * 768
    assert count_parameters(config).output == 0


def test_the_course_model() -> None:
    config = ModelConfig(
        vocab_size=65,
        block_size=128,
        n_layer=4,
        n_head=6,
        n_embd=192,
        position="learned",
        norm="layernorm",
        qk_norm=False,
        feedforward="relu",
        bias=True,
        output_bias=True,
        tie_embeddings=False,
    )
    assert count_parameters(config).total == 1_827_137
