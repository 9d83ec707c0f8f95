"""Progress rises from 0 to 1, also where the number of steps was counted anew on the way."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bardling.training.config import TrainingConfig
from bardling.training.plan import Plan
from bardling.training.schedule import CURVES, lr_fraction_of_step

LAWS = settings(derandomize=True, deadline=None, max_examples=60)
STEPS = st.integers(1, 300)


@st.composite
def replans(draw) -> tuple[Plan, Plan]:
    """Return a plan and the better one that takes its place at one of its steps."""
    first = Plan(total_steps=draw(st.integers(2, 300)))
    step = draw(st.integers(1, first.total_steps - 1))
    return first, first.replanned(step, step + draw(STEPS))


PLANS = st.one_of(STEPS.map(lambda n: Plan(total_steps=n)), replans().map(lambda pair: pair[1]))


def whole(plan: Plan) -> list[tuple[float, float]]:
    return [plan.progress(step) for step in range(plan.total_steps)]


@LAWS
@given(PLANS)
def test_progress_rises_from_0_and_the_last_step_ends_at_1(plan):
    places = whole(plan)
    assert places[0][0] == 0.0
    assert all(here < there for (here, _), (there, _) in pairwise(places))
    last, one_step = places[-1]
    assert last + one_step == pytest.approx(1.0, abs=1e-12)


@LAWS
@given(PLANS)
def test_each_step_begins_where_the_one_before_ends(plan):
    places = whole(plan)
    for (here, one_step), (there, _) in pairwise(places):
        assert here + one_step == pytest.approx(there, abs=1e-12)
    assert math.fsum(one_step for _, one_step in places) == pytest.approx(1.0, abs=1e-12)


@LAWS
@given(replans())
def test_counting_anew_changes_nothing_of_what_is_done(pair):
    first, second = pair
    for step in range(second.replanned_at):
        assert second.progress(step) == first.progress(step)
    at = second.replanned_at
    assert second.progress(at)[0] == pytest.approx(first.progress(at)[0], abs=1e-15)
    assert second.first_total_steps == first.total_steps


@LAWS
@given(replans())
def test_after_that_the_steps_that_are_left_are_alike(pair):
    _, plan = pair
    sizes = {plan.progress(step)[1] for step in range(plan.replanned_at, plan.total_steps)}
    assert len(sizes) == 1
    done = plan.replanned_at / plan.first_total_steps
    left = plan.total_steps - plan.replanned_at
    assert sizes.pop() == pytest.approx((1 - done) / left, rel=1e-12)


@LAWS
@given(replans(), st.sampled_from(sorted(CURVES)), st.sampled_from([0.0, 0.1, 0.5]))
def test_the_learning_rate_goes_on_from_where_it_was(pair, schedule, warmup):
    first, second = pair
    config = TrainingConfig(schedule=schedule, warmup_fraction=warmup, min_lr_fraction=0.1)
    at = second.replanned_at
    old, new = (lr_fraction_of_step(config, at, plan) for plan in pair)
    progress, one_step = first.progress(at)
    if progress < warmup:  # there a step uses the rate at its end, and ends lie elsewhere now
        assert abs(new - old) <= max(one_step, second.progress(at)[1]) / warmup + 1e-12
    else:
        assert new == pytest.approx(old, abs=1e-12)


def test_a_plan_in_numbers():
    plan = Plan(total_steps=10).replanned(5, 7)
    assert plan == Plan(total_steps=7, replanned_at=5, first_total_steps=10)
    assert [plan.progress(step) for step in (0, 4, 5, 6)] == [
        (0.0, 0.1), (0.4, 0.1), (0.5, 0.25), (0.75, 0.25),
    ]  # fmt: skip


def test_a_plan_that_is_replanned_before_its_last_step_still_ends_at_the_floor():
    config = TrainingConfig(schedule="linear", warmup_fraction=0.0, min_lr_fraction=0.0)
    plan = Plan(total_steps=10).replanned(9, 209)
    rates = [lr_fraction_of_step(config, step, plan) for step in range(209)]
    assert rates == sorted(rates, reverse=True)
    assert rates[9] == pytest.approx(0.1) and 0 < rates[-1] < 0.001
