"""The loop: a batch in parts is a batch in one piece, and a bad step leaves no trace.

Plain gradient descent is used where weights are compared: Adam would hide a gradient that is
too large by a constant factor.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bardling.data.batches import IGNORE, Batch, Windows
from bardling.errors import TrainingDiverged
from bardling.machine.machine import plain_machine
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from bardling.training.config import TrainingConfig, steps_of_budget
from bardling.training.learner import build_learner
from bardling.training.loop import take_steps
from bardling.training.objective import pretraining_loss
from bardling.training.optimizer_config import SGD, AdamW
from bardling.training.optimizers import build_optimizer, restore_state, state_tensors
from bardling.training.plan import Plan
from bardling.training.schedule import lr_fraction_of_step

VOCAB, BLOCK, ROWS = 11, 8, 7
TOKENS = np.random.default_rng(0).integers(0, VOCAB, 400).astype(np.uint16)
WINDOWS = Windows(tokens=TOKENS, block_size=BLOCK, batch_size=ROWS, seed=3)


def model_of(*, dropout=0.0, seed=1, dtype=torch.float64):
    config = ModelConfig(
        vocab_size=VOCAB, block_size=BLOCK, n_layer=1, n_head=2, n_embd=8, dropout=dropout,
        init="plain",
    )  # fmt: skip
    return GPT(config, seed=seed).to(dtype)


def config_of(total_steps, **settings):
    settings = {"batch_size": ROWS, "schedule": "constant", "warmup_fraction": 0.0} | settings
    return TrainingConfig(budget=f"{total_steps}steps", **settings)


def learner_of(model, optimizers, objective=pretraining_loss):
    learner = build_learner(model, AdamW(), plain_machine(), objective)
    return replace(learner, optimizers=optimizers)


def take(model, optimizers, objective, batches, config, **start):
    """Take the steps that the config's budget names."""
    plan = Plan(total_steps=steps_of_budget(config.budget, batch_tokens=1, train_tokens=1))
    learner = learner_of(model, optimizers, objective)
    steps = take_steps(learner, batches, config, plan, **start)
    return (taken.result for taken in steps)


def descend(model, config, *, batches=WINDOWS.batch, objective=pretraining_loss, lr=0.1):
    """Take all steps by plain gradient descent."""
    return list(take(model, build_optimizer(model, SGD(lr=lr)), objective, batches, config))


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()]).clone()


def with_uneven_rows(step, rows):
    """Ignore targets so that row r keeps only r + 1 of its own: parts weigh differently."""
    batch = WINDOWS.batch(step, rows)
    kept = torch.tensor(list(rows))[:, None] >= torch.arange(BLOCK)
    targets = torch.where(kept, batch.targets, IGNORE)
    return Batch(inputs=batch.inputs, targets=targets, row_keys=batch.row_keys)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("batches", [WINDOWS.batch, with_uneven_rows])
@pytest.mark.parametrize("accumulate", [2, 3, ROWS])
def test_accumulated_parts_are_one_big_batch(accumulate, batches, dropout):
    whole, parts = model_of(dropout=dropout), model_of(dropout=dropout)
    expected = descend(whole, config_of(4), batches=batches)
    results = descend(parts, config_of(4, accumulate=accumulate), batches=batches)
    torch.testing.assert_close(weights(parts), weights(whole), rtol=0, atol=1e-10)
    for result, other in zip(results, expected, strict=True):
        assert result.loss == pytest.approx(other.loss, abs=1e-10)
        assert result.grad_norm == pytest.approx(other.grad_norm, abs=1e-10)
        assert result.tokens == other.tokens


def test_in_single_precision_the_parts_differ_by_rounding_only():
    whole, parts = model_of(dtype=torch.float32), model_of(dtype=torch.float32)
    descend(whole, config_of(4))
    descend(parts, config_of(4, accumulate=3))
    assert (weights(parts) - weights(whole)).abs().max() < 2e-6


def test_the_parts_are_cut_from_the_batch_in_order_and_nearly_alike():
    asked = []

    def batches(step, rows):
        asked.append((step, list(rows)))
        return WINDOWS.batch(step, rows)

    descend(model_of(), config_of(2, accumulate=3), batches=batches)
    assert asked == [(step, rows) for step in (0, 1) for rows in ([0, 1], [2, 3], [4, 5, 6])]


def test_a_step_descends_the_mean_loss_of_all_targets():
    model, reference = model_of(), model_of()
    [result] = descend(model, config_of(1, clip_norm=0.0), batches=with_uneven_rows, lr=0.1)
    batch = with_uneven_rows(0, range(ROWS))
    loss = F.cross_entropy(reference(batch.inputs).flatten(0, 1), batch.targets.flatten())
    loss.backward()
    gradient = torch.cat([p.grad.flatten() for p in reference.parameters()])
    expected = weights(reference) - 0.1 * gradient
    torch.testing.assert_close(weights(model), expected, rtol=0, atol=1e-12)
    assert result.loss == pytest.approx(loss.item(), rel=1e-12)
    assert result.grad_norm == pytest.approx(gradient.norm().item(), rel=1e-12)
    assert result.tokens == sum(range(1, ROWS + 1))
    assert (result.step, result.applied) == (1, True)


@pytest.mark.parametrize("clip_norm", [0.01, 0.0, 1e9])
def test_a_gradient_is_shortened_to_the_clip_norm(clip_norm):
    model = model_of()
    before = weights(model)
    [result] = descend(model, config_of(1, clip_norm=clip_norm), lr=1.0)
    assert result.grad_norm > 0.1
    expected = 0.01 if clip_norm == 0.01 else result.grad_norm
    assert (weights(model) - before).norm().item() == pytest.approx(expected, rel=1e-3)


