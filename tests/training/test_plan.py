"""Progress rises from 0 to 1, also where the number of steps was counted anew on the way."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bardling.training.config import TrainingConfig
from bardling.training.plan import Plan, Stretch
from bardling.training.schedule import CURVES, lr_fraction_of_step

LAWS = settings(derandomize=True, deadline=None, max_examples=60)
STEPS = st.integers(1, 300)


CHANGES = st.lists(st.tuples(st.floats(0.0, 1.0), STEPS), max_size=4)
"""Where a plan is changed, between its first step and its last, and the steps from there on."""


def chain(n_steps: int, changes: list[tuple[float, int]]) -> list[Plan]:
    """Return a plan and those that took its place one after the other."""
    plans = [Plan(total_steps=n_steps + 1, eval_interval=3)]
    for where, more in changes:
        past, plan = plans[-1].earlier[-1:], plans[-1]
        least = past[0].until + 1 if past else 1
        if least >= plan.total_steps:
            break
        step = least + int(where * (plan.total_steps - 1 - least))
        plans.append(plan.replanned(step, step + more, more % 5))
    return plans


def whole(plan: Plan) -> list[tuple[float, float]]:
    return [plan.progress(step) for step in range(plan.total_steps)]


@LAWS
@given(STEPS, CHANGES)
def test_progress_rises_from_0_and_the_last_step_ends_at_1(n_steps, changes):
    places = whole(chain(n_steps, changes)[-1])
    assert places[0][0] == 0.0
    assert all(here < there for (here, _), (there, _) in pairwise(places))
    last, one_step = places[-1]
    assert last + one_step == pytest.approx(1.0, abs=1e-12)


@LAWS
@given(STEPS, CHANGES)
def test_each_step_begins_where_the_one_before_ends(n_steps, changes):
    places = whole(chain(n_steps, changes)[-1])
    for (here, one_step), (there, _) in pairwise(places):
        assert here + one_step == pytest.approx(there, abs=1e-12)
    assert math.fsum(one_step for _, one_step in places) == pytest.approx(1.0, abs=1e-12)


@LAWS
@given(STEPS, CHANGES)
def test_counting_anew_changes_nothing_of_what_is_done(n_steps, changes):
    for first, second in pairwise(chain(n_steps, changes)):
        at = second.earlier[-1].until
        for step in range(at):
            assert second.progress(step) == first.progress(step)
            assert second.validates(step) == first.validates(step)
        assert second.progress(at)[0] == pytest.approx(first.progress(at)[0], abs=1e-12)
        past = Stretch(until=at, total_steps=first.total_steps, eval_interval=first.eval_interval)
        assert second.earlier == (*first.earlier, past)


@LAWS
@given(STEPS, CHANGES)
def test_after_that_the_steps_that_are_left_are_alike(n_steps, changes):
    for first, second in pairwise(chain(n_steps, changes)):
        at = second.earlier[-1].until
        sizes = {second.progress(step)[1] for step in range(at, second.total_steps)}
        assert len(sizes) == 1
        done = first.progress(at)[0]
        assert sizes.pop() == pytest.approx((1 - done) / (second.total_steps - at), rel=1e-9)


@LAWS
@given(STEPS, CHANGES)
def test_validations_come_every_so_many_steps_of_their_stretch_and_at_the_end(n_steps, changes):
    plan = chain(n_steps, changes)[-1]
    ends = [*(stretch.until for stretch in plan.earlier), plan.total_steps]
    intervals = [*(stretch.eval_interval for stretch in plan.earlier), plan.eval_interval]
    expected, begins = {0, plan.total_steps}, 0
    for end, interval in zip(ends, intervals, strict=True):
        expected |= {step for step in range(begins + 1, end + 1) if step % interval == 0}
        begins = end
    assert {step for step in range(plan.total_steps + 1) if plan.validates(step)} == expected
    assert plan.first_interval == 3


@LAWS
@given(STEPS, CHANGES, st.sampled_from(sorted(CURVES)), st.sampled_from([0.0, 0.1, 0.5]))
def test_the_learning_rate_goes_on_from_where_it_was(n_steps, changes, schedule, warmup):
    config = TrainingConfig(schedule=schedule, warmup_fraction=warmup, min_lr_fraction=0.1)
    for first, second in pairwise(chain(n_steps, changes)):
        at = second.earlier[-1].until
        old, new = (lr_fraction_of_step(config, at, plan) for plan in (first, second))
        progress, one_step = first.progress(at)
        if progress < warmup:  # there a step uses the rate at its end, and ends lie elsewhere now
            assert abs(new - old) <= max(one_step, second.progress(at)[1]) / warmup + 1e-9
        else:
            assert new == pytest.approx(old, abs=1e-9)


@LAWS
@given(STEPS, CHANGES, st.floats(0.0, 1.0))
def test_who_went_back_plans_from_there_and_forgets_what_was_changed_later(n_steps, changes, where):
    plans = chain(n_steps, changes)
    step = 1 + int(where * (plans[-1].total_steps - 2))
    better = plans[-1].replanned(step, step + 9)
    untils = [stretch.until for stretch in better.earlier]
    assert untils == sorted(set(untils)) and untils[-1] == step
    for done in range(step):
        assert better.progress(done) == plans[-1].progress(done)
        assert better.validates(done) == plans[-1].validates(done)
    last, one_step = better.progress(better.total_steps - 1)
    assert last + one_step == pytest.approx(1.0, abs=1e-9)


def test_a_plan_in_numbers():
    plan = Plan(total_steps=10).replanned(5, 7)
    assert plan == Plan(total_steps=7, earlier=(Stretch(until=5, total_steps=10),))
    assert [plan.progress(step) for step in (0, 4, 5, 6)] == [
        (0.0, 0.1), (0.4, 0.1), (0.5, 0.25), (0.75, 0.25),
    ]  # fmt: skip


def test_a_plan_that_is_replanned_before_its_last_step_still_ends_at_the_floor():
    config = TrainingConfig(schedule="linear", warmup_fraction=0.0, min_lr_fraction=0.0)
    plan = Plan(total_steps=10).replanned(9, 209)
    rates = [lr_fraction_of_step(config, step, plan) for step in range(209)]
    assert rates == sorted(rates, reverse=True)
    assert rates[9] == pytest.approx(0.1) and 0 < rates[-1] < 0.001
