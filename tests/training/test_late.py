"""Figures that are read when the next step is on its way: the same steps, and nobody waits.

A processor has nothing to wait for, so it is made to do as a device would.
"""

import math
from dataclasses import replace

import pytest
import torch

from bardling.errors import TrainingDiverged
from bardling.training import loop
from bardling.training.loop import take_steps
from bardling.training.objective import pretraining_loss
from bardling.training.optimizer_config import SGD, Adam, AdamW, Muon
from bardling.training.optimizers import state_tensors
from bardling.training.plan import Plan
from learners import WINDOWS, learner_of, training_config, weights

OPTIMIZERS = [AdamW(lr=0.01), Adam(lr=0.01), Muon(lr=0.01)]


def results_of(learner, steps, **settings):
    plan = Plan(total_steps=steps)
    steps = take_steps(learner, WINDOWS.batch, training_config(**settings), plan)
    return (taken.result for taken in steps)


class Spoiled:
    """The training objective, whose loss is no number in some of its calls."""

    def __init__(self, *calls):
        self.calls, self.count = calls, 0

    def __call__(self, model, batch):
        self.count += 1
        return pretraining_loss(model, batch) * (math.nan if self.count in self.calls else 1.0)


def test_who_can_leave_a_step_out_on_the_device():
    assert all(learner_of(optimizer).optimizers.guarded for optimizer in OPTIMIZERS)
    assert not learner_of(SGD(lr=0.1)).optimizers.guarded
    assert not learner_of().late  # a processor looks before it steps


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("settings", [{}, {"clip_norm": 0.01, "accumulate": 3}, {"clip_norm": 0.0}])
def test_steps_are_bitwise_those_of_one_who_looks_first(optimizer, settings):
    now, late = learner_of(optimizer), replace(learner_of(optimizer), late=True)
    assert list(results_of(late, 6, **settings)) == list(results_of(now, 6, **settings))
    assert torch.equal(weights(late.model), weights(now.model))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_step_that_is_not_finite_changes_nothing(optimizer):
    learner = replace(learner_of(optimizer, objective=Spoiled(1, 4)), late=True)
    steps = results_of(learner, 6)
    before = weights(learner.model)
    first = next(steps)
    assert not first.applied and torch.equal(weights(learner.model), before)
    assert [next(steps).applied, next(steps).applied] == [True, True]
    before = weights(learner.model)
    memory = {k: t.clone() for k, t in state_tensors(learner.model, learner.optimizers).items()}
    assert not next(steps).applied
    assert torch.equal(weights(learner.model), before)
    for key, tensor in state_tensors(learner.model, learner.optimizers).items():
        assert torch.equal(tensor, memory[key]), key
    assert [result.applied for result in steps] == [True, True]
    assert weights(learner.model).isfinite().all()


def test_figures_are_read_when_the_next_step_is_on_its_way(monkeypatch):
    events = []

    def on_its_way(figures):
        number = sum(kind == "sent" for kind, _ in events) + 1
        events.append(("sent", number))

        def wait():
            events.append(("read", number))
            return figures.tolist()

        return wait

    monkeypatch.setattr(loop, "on_its_way", on_its_way)
    learner = replace(learner_of(), late=True)
    plan = Plan(total_steps=4)
    taken = list(take_steps(learner, WINDOWS.batch, training_config(), plan))
    sent = [("sent", 1), ("sent", 2), ("read", 1), ("sent", 3), ("read", 2), ("sent", 4)]
    assert events == [*sent, ("read", 3), ("read", 4)]
    assert [step.result.step for step in taken] == [1, 2, 3, 4]
    assert len(events) == 8  # they are read once


def test_three_bad_steps_in_a_row_end_the_training_one_step_later():
    learner = replace(learner_of(objective=Spoiled(3, 4, 5)), late=True)
    plan, steps = Plan(total_steps=9), []
    with pytest.raises(TrainingDiverged, match=r"in steps 3 to 5; the weights are those of step 2"):
        for taken in take_steps(learner, WINDOWS.batch, training_config(), plan):
            steps.append(taken)
    assert [step.result.failures for step in steps] == [0, 0, 1, 2, 3]
