"""Checks on first steps: every parameter is moved, at the schedule's rate, and the loss falls."""

from dataclasses import replace
from itertools import islice

import pytest
import torch

from bardling.errors import TrainingDiverged
from bardling.evaluation.checks.finding import passed
from bardling.evaluation.checks.steps import (
    AGREE_NATS,
    agreeing,
    copied_learner,
    every_parameter_moves,
    falling,
    first_steps,
    rate,
    used_rates,
)
from bardling.machine.machine import plain_machine
from bardling.training.config import TrainingConfig
from bardling.training.optimizer_config import SGD, Adam, AdamW, Muon
from bardling.training.optimizers import Optimizers, build_optimizer
from bardling.training.plan import Plan
from checked import FAMILIES, model_of, windows_of

TRAINING = TrainingConfig(budget="200steps", batch_size=8)
OPTIMIZERS = (AdamW(), Muon(lr=1e-3, muon_lr=4e-3), Adam(), SGD())


def learner_of(optimizer=None, family="modern", **switches):
    return copied_learner(model_of(family, **switches), optimizer or AdamW(), plain_machine())


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_optimizer_holds_every_parameter(family, optimizer):
    model = model_of(family)
    found = every_parameter_moves(model, build_optimizer(model, optimizer))
    assert found.outcome == "passed"
    assert f"each of {len(list(model.parameters()))} parameters" in found.detail


def test_a_parameter_that_nobody_moves_or_two_do():
    model = model_of()
    named = dict(model.named_parameters())
    without = [p for name, p in named.items() if name != "final_norm.weight"]
    found = every_parameter_moves(
        model, Optimizers([torch.optim.SGD(without, lr=0.1)], peak_lr=0.1)
    )
    assert found.outcome == "failed" and found.detail == "final_norm.weight is in 0 of its groups"
    both = [
        torch.optim.SGD(list(p), lr=0.1) for p in (named.values(), [named["final_norm.weight"]])
    ]
    found = every_parameter_moves(model, Optimizers(both, peak_lr=0.1))
    assert found.detail == "final_norm.weight is in 2 of its groups"
    model.final_norm.weight.requires_grad_(False)
    found = every_parameter_moves(model, build_optimizer(model, Adam()))
    assert found.outcome == "failed"
    assert found.detail == "final_norm.weight asks for no gradient, so nothing moves it"


