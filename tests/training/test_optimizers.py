"""AdamW against its formula; its groups; its state by name, in and out."""

import pytest
import torch

from bardling.errors import CheckpointError
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from bardling.training.config import AdamW
from bardling.training.optimizers import (
    build_optimizer,
    decay_groups,
    restore_state,
    state_tensors,
)

TINY = ModelConfig(
    vocab_size=5, block_size=4, n_layer=1, n_head=2, n_embd=8, norm="layernorm", bias=True,
    position="learned",
)  # fmt: skip


def take_steps(model, optimizer, count, *, first=0):
    """Move with gradients that depend on the number of the step alone."""
    for step in range(first, first + count):
        random = torch.Generator().manual_seed(step)
        for parameter in model.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=random).to(parameter.dtype)
        optimizer.step()


def test_matrices_decay_and_vectors_do_not():
    model = GPT(TINY)
    matrices, vectors = decay_groups(model)
    assert sorted(matrices + vectors) == sorted(name for name, _ in model.named_parameters())
    assert not set(matrices) & set(vectors)
    assert all("bias" in name or "norm" in name for name in vectors)
    assert not any("bias" in name or "norm" in name for name in matrices)
    assert {"embedding.weight", "places.weight"} <= set(matrices)
    optimizer = build_optimizer(model, AdamW(weight_decay=0.3))
    named = dict(model.named_parameters())
    decay = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    assert decay == {id(named[n]): 0.3 for n in matrices} | {id(named[n]): 0.0 for n in vectors}


def test_a_group_without_members_is_left_out():
    config = ModelConfig(vocab_size=5, n_layer=0, n_embd=8, n_head=1, norm="none", position="none")
    assert len(build_optimizer(GPT(config), AdamW()).param_groups) == 1


def test_adamw_is_its_formula():
    config = AdamW(lr=0.01, beta1=0.8, beta2=0.95, eps=1e-3, weight_decay=0.5)
    model = GPT(TINY).double()
    matrices, _ = decay_groups(model)
    expected = {name: p.detach().clone() for name, p in model.named_parameters()}
    first = {name: torch.zeros_like(p) for name, p in expected.items()}
    second = {name: torch.zeros_like(p) for name, p in expected.items()}
    optimizer = build_optimizer(model, config)
    for t in range(1, 4):
        take_steps(model, optimizer, 1, first=t)
        for name, parameter in model.named_parameters():
            gradient, decay = parameter.grad, 0.5 if name in matrices else 0.0
            first[name] = 0.8 * first[name] + 0.2 * gradient
            second[name] = 0.95 * second[name] + 0.05 * gradient**2
            root = (second[name] / (1 - 0.95**t)).sqrt() + 1e-3
            expected[name] *= 1 - 0.01 * decay
            expected[name] -= 0.01 * first[name] / (1 - 0.8**t) / root
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.detach(), expected[name], rtol=1e-12, atol=1e-14)


def test_a_new_optimizer_has_no_state():
    model = GPT(TINY)
    assert state_tensors(model, build_optimizer(model, AdamW())) == {}


def test_restored_state_continues_bitwise():
    straight, resumed = GPT(TINY), GPT(TINY)
    optimizer = build_optimizer(straight, AdamW())
    take_steps(straight, optimizer, 3)
    saved = {name: tensor.clone() for name, tensor in state_tensors(straight, optimizer).items()}
    resumed.load_state_dict(straight.state_dict())
    take_steps(straight, optimizer, 3, first=3)

    other = build_optimizer(resumed, AdamW())
    restore_state(resumed, other, saved)
    assert state_tensors(resumed, other).keys() == saved.keys()
    names = {name for name, _ in straight.named_parameters()}
    assert saved.keys() == {f"{n}/{k}" for n in names for k in ("step", "exp_avg", "exp_avg_sq")}
    take_steps(resumed, other, 3, first=3)
    for (name, a), b in zip(straight.named_parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b), name


def test_restored_state_is_a_copy():
    model = GPT(TINY)
    optimizer = build_optimizer(model, AdamW())
    take_steps(model, optimizer, 1)
    saved = {name: tensor.clone() for name, tensor in state_tensors(model, optimizer).items()}
    kept = {name: tensor.clone() for name, tensor in saved.items()}
    restore_state(model, optimizer, saved)
    take_steps(model, optimizer, 1)
    assert all(torch.equal(saved[name], kept[name]) for name in saved)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("nowhere.weight/exp_avg", (5, 8), "names 'nowhere.weight', which this model does not"),
        ("exp_avg", (5, 8), "names '', which this model does not have"),
        ("embedding.weight/exp_avg", (6, 8), r"has shape \[6, 8\], but this model needs \[5, 8\]"),
        ("embedding.weight/exp_avg", (), r"has shape \[\], but this model needs \[5, 8\]"),
        ("embedding.weight/step", (5, 8), r"has shape \[5, 8\], but this model needs \[\]"),
    ],
)
def test_the_state_of_another_model_is_refused(name, shape, message):
    model = GPT(TINY)
    with pytest.raises(CheckpointError, match=message):
        restore_state(model, build_optimizer(model, AdamW()), {name: torch.zeros(shape)})
