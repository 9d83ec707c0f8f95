"""The learning rate by a table worked out by hand, by torch's schedulers, and by laws."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bardling.training.config import TrainingConfig
from bardling.training.plan import Plan
from bardling.training.schedule import CURVES, lr_fraction, lr_fraction_of_step


def rates(schedule, total_steps, *, warmup=0.0, floor=0.0):
    config = TrainingConfig(
        schedule=schedule,
        warmup_fraction=warmup,
        min_lr_fraction=floor,
    )
    plan = Plan(total_steps=total_steps)
    return [lr_fraction_of_step(config, step, plan) for step in range(total_steps)]


@pytest.mark.parametrize(
    ("schedule", "floor", "expected"),
    [
        ("constant", 0.0, [1, 1, 1, 1]),
        ("linear", 0.0, [1, 0.75, 0.5, 0.25]),
        ("linear", 0.2, [1, 0.8, 0.6, 0.4]),
        ("cosine", 0.0, [1, 0.8535533905932737, 0.5, 0.14644660940672624]),
        ("cosine", 0.5, [1, 0.9267766952966369, 0.75, 0.5732233047033631]),
        ("exponential", 1 / 16, [1, 0.5, 0.25, 0.125]),
    ],
)
def test_four_steps_without_warm_up(schedule, floor, expected):
    assert rates(schedule, 4, floor=floor) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("schedule", "sixth", "ninth"),  # p is 1/2 and 7/8
    [
        ("constant", 1.0, 1.0),
        ("linear", 0.55, 0.2125),
        ("cosine", 0.55, 0.1342542103699209),
        ("exponential", 0.31622776601683794, 0.1333521432163324),
    ],
)
def test_ten_steps_of_which_two_are_warm_up(schedule, sixth, ninth):
    values = rates(schedule, 10, warmup=0.2, floor=0.1)
    assert values[:3] == pytest.approx([0.5, 1.0, 1.0], rel=1e-12)
    assert values[6] == pytest.approx(sixth, rel=1e-12)
    assert values[9] == pytest.approx(ninth, rel=1e-12)


def test_warm_up_rises_in_a_straight_line_from_its_first_step():
    values = rates("linear", 200, warmup=0.05)
    assert values[:10] == pytest.approx([k / 10 for k in range(1, 11)])
    assert values[10] == pytest.approx(1.0)
    assert values[11] < 1.0


def torch_rates(n_steps, scheduler_type, **arguments):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(()))], lr=1.0)
    scheduler = scheduler_type(optimizer, **arguments)
    values = []
    for _ in range(n_steps):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return values


def test_exponential_is_torchs():
    expected = torch_rates(5000, torch.optim.lr_scheduler.ExponentialLR, gamma=0.99995)
    assert rates("exponential", 5000, floor=0.99995**5000) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("floor", [0.0, 0.1])
def test_cosine_is_torchs(floor):
    expected = torch_rates(
        1000, torch.optim.lr_scheduler.CosineAnnealingLR, T_max=1000, eta_min=floor
    )
    assert rates("cosine", 1000, floor=floor) == pytest.approx(expected, abs=1e-12)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    st.sampled_from(sorted(CURVES)),
    st.integers(1, 300),
    st.one_of(st.just(1.0), st.floats(0.0, 1.0)),
    st.floats(0.001, 1.0),
)
def test_the_rate_rises_to_the_top_falls_to_the_floor_and_never_leaves_the_range(
    schedule, total_steps, warmup, floor
):
    values = rates(schedule, total_steps, warmup=warmup, floor=floor)
    assert all(0.0 < value <= 1.0 for value in values)
    top = values.index(max(values))
    rise, fall = values[: top + 1], values[top:]
    assert rise == sorted(rise)
    assert all(after <= before + 1e-12 for before, after in pairwise(fall))
    assert min(fall) >= floor - 1e-12
    assert values[top] >= 1.0 - 1.0 / total_steps - 1e-9


@pytest.mark.parametrize("warmup", [0.0, 0.05, 0.9])
@pytest.mark.parametrize(
    ("schedule", "end"), [("constant", 1.0), ("linear", 0.1), ("cosine", 0.1), ("exponential", 0.1)]
)
def test_the_end_of_the_budget_is_the_floor(schedule, end, warmup):
    value = lr_fraction(schedule, 1.0, warmup=warmup, floor=0.1, one_step=0.001)
    assert value == pytest.approx(end, rel=1e-12)


@pytest.mark.parametrize("total_steps", [1, 49, 93, 117, 182])  # 92 / 93 + 1 / 93 rounds above 1
def test_a_run_that_is_all_warm_up_ends_at_the_top(total_steps):
    values = rates("linear", total_steps, warmup=1.0)
    expected = [step / total_steps for step in range(1, total_steps + 1)]
    assert values == pytest.approx(expected, rel=1e-12)
