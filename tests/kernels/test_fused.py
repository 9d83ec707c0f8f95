"""The kernels' way through a model against the plain one: losses, gradients, masks, and faults."""

import math

import pytest
import torch

from bardling.data.batches import IGNORE, Batch
from bardling.kernels import loss as loss_module
from bardling.kernels.fused import FusedGPT, fusable
from bardling.kernels.library import load_library
from bardling.machine.randomness import row_keys
from bardling.model.config import ModelConfig
from bardling.model.dropout import Noise
from bardling.model.families import classic, modern
from bardling.model.gpt import GPT
from bardling.training.objective import next_token_loss

SIZES = {"vocab_size": 37, "block_size": 24, "n_layer": 2, "n_head": 4, "n_embd": 40}
ROWS = 3
GENERATOR = torch.Generator()


@pytest.fixture(autouse=True)
def from_the_beginning():
    """Draw the same numbers whichever tests ran before."""
    GENERATOR.manual_seed(0)


MODELS = {
    "modern": modern(**SIZES),
    "classic": classic(**SIZES),
    "shared heads": modern(**SIZES, n_kv_head=2, head_dim=6),
    "one head for all": modern(**SIZES, n_kv_head=1),
    "relu, untied": classic(**SIZES, feedforward="relu", tie_embeddings=False, output_bias=True),
    "gelu, sinusoidal": classic(**SIZES, feedforward="gelu", position="sinusoidal", bias=False),
    "scaled sinusoidal": classic(**SIZES, position="sinusoidal_scaled"),
    "gelu by sigmoid": classic(**SIZES, feedforward="gelu_sigmoid", qkv_bias=False),
    "unscaled": modern(**SIZES, attention_scale=False, qk_norm=False, position="none"),
    "attention alone first": modern(**SIZES | {"n_layer": 1}),
    "wide": modern(**SIZES | {"n_embd": 528, "n_head": 2}),
}


def model_of(config: ModelConfig) -> GPT:
    """Return a model with weights everywhere, norms and biases too."""
    model = GPT(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=GENERATOR))
    return model


def batch_of(config: ModelConfig, time: int | None = None) -> Batch:
    shape = ROWS, (time or config.block_size) + 1
    ids = torch.randint(0, config.vocab_size, shape, generator=GENERATOR)
    targets = ids[:, 1:].clone()
    targets[1, 3:9] = IGNORE
    keys = torch.from_numpy(row_keys(5, 7, torch.arange(ROWS).numpy()))
    return Batch(inputs=ids[:, :-1].contiguous(), targets=targets, row_keys=keys)


def loss_and_gradients(reader, model, batch, noise):
    model.zero_grad()
    loss = next_token_loss(reader, batch, noise) / batch.n_targets
    torch.autograd.backward(loss)
    return loss.item(), {name: p.grad for name, p in model.named_parameters()}


def distance(gradient: torch.Tensor, expected: torch.Tensor, largest: float) -> float:
    """Return how far apart they are; what is zero but for rounding counts by the largest."""
    return ((gradient - expected).norm() / max(expected.norm().item(), 1e-3 * largest)).item()


@pytest.mark.parametrize("dropout", [0.0, 0.2])
@pytest.mark.parametrize("name", MODELS)
def test_losses_and_gradients_are_those_of_the_plain_way(name, dropout):
    config = ModelConfig(**{**vars(MODELS[name]), "dropout": dropout})
    assert fusable(config)
    model, batch = model_of(config), batch_of(config)
    noise = Noise(batch.row_keys)
    loss, gradients = loss_and_gradients(model, model, batch, noise)
    fused = FusedGPT(model, load_library("training"), torch.float32)
    found, others = loss_and_gradients(fused, model, batch, noise)
    assert math.isclose(found, loss, rel_tol=2e-6)
    largest = max(gradient.norm().item() for gradient in gradients.values())
    for key, expected in gradients.items():
        assert distance(others[key], expected, largest) < 2e-5, key


