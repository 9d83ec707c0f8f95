"""A student's loss is the formula written out, whoever reads the models."""

from dataclasses import replace

import pytest
import torch

from bardling.data.batches import IGNORE, Batch
from bardling.kernels import loss as loss_module
from bardling.kernels.fused import FusedGPT
from bardling.kernels.library import load_library
from bardling.machine.machine import plain_machine
from bardling.model.config import ModelConfig
from bardling.model.families import classic, modern
from bardling.model.gpt import GPT
from bardling.training.distillation import softened_loss, taught_by
from bardling.training.learner import build_learner
from bardling.training.objective import pretraining_loss
from bardling.training.optimizer_config import SGD
from bardling.training.task import Distillation

VOCAB, TIME, ROWS = 11, 6, 3
SIZES = {"vocab_size": VOCAB, "block_size": TIME, "n_layer": 1, "n_head": 2, "n_embd": 8}
STUDENT = modern(**SIZES, dropout=0.2)
TEACHER = modern(**SIZES | {"n_layer": 2, "n_embd": 16})


def model_of(config: ModelConfig, seed: int = 0) -> GPT:
    model, random = GPT(config), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=random))
    return model


def batch_of(*, ignored: int = 0) -> Batch:
    random = torch.Generator().manual_seed(4)
    ids = torch.randint(VOCAB, (ROWS, TIME + 1), generator=random)
    targets = ids[:, 1:].clone()
    targets.view(-1)[torch.randperm(ROWS * TIME, generator=random)[:ignored]] = IGNORE
    keys = torch.arange(ROWS, dtype=torch.int32)
    return Batch(inputs=ids[:, :-1].contiguous(), targets=targets, row_keys=keys)


def written_out(logits, taught, targets, temperature, hard_weight):
    """Return the sum over rows by the definitions of softmax, entropy and divergence."""
    total = torch.zeros((), dtype=torch.float64)
    for s, t, target in zip(logits.double(), taught.double(), targets.tolist(), strict=True):
        if target == IGNORE:
            continue
        hard = -torch.log(s.exp()[target] / s.exp().sum())
        p, q = (torch.exp(x / temperature) for x in (t, s))
        p, q = p / p.sum(), q / q.sum()
        soft = (p * torch.log(p / q)).sum()
        total = total + hard_weight * hard + (1 - hard_weight) * temperature**2 * soft
    return total