def test_the_learning_rate_follows_the_schedule():
    model = model_of()
    config = config_of(10, schedule="cosine", warmup_fraction=0.3, min_lr_fraction=0.1)
    optimizer = build_optimizer(model, AdamW(lr=0.02))
    used = []
    for result in take(model, optimizer, pretraining_loss, WINDOWS.batch, config):
        assert {group["lr"] for group in optimizer.param_groups} == {result.lr}
        used.append(result.lr)
    expected = [
        0.02 * lr_fraction_of_step(config, step, Plan(total_steps=10)) for step in range(10)
    ]
    assert used == expected and used[0] == pytest.approx(0.02 / 3)


def test_the_first_step_of_warm_up_moves_the_weights():
    model = model_of()
    before = weights(model)
    descend(model, config_of(1, warmup_fraction=1.0))
    assert not torch.equal(weights(model), before)


class Spoiled:
    """The training objective, which on some calls gives what no step can use."""

    def __init__(self, kind, calls):
        self.kind, self.calls, self.count = kind, calls, 0

    def __call__(self, model, batch):
        loss = pretraining_loss(model, batch)
        self.count += 1
        if self.count - 1 not in self.calls:
            return loss
        first = model.embedding.weight[0, 0]
        zero = first - first.detach()
        bad = {
            "nan loss": loss * math.nan,
            "infinite loss": loss + math.inf,
            "nan gradient": loss + (zero * 0.0).sqrt(),
            "infinite gradient": loss + zero.sqrt(),
        }
        return bad[self.kind]


@pytest.mark.parametrize("kind", ["nan loss", "infinite loss", "nan gradient", "infinite gradient"])
@pytest.mark.parametrize("bad_part", [0, 1])
def test_a_step_that_is_not_finite_changes_nothing(kind, bad_part):
    model = model_of(dropout=0.1, dtype=torch.float32)
    optimizer = build_optimizer(model, AdamW(lr=0.01))
    objective = Spoiled(kind, {2 * 2 + bad_part})  # two parts a step, the third step is bad
    steps = take(model, optimizer, objective, WINDOWS.batch, config_of(4, accumulate=2))
    assert [next(steps).applied, next(steps).applied] == [True, True]
    before = weights(model)
    state = {name: t.clone() for name, t in state_tensors(model, optimizer).items()}

    result = next(steps)
    assert not result.applied and result.step == 3
    assert not (math.isfinite(result.loss) and math.isfinite(result.grad_norm))
    assert torch.equal(weights(model), before)
    after = state_tensors(model, optimizer)
    assert after.keys() == state.keys()
    assert all(torch.equal(after[name], state[name]) for name in state)

    result = next(steps)  # and the bad gradient is not added to the next one
    assert result.applied and math.isfinite(result.loss) and math.isfinite(result.grad_norm)
    assert not torch.equal(weights(model), before)
    assert weights(model).isfinite().all()
    assert list(steps) == []


@pytest.mark.parametrize("total_steps", [5, 9])  # the third failure in the last step, or before
def test_three_bad_steps_in_a_row_end_the_training(total_steps):
    model = model_of()
    config = config_of(total_steps)
    optimizer = build_optimizer(model, AdamW(lr=0.05))
    objective = Spoiled("nan loss", {2, 3, 4})
    applied = []
    with pytest.raises(TrainingDiverged) as caught:
        for result in take(model, optimizer, objective, WINDOWS.batch, config):
            applied.append(result.applied)
    assert applied == [True, True, False, False, False]
    message = str(caught.value)
    assert "in steps 3 to 5" in message and "those of step 2" in message and "0.05" in message
    assert caught.value.exit_code == 3


def test_a_good_step_between_bad_ones_is_forgiveness():
    results = descend(model_of(), config_of(6), objective=Spoiled("nan gradient", {0, 1, 3, 4}))
    assert [result.applied for result in results] == [False, False, True, False, False, True]


def test_a_small_model_learns_one_batch_by_heart():
    model = GPT(
        ModelConfig(
            vocab_size=VOCAB, block_size=BLOCK, n_layer=1, n_head=2, n_embd=32,
            tie_embeddings=False,
        )
    )  # fmt: skip
    batch = WINDOWS.batch(0)
    batch.inputs[:, 0] = torch.arange(ROWS)  # else the second token is a guess
    config = config_of(150, schedule="linear", warmup_fraction=0.1)
    optimizer = build_optimizer(model, AdamW(lr=0.02))
    results = list(take(model, optimizer, pretraining_loss, lambda step, rows: batch, config))
    assert results[0].loss == pytest.approx(math.log(VOCAB), abs=1e-5)
    assert results[-1].loss < 0.05


@pytest.mark.parametrize("start", [0, 1, 4, 6])
def test_steps_from_the_middle_are_bitwise_those_of_the_whole(start):
    config = config_of(6, schedule="linear", warmup_fraction=0.2, accumulate=2)

    def steps(model, optimizer, first):
        return take(model, optimizer, pretraining_loss, WINDOWS.batch, config, start_step=first)

    straight = model_of(dropout=0.2, dtype=torch.float32)
    optimizer = build_optimizer(straight, AdamW(lr=0.01))
    run = steps(straight, optimizer, 0)
    results = [next(run) for _ in range(start)]
    saved = {name: t.clone() for name, t in state_tensors(straight, optimizer).items()}
    resumed = model_of(dropout=0.2, dtype=torch.float32, seed=2)
    resumed.load_state_dict(straight.state_dict())
    results += list(run)

    other = build_optimizer(resumed, AdamW(lr=0.01))
    restore_state(resumed, other, saved)
    again = list(steps(resumed, other, start))
    assert again == results[start:]
    assert [result.step for result in again] == list(range(start + 1, 7))
    assert torch.equal(weights(resumed), weights(straight))
