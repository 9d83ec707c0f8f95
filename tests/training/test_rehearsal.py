"""Throwaway steps leave nothing behind, and a compiler that fails is done without."""

import pytest
import torch

from bardling.machine.stop import Leave
from bardling.training import rehearsal
from bardling.training.loop import take_steps
from bardling.training.optimizer_config import SGD, Adam, AdamW, Muon
from bardling.training.optimizers import state_tensors
from bardling.training.plan import Plan
from bardling.training.rehearsal import (
    LEAST_SECONDS,
    LEAST_STEPS,
    WARM_STEPS,
    compile_learner,
    shapes,
    step_seconds,
)
from learners import ROWS, WINDOWS, learner_of, training_config, weights

OPTIMIZERS = [AdamW(lr=0.01), Muon(), Adam(), SGD(momentum=0.9)]


@pytest.fixture
def quick(monkeypatch):
    """Measure few steps, however little time they take."""
    monkeypatch.setattr(rehearsal, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(rehearsal, "LEAST_STEPS", 2)


def train(learner, config, steps=4):
    """Take some steps; return their results and what they leave."""
    steps = take_steps(learner, WINDOWS.batch, config, Plan(total_steps=steps))
    results = [taken.result for taken in steps]
    return results, weights(learner.model), state_tensors(learner.model, learner.optimizers)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_measured_steps_leave_no_trace(quick, optimizer, precision):
    learner = learner_of(optimizer, precision=precision)
    config = training_config(accumulate=2, schedule="cosine", warmup_fraction=0.3)
    before, scale = weights(learner.model), learner.scale.state_dict()
    rates = [group["lr"] for group in learner.optimizers.param_groups]
    assert step_seconds(learner, WINDOWS.batch, config) > 0.0

    assert torch.equal(weights(learner.model), before)
    assert state_tensors(learner.model, learner.optimizers) == {}
    assert all(p.grad is None for p in learner.model.parameters())
    assert [group["lr"] for group in learner.optimizers.param_groups] == rates
    assert learner.scale.state_dict() == scale

    results, after, memory = train(learner, config)
    expected, untouched, other = train(learner_of(optimizer, precision=precision), config)
    assert results == expected
    assert torch.equal(after, untouched)
    assert memory.keys() == other.keys()
    assert all(torch.equal(memory[name], other[name]) for name in memory)


@pytest.mark.parametrize("error", [ZeroDivisionError, Leave])
@pytest.mark.parametrize("good", [0, 1, 3])
def test_steps_that_are_broken_off_leave_no_trace_either(quick, error, good):
    learner = learner_of()
    before = weights(learner.model)

    def batches(step, rows):
        if step == good:
            raise error
        return WINDOWS.batch(step, rows)

    with pytest.raises(error):
        step_seconds(learner, batches, training_config())
    assert torch.equal(weights(learner.model), before)
    assert state_tensors(learner.model, learner.optimizers) == {}


@pytest.mark.parametrize("seconds", [1e-3, 0.25, 60.0])
def test_a_step_takes_what_the_clock_says_without_the_first_ones(monkeypatch, seconds):
    now, taken = [1000.0], []
    monkeypatch.setattr(rehearsal.time, "perf_counter", lambda: now[0])

    def batches(step, rows):
        taken.append(step)
        now[0] += 999.0 if step < WARM_STEPS else seconds  # the first ones are slow
        return WINDOWS.batch(0, rows)

    monkeypatch.setattr(rehearsal, "LEAST_SECONDS", LEAST_SECONDS / 50)
    measured = step_seconds(learner_of(), batches, training_config())
    assert measured == pytest.approx(seconds, rel=1e-6)
    enough = max(LEAST_STEPS, round(LEAST_SECONDS / 50 / seconds))
    assert len(taken) - WARM_STEPS in (enough, enough + 1)  # rounding may ask for one more


@pytest.mark.parametrize(
    ("first", "others", "taken"),
    [
        (4.0, 4.0, 1 + 1),  # a third one would take it past the limit
        (10.0, 4.0, 1 + 1),
        (10.0, 0.01, 1 + LEAST_STEPS),  # only the first one was slow
        (2.0, 2.0, WARM_STEPS + 2),
        (1.0, 1.0, WARM_STEPS + LEAST_STEPS),
    ],
)
def test_slow_steps_are_measured_for_a_limited_time(monkeypatch, first, others, taken):
    now, seen = [1000.0], []
    monkeypatch.setattr(rehearsal.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(rehearsal, "LEAST_SECONDS", 0.0)

    def batches(step, rows):
        seen.append(step)
        now[0] += others if step else first
        return WINDOWS.batch(0, rows)

    learner = learner_of()
    before = weights(learner.model)
    assert step_seconds(learner, batches, training_config(), 5.7) == pytest.approx(others)
    assert len(seen) == taken
    assert torch.equal(weights(learner.model), before)


class Compiler:
    """Stands for torch.compile: notes the shapes it sees, and may fail at one of them."""

    def __init__(self, error=None, at=0):
        self.error, self.at, self.seen = error, at, []

    def __call__(self, loss):
        def fast(inputs, targets, row_keys):
            self.seen.append(tuple(inputs.shape))
            if self.error is not None and len(self.seen) > self.at:
                raise self.error
            return loss(inputs, targets, row_keys)

        return fast


def compile_with(compiler, learner, config):
    notes = []
    return compile_learner(learner, compiler, WINDOWS.batch, config, notes.append), notes


def test_a_compiled_learner_shares_all_but_its_loss():
    learner = learner_of()
    before = weights(learner.model)
    fast, notes = compile_with(Compiler(), learner, training_config(accumulate=3))
    assert notes == []
    assert fast.loss is not learner.loss
    for name in ("model", "optimizers", "scale", "machine"):
        assert getattr(fast, name) is getattr(learner, name)
    assert torch.equal(weights(learner.model), before)
    assert all(p.grad is None for p in learner.model.parameters())
    assert state_tensors(learner.model, learner.optimizers) == {}


@pytest.mark.parametrize("accumulate", range(1, ROWS + 1))
def test_each_shape_of_a_run_is_compiled_once(accumulate):
    config = training_config(accumulate=accumulate)
    compiler = Compiler()
    fast, _ = compile_with(compiler, learner_of(), config)
    compiled = list(compiler.seen)
    train(fast, config, steps=2)
    assert set(compiled) == set(compiler.seen[len(compiled) :])
    assert len(compiled) == len(set(compiled))


def test_seven_rows_in_three_parts_have_two_shapes():
    assert shapes(training_config(batch_size=7, accumulate=3)) == [range(2), range(3)]
    assert shapes(training_config(batch_size=6, accumulate=3)) == [range(2)]
    assert shapes(training_config(batch_size=7, accumulate=7)) == [range(1)]


@pytest.mark.parametrize("at", [0, 1])  # the first shape, or the second
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("\n no such kernel\nand a hundred more lines"), "no such kernel"),
        (AssertionError(), "AssertionError"),
        (ValueError("x" * 999), "x" * 120),
    ],
)
def test_a_compiler_that_fails_is_told_once_and_done_without(error, reason, at):
    learner = learner_of()
    slow, notes = compile_with(Compiler(error, at), learner, training_config(accumulate=3))
    assert notes == [f"torch.compile failed ({reason}); training goes on without it"]
    assert slow.loss is learner.loss
    assert not slow.machine.compiled and slow.machine.compile_reason == "the compiler failed"
    assert all(p.grad is None for p in learner.model.parameters())
    results, after, _ = train(slow, training_config(accumulate=3))
    expected, untouched, _ = train(learner_of(), training_config(accumulate=3))
    assert results == expected and torch.equal(after, untouched)


def test_a_stop_during_compiling_is_no_failure_of_the_compiler():
    with pytest.raises(Leave):
        compile_with(Compiler(Leave()), learner_of(), training_config())