def rows_of(*, seed: int, scale: float = 2.0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return scale * torch.randn(9, VOCAB, generator=random, dtype=torch.float64)


TARGETS = torch.tensor([3, 1, IGNORE, 4, 1, 5, 9, IGNORE, 6])
WEIGHTS = [(4.0, 0.5), (1.0, 0.3), (0.5, 0.0), (2.0, 1.0)]


@pytest.mark.parametrize(("temperature", "hard_weight"), WEIGHTS)
def test_the_loss_is_the_formula_written_out(temperature, hard_weight):
    logits, taught = rows_of(seed=1).requires_grad_(), rows_of(seed=2)
    task = Distillation(temperature=temperature, hard_weight=hard_weight)
    found = softened_loss(logits, taught, TARGETS, task)
    expected = written_out(logits, taught, TARGETS, temperature, hard_weight)
    assert torch.allclose(found, expected, rtol=1e-12)
    gradients = [torch.autograd.grad(loss, logits)[0] for loss in (found, expected)]
    assert torch.allclose(*gradients, rtol=1e-10, atol=1e-12)
    assert not gradients[0][TARGETS == IGNORE].any()


def test_differences_have_the_same_gradient():
    task, taught = Distillation(temperature=3.0, hard_weight=0.4), rows_of(seed=2)
    assert torch.autograd.gradcheck(
        lambda logits: softened_loss(logits, taught, TARGETS, task),
        rows_of(seed=1).requires_grad_(),
    )


def test_the_gradient_keeps_its_size_when_the_temperature_rises():
    """Of small logits it is (student - teacher) / vocabulary, each about its mean (equation 4)."""
    logits, taught = (rows_of(seed=seed, scale=0.01) for seed in (1, 2))
    apart = (logits - logits.mean(-1, keepdim=True)) - (taught - taught.mean(-1, keepdim=True))
    logits.requires_grad_()
    for temperature in (1.0, 4.0, 20.0):
        task = Distillation(temperature=temperature, hard_weight=0.0)
        loss = softened_loss(logits, taught, TARGETS.clamp(min=0), task)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert (gradient - apart / VOCAB).norm() < 0.03 * gradient.norm()


def loss_and_gradients(objective, reader, model, batch):
    model.zero_grad()
    loss = objective(reader, batch)
    torch.autograd.backward(loss)
    return loss.detach(), {name: p.grad for name, p in model.named_parameters()}


def both_ways(student, teacher, task, batch):
    """Return losses and gradients by the plain way in float64, and by the kernels."""
    model, exact = model_of(student), model_of(student).double()
    exact_machine = replace(plain_machine(), precision="fp64")
    plain = taught_by(model_of(teacher, 1), task, exact_machine)
    native = taught_by(model_of(teacher, 1), task, replace(plain_machine(), kernels="native"))
    reader = FusedGPT(model, load_library("training"), torch.float32)
    return (
        loss_and_gradients(plain, exact, exact, batch),
        loss_and_gradients(native, reader, model, batch),
    )


@pytest.mark.parametrize("parts", [False, True])
@pytest.mark.parametrize("ignored", [0, 7])
@pytest.mark.parametrize(("temperature", "hard_weight"), WEIGHTS)
def test_the_kernels_are_the_plain_way(temperature, hard_weight, ignored, parts, monkeypatch):
    if parts:
        monkeypatch.setattr(loss_module, "CHUNK_BYTES", 1)
    task = Distillation(temperature=temperature, hard_weight=hard_weight)
    (loss, gradients), (found, others) = both_ways(
        STUDENT, TEACHER, task, batch_of(ignored=ignored)
    )
    assert torch.allclose(found.double(), loss, rtol=2e-6)
    for name, expected in gradients.items():
        assert (others[name] - expected).norm() <= 2e-5 * max(expected.norm(), 1e-2), name


@pytest.mark.parametrize("teacher", [classic(**SIZES), modern(**SIZES, norm_place="after")])
def test_teacher_and_student_may_be_of_other_kinds(teacher):
    """The second is one that the kernels cannot read."""
    (loss, _), (found, _) = both_ways(STUDENT, teacher, Distillation(), batch_of())
    assert torch.allclose(found.double(), loss, rtol=2e-6)


@pytest.mark.parametrize("kernels", ["plain", "native"])
def test_all_of_it_hard_is_pretraining(kernels):
    machine = replace(plain_machine(), kernels=kernels)
    objectives = [
        pretraining_loss,
        taught_by(model_of(TEACHER), Distillation(hard_weight=1.0), machine),
    ]
    losses, weights = [], []
    for objective in objectives:
        learner = build_learner(model_of(STUDENT), SGD(lr=0.1), machine, objective)
        batch = batch_of(ignored=3)
        losses.append(learner.backward(batch, batch.n_targets))
        weights.append([p.grad for p in learner.parameters])
    assert torch.allclose(*losses, rtol=1e-6)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*weights, strict=True))


@pytest.mark.parametrize("kernels", ["plain", "native"])
def test_a_student_that_is_its_teacher_has_nothing_to_learn(kernels):
    machine = replace(plain_machine(), kernels=kernels)
    same = replace(STUDENT, dropout=0.0)
    objective = taught_by(model_of(same), Distillation(hard_weight=0.0), machine)
    learner = build_learner(model_of(same), SGD(lr=0.1), machine, objective)
    loss = learner.backward(batch_of(), 1)
    assert abs(loss.item()) < 1e-5
    assert max(float(p.grad.abs().max()) for p in learner.parameters) < 1e-5


def test_the_teacher_is_not_moved_and_drops_nothing():
    teacher = model_of(replace(TEACHER, dropout=0.5))
    before = [p.clone() for p in teacher.parameters()]
    objective = taught_by(teacher, Distillation(hard_weight=0.0), plain_machine())
    model, batch = model_of(replace(STUDENT, dropout=0.0)), batch_of()
    first, _ = loss_and_gradients(objective, model, model, batch)
    other = replace(batch, row_keys=batch.row_keys + 1)
    assert torch.equal(first, loss_and_gradients(objective, model, model, other)[0])
    assert all(p.grad is None for p in teacher.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, teacher.parameters(), strict=True))


@pytest.mark.parametrize("kernels", ["plain", "native"])
def test_short_products_stay_near(kernels):
    exact, short = (
        replace(plain_machine(), precision=precision, kernels=kernels)
        for precision in ("fp32", "bf16")
    )
    losses = []
    for machine in (exact, short):
        objective = taught_by(model_of(TEACHER), Distillation(), machine)
        learner = build_learner(model_of(STUDENT), SGD(lr=0.1), machine, objective)
        losses.append(learner.backward(batch_of(), ROWS * TIME))
    assert torch.allclose(*losses, rtol=0.02) and not torch.equal(*losses)


def test_a_target_that_does_not_exist_is_refused():
    batch = batch_of()
    batch.targets[0, 0] = VOCAB
    machine = replace(plain_machine(), kernels="native")
    objective = taught_by(model_of(TEACHER), Distillation(), machine)
    learner = build_learner(model_of(STUDENT), SGD(lr=0.1), machine, objective)
    with pytest.raises(IndexError, match="target 11 is none of 11 tokens"):
        learner.backward(batch, 1)
