"""The loss in each precision, and the loss scale that fp16 needs.

Gradients are compared as whole vectors: in a short form single small entries may be far off.
"""

import math

import pytest
import torch

from bardling.errors import TrainingDiverged
from bardling.training.learner import BatchLoss
from bardling.training.loop import take_steps
from bardling.training.objective import pretraining_loss
from bardling.training.optimizers import state_tensors
from bardling.training.plan import Plan
from learners import ROWS, WINDOWS, gradient, learner_of, training_config, weights

BATCH = WINDOWS.batch(0)
N = BATCH.n_targets
SHORT = {"bf16": 2**-7, "fp16": 2**-9}  # about the error of one rounding


def loss_of(learner):
    return learner.loss(BATCH.inputs, BATCH.targets, BATCH.row_keys)


def gradient_in(precision):
    learner = learner_of(precision=precision)
    learner.backward(BATCH, N)
    learner.unscale()
    return gradient(learner.model)


def take(learner, steps, **start):
    plan = Plan(total_steps=steps)
    steps = take_steps(learner, WINDOWS.batch, training_config(), plan, **start)
    return (taken.result for taken in steps)


def set_scale(learner, scale):
    learner.scale.load_state_dict({**learner.scale.state_dict(), "scale": scale})


def test_in_float32_the_loss_is_the_objective_bit_for_bit():
    learner = learner_of()
    expected = pretraining_loss(learner.model, BATCH)
    assert torch.equal(loss_of(learner), expected)
    expected.backward()
    plain = gradient(learner.model)
    learner.optimizers.zero_grad()
    loss_of(learner).backward()
    assert torch.equal(gradient(learner.model), plain)


@pytest.mark.parametrize("precision", SHORT)
def test_a_short_form_gives_a_close_loss_in_float32(precision):
    exact, short = loss_of(learner_of()), loss_of(learner_of(precision=precision))
    assert short.dtype == torch.float32
    assert short.item() == pytest.approx(exact.item(), rel=SHORT[precision])
    assert short.item() != exact.item()  # else the short form is not used


@pytest.mark.parametrize("precision", SHORT)
def test_in_a_short_form_weights_and_gradients_stay_in_float32(precision):
    learner = learner_of(precision=precision)
    list(take(learner, 2))
    tensors = [
        *learner.model.parameters(),
        *state_tensors(learner.model, learner.optimizers).values(),
    ]
    assert {t.dtype for t in tensors} == {torch.float32}
    learner.backward(BATCH, N)
    assert gradient(learner.model).dtype == torch.float32


def test_a_batch_loss_has_no_weights_of_its_own():
    learner = learner_of()
    assert isinstance(learner.loss, BatchLoss)
    assert [*learner.loss.parameters()] == [*learner.model.parameters()]


@pytest.mark.parametrize("precision", SHORT)
def test_the_unscaled_gradient_is_that_of_the_plain_loss(precision):
    exact, short = gradient_in("fp32"), gradient_in(precision)
    assert (short - exact).norm() < 4 * SHORT[precision] * exact.norm()


def test_the_gradient_of_fp16_is_lifted_by_the_scale_until_it_is_unscaled():
    learner = learner_of(precision="fp16")
    learner.backward(BATCH, N)
    lifted = gradient(learner.model)
    learner.unscale()
    assert torch.equal(lifted, gradient(learner.model) * 65536.0)


def test_the_loss_that_is_told_is_per_target_unscaled_and_without_gradient():
    learner = learner_of(precision="fp16")
    loss = learner.backward(BATCH, N)
    assert not loss.requires_grad
    assert loss.item() == pytest.approx(loss_of(learner).item() / N, rel=1e-6)


def test_gradients_of_parts_add_up_under_the_scale():
    learner = learner_of(precision="fp16")
    for rows in (range(3), range(3, ROWS)):
        learner.backward(WINDOWS.batch(0, rows), N)
    learner.unscale()
    exact = gradient_in("fp32")
    assert (gradient(learner.model) - exact).norm() < 4 * SHORT["fp16"] * exact.norm()


def memory(learner):
    tensors = state_tensors(learner.model, learner.optimizers)
    return {name: tensor.clone() for name, tensor in tensors.items()}


def test_an_overflow_is_skipped_halves_the_scale_and_is_no_failure():
    learner = learner_of(precision="fp16")
    set_scale(learner, 2.0**40)
    before, kept, scale, results = weights(learner.model), {}, 2.0**40, []
    for result in take(learner, 50):
        results.append(result)
        after = memory(learner)
        if result.applied:
            assert not torch.equal(weights(learner.model), before)
            before, kept = weights(learner.model), after
        else:
            scale /= 2
            assert torch.equal(weights(learner.model), before)
            assert after.keys() == kept.keys()
            assert all(torch.equal(after[name], kept[name]) for name in kept)
        assert learner.scale.get_scale() == scale
        assert result.failures == 0 and math.isfinite(result.loss)
    applied = [result.applied for result in results]
    assert applied.index(True) > 3  # more than would end a training, had they been failures
    assert applied.count(True) > 25
    assert results[-1].loss < results[0].loss - 0.02


def test_an_overflow_between_failures_neither_counts_nor_forgives():
    learner = learner_of(precision="fp16")
    set_scale(learner, 2.0**40)
    assert [result.failures for result in take(learner, 3, failures=2)] == [2, 2, 2]


def bad(kind):
    """Return an objective that always gives what no step can use."""

    def objective(model, batch):
        loss = pretraining_loss(model, batch)
        first = model.embedding.weight[0, 0]
        zero = first - first.detach()
        return loss * math.nan if kind == "loss" else loss + (zero * 0.0).sqrt()

    return objective


@pytest.mark.parametrize(("kind", "scale"), [("gradient", 1.0), ("loss", 1.0), ("loss", 2.0**16)])
def test_what_no_scale_can_cure_is_a_failure(kind, scale):
    learner = learner_of(precision="fp16", objective=bad(kind))
    set_scale(learner, scale)
    failures = []
    with pytest.raises(TrainingDiverged):
        for result in take(learner, 9):
            failures.append(result.failures)
    assert failures == [1, 2, 3]


def test_a_gradient_that_is_never_finite_ends_the_training_once_the_scale_is_down():
    learner = learner_of(precision="fp16", objective=bad("gradient"))
    set_scale(learner, 8.0)
    failures = []
    with pytest.raises(TrainingDiverged):
        for result in take(learner, 99):
            failures.append(result.failures)
    assert failures == [0, 0, 0, 1, 2, 3]  # at scales 8, 4, 2, then 1 and below


@pytest.mark.parametrize("precision", SHORT)
def test_a_short_form_learns_as_float32_does(precision):
    exact, short = (
        [r.loss for r in take(learner_of(precision=p), 30)] for p in ("fp32", precision)
    )
    assert short == pytest.approx(exact, rel=0.01)