@pytest.mark.parametrize("schedule", ["constant", "cosine", "linear"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
def test_rates_of_the_loop_are_the_schedules(optimizer, schedule):
    training, plan = replace(TRAINING, schedule=schedule), Plan(total_steps=40)
    rates = used_rates(learner_of(optimizer), windows_of().batch, training, plan, optimizer, 3)
    found = rate(rates, training, plan)
    assert found.outcome == "passed", found.detail
    highest = max(getattr(optimizer, "muon_lr", 0.0), optimizer.lr)
    assert f"steps 1 to 3 used {highest / 2:.3g}, {highest:.3g}, " in found.detail
    assert found.detail.endswith(f"as the {schedule} schedule has it")


def test_rates_of_a_run_shorter_than_three_steps():
    plan = Plan(total_steps=1)
    rates = used_rates(learner_of(), windows_of().batch, TRAINING, plan, AdamW(), 3)
    assert len(rates.used) == 1 and rate(rates, TRAINING, plan).outcome == "passed"


@pytest.mark.parametrize("group", [0, 1, 2])
@pytest.mark.parametrize("factor", [2.0, 0.5, 1.0001])
def test_a_rate_that_is_off_in_any_group_or_step(factor, group):
    optimizer, plan = Muon(), Plan(total_steps=40)
    rates = used_rates(learner_of(optimizer), windows_of().batch, TRAINING, plan, optimizer, 3)
    assert rate(rates, TRAINING, plan).outcome == "passed"
    rates.used[1][group] *= factor
    found = rate(rates, TRAINING, plan)
    assert found.outcome == "failed" and found.detail.startswith("step 2 used ")


def test_an_optimizer_built_at_twice_the_rate():
    learner, plan = learner_of(AdamW(lr=2e-3)), Plan(total_steps=40)
    rates = used_rates(learner, windows_of().batch, TRAINING, plan, AdamW(lr=1e-3), 3)
    found = rate(rates, TRAINING, plan)
    assert found.outcome == "failed"
    assert found.detail == "step 1 used 0.001, and the schedule has 0.0005 (0.5 of 0.001)"


def test_muons_rate_is_not_adamws():
    optimizer, plan = Muon(lr=1e-3, muon_lr=4e-3), Plan(total_steps=40)
    swapped = Muon(lr=4e-3, muon_lr=1e-3)
    rates = used_rates(learner_of(swapped), windows_of().batch, TRAINING, plan, optimizer, 3)
    assert rate(rates, TRAINING, plan).outcome == "failed"


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
def test_losses_of_first_steps_fall(optimizer):
    learner = learner_of(optimizer)
    steps = first_steps(learner, windows_of().batch, TRAINING, warmup_steps=5)
    found = falling(lambda: list(islice(steps, 20)))
    assert found.outcome == "passed", found.detail
    assert found.detail.count("20 steps") == 1
    used = learner.optimizers.param_groups[-1]["lr"]
    assert used == pytest.approx(optimizer.lr)


def test_losses_that_do_not_fall():
    assert falling(lambda: [3.0] * 20).outcome == "failed"
    assert falling(lambda: [3.0] * 15 + [3.1] + [2.9] * 4).outcome == "passed"
    assert falling(lambda: [3.0] * 5 + [2.0] * 14 + [3.5]).outcome == "passed"
    found = falling(lambda: [3.0] * 5 + [1.0] * 10 + [4.0] * 5)
    assert found.outcome == "failed"
    assert found.detail.startswith("3.0000 over the first 5 of 20 steps, 4.0000 over the last 5")
    assert falling(lambda: [3.0] * 19 + [float("nan")]).outcome == "failed"


def test_a_wrong_sign_does_not_fall():
    learner = learner_of(SGD(lr=0.05))
    step = learner.optimizers.members[0].step

    def climb() -> None:
        for parameter in learner.model.parameters():
            parameter.grad.neg_()
        step()

    learner.optimizers.members[0].step = climb
    steps = first_steps(learner, windows_of().batch, TRAINING, warmup_steps=5)
    assert falling(lambda: list(islice(steps, 20))).outcome == "failed"


def test_losses_that_diverge_are_a_finding():
    def diverge() -> list[float]:
        raise TrainingDiverged("loss or gradient was not finite")

    assert falling(diverge).detail == "loss or gradient was not finite"
    assert falling(diverge).outcome == "failed"


def test_steps_are_taken_by_a_copy():
    model = model_of()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    learner = copied_learner(model, AdamW(), plain_machine())
    list(islice(first_steps(learner, windows_of().batch, TRAINING, warmup_steps=5), 3))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    moved = dict(learner.model.named_parameters())
    assert not any(torch.equal(p, moved[name]) for name, p in model.named_parameters())


@pytest.mark.parametrize("precision", AGREE_NATS)
def test_losses_of_two_machines(precision):
    limit = AGREE_NATS[precision]
    here = [3.0, 2.0, 1.0]
    near = agreeing(here, [3.0, 2.0 - 0.9 * limit, 1.0], place="cuda", precision=precision)
    assert near.outcome == "passed" and near.name == f"cuda {precision}"
    assert f"{limit:g} is allowed" in near.detail
    far = agreeing(here, [3.0, 2.0, 1.0 + 1.1 * limit], place="cuda", precision=precision)
    assert far.outcome == "failed"
    lost = agreeing(here, [3.0, float("nan"), 1.0], place="cuda", precision=precision)
    assert lost.outcome == "failed"


def test_the_same_machine_agrees_with_itself():
    def losses() -> list[float]:
        steps = first_steps(learner_of(), windows_of().batch, TRAINING, warmup_steps=100)
        return list(islice(steps, 5))

    found = agreeing(losses(), losses(), place="cpu", precision="fp32")
    assert found == passed(
        "cpu fp32",
        "the losses of 5 steps lie within 0 nats of the processor's in fp32; 0.0001 is allowed",
    )