@pytest.mark.parametrize("name", ["modern", "classic"])
def test_short_products_stay_near(name):
    model, batch = model_of(MODELS[name]), batch_of(MODELS[name])
    fused = FusedGPT(model, load_library("training"), torch.bfloat16)
    loss, gradients = loss_and_gradients(model, model, batch, Noise(batch.row_keys))
    found, others = loss_and_gradients(fused, model, batch, Noise(batch.row_keys))
    assert math.isclose(found, loss, rel_tol=0.01)
    largest = max(gradient.norm().item() for gradient in gradients.values())
    worst = max(distance(others[key], gradients[key], largest) for key in gradients)
    assert 0 < worst < 0.1
    assert {gradient.dtype for gradient in others.values()} == {torch.float32}


def test_shorter_contexts_and_no_gradient():
    model, batch = model_of(MODELS["modern"]), batch_of(MODELS["modern"], time=5)
    fused = FusedGPT(model, load_library("training"), torch.float32)
    with torch.no_grad():
        found, expected = next_token_loss(fused, batch), next_token_loss(model, batch)
    assert math.isclose(found.item(), expected.item(), rel_tol=2e-6)
    assert not found.requires_grad


@pytest.mark.parametrize("name", ["classic", "relu, untied"])
def test_a_loss_in_parts_is_the_loss(name, monkeypatch):
    model, batch = model_of(MODELS[name]), batch_of(MODELS[name])
    fused = FusedGPT(model, load_library("training"), torch.float32)
    whole, gradients = loss_and_gradients(fused, model, batch, Noise(batch.row_keys))
    monkeypatch.setattr(loss_module, "CHUNK_BYTES", 1)
    assert ROWS * SIZES["block_size"] % loss_module.chunk_rows(37, torch.float32) != 0
    found, others = loss_and_gradients(fused, model, batch, Noise(batch.row_keys))
    assert math.isclose(found, whole, rel_tol=1e-6)
    largest = max(gradient.norm().item() for gradient in gradients.values())
    assert all(distance(others[k], gradients[k], largest) < 1e-5 for k in gradients)


def test_the_same_bits_every_time_and_new_weights_are_seen():
    model, batch = model_of(MODELS["modern"]), batch_of(MODELS["modern"])
    fused = FusedGPT(model, load_library("training"), torch.bfloat16)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, fused=True)
    first = loss_and_gradients(fused, model, batch, Noise(batch.row_keys))
    again = loss_and_gradients(fused, model, batch, Noise(batch.row_keys))
    assert first[0] == again[0]
    assert all(torch.equal(first[1][key], again[1][key]) for key in first[1])
    optimizer.step()  # which does not count in a tensor's version
    fresh = FusedGPT(model, load_library("training"), torch.bfloat16)
    moved = next_token_loss(fused, batch).item()
    assert moved == next_token_loss(fresh, batch).item() != again[0] * batch.n_targets


@pytest.mark.parametrize("value", [math.inf, math.nan, 1e30])
def test_what_overflows_is_no_number(value):
    model, batch = model_of(MODELS["modern"]), batch_of(MODELS["modern"])
    with torch.no_grad():
        model.embedding.weight[:, 3] = value
    fused = FusedGPT(model, load_library("training"), torch.float32)
    assert not math.isfinite(next_token_loss(fused, batch).item())


@pytest.mark.parametrize("name", ["modern", "relu, untied", "classic"])
def test_what_is_no_number_stays_none_through_a_bend(name):
    model, batch = model_of(MODELS[name]), batch_of(MODELS[name])
    with torch.no_grad():
        model.blocks[0].sublayers["feedforward"].transform.layer.up.weight[:] = math.nan
    fused = FusedGPT(model, load_library("training"), torch.float32)
    assert math.isnan(next_token_loss(fused, batch).item())


def test_a_target_that_does_not_exist_is_refused():
    model, batch = model_of(MODELS["modern"]), batch_of(MODELS["modern"])
    batch.targets[2, 4] = 37
    with pytest.raises(IndexError, match="target 37 is none of 37 tokens"):
        next_token_loss(FusedGPT(model, load_library("training"), torch.float32), batch)


@pytest.mark.parametrize(
    "switches",
    [
        {"attention": "unmasked"},
        {"attention": "uniform"},
        {"attention": "none"},
        {"feedforward": "none"},
        {"norm": "none"},
        {"norm_place": "after"},
        {"residual": False},
        {"final_norm": False},
        {"attention_output": False},
        {"n_layer": 0},
        {"head_dim": 2048},
    ],
)
def test_other_blocks_go_the_plain_way(switches):
    assert not fusable(modern(**SIZES | switches))
