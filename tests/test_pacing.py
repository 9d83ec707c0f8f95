"""A budget in time under a clock of our own: runs are played through with what things cost."""

import math
import time
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bardling.pacing import (
    CONFIRMED,
    LEAVING_SECONDS,
    LOOK_FROM,
    SAFETY,
    SLIP,
    VALIDATION_SHARE,
    VALIDATIONS,
    Costs,
    Pace,
)
from bardling.training.plan import Plan

LAWS = settings(derandomize=True, deadline=None, max_examples=60)
COSTS = Costs(step=0.1, validated_token=1e-5, sample=0.2, save=0.1, whole=1.0)


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def pace_of(seconds: float, *, now: float = 0.0) -> Pace:
    return Pace(seconds=seconds, began=0.0, clock=Clock(now))


def whole_split(every: int) -> int:
    """Return the tokens of a validation that always takes the whole split."""
    return 8192


def subset(every: int) -> int:
    """Return the tokens of a validation that takes more when it comes more seldom."""
    return min(100_000, max(8192, int(0.075 * every * 4096)))


def run(pace, costs, subset_tokens=whole_split, wish=0, *, slower=None, looks=True, overfits=True):
    """Play a run through, as the trainer does it; return its plans and the validated steps.

    `slower` is what things cost, as a factor, after that many seconds; without `looks`, nobody
    looks at the forecast on the way; a run that `overfits` has its best step behind it.
    """
    slower = slower or (lambda spent: 1.0)

    def spend(seconds: float) -> None:
        pace.clock.now += seconds * slower(pace.clock.now)

    plan = pace.first_plan(costs, subset_tokens, wish)
    every = plan.eval_interval
    plans, validated = [plan], [0]
    validation = costs.validation(subset_tokens(every))
    spend(validation)
    step = 0
    while step < plan.total_steps:
        spend(costs.step)
        step += 1
        if plan.validates(step):
            spend(validation)
            validated.append(step)
        better = pace.better_plan(plan, step, newest_is_best=not overfits) if looks else None
        if better is not None:
            plan = better
            plans.append(plan)
    spend((2 if overfits else 1) * costs.whole)
    return plans, every, validated


@st.composite
def many_costs(draw) -> tuple[float, float, Costs]:
    """Return a budget, the seconds that are gone before the first plan, and what things cost."""
    seconds = draw(st.floats(2.0, 3600.0))
    share = st.floats(1e-9, 0.05)
    costs = Costs(
        step=seconds / draw(st.floats(2.0, 400.0)),
        validated_token=draw(share) * seconds / 2e4,
        sample=draw(share) * seconds,
        save=draw(share) * seconds,
        whole=draw(share) * seconds,
    )
    return seconds, draw(st.floats(0.0, 0.3)) * seconds, costs


WISHES = st.one_of(st.just(0), st.integers(1, 500))
# the last of 9 steps could be paid, but its validation not
TIGHT = (11.0, 0.0, replace(COSTS, step=0.5, sample=0.9, whole=0.0))


@LAWS
@given(many_costs(), WISHES)
@example(TIGHT, 4)
def test_a_run_of_these_costs_takes_its_time_and_no_more(situation, wish):
    seconds, gone, costs = situation
    pace = pace_of(seconds, now=gone)
    [plan], every, _ = run(pace, costs, wish=wish, looks=False)
    one_validation = costs.validation(whole_split(every))
    if plan.total_steps > 1:
        # where there is hardly time for a step, none is kept for the second measurement
        tight = pace_of(seconds, now=gone).left < costs.step + 2 * (one_validation + costs.whole)
        assert pace.left >= -tight * costs.whole - 1e-6
        assert tight or pace.clock.now <= seconds
    else:  # there is always one step, whatever it takes
        least = gone + costs.step + 2 * one_validation + 2 * costs.whole
        assert pace.clock.now == pytest.approx(least)
    assert pace.left <= costs.step + one_validation + 1e-6


@LAWS
@given(many_costs(), WISHES)
@example(TIGHT, 4)
def test_whatever_validations_take_no_more_than_one_is_over_or_two_are_left(situation, wish):
    seconds, gone, costs = situation
    pace = pace_of(seconds, now=gone)
    [plan], every, _ = run(pace, costs, subset, wish, looks=False)
    one_validation = costs.validation(subset(every + 1))
    if plan.total_steps > 1:
        assert pace.left >= -one_validation - 1e-6
    assert pace.left <= costs.step + 2 * one_validation + 1e-6


@LAWS
@given(many_costs(), WISHES)
@example(TIGHT, 4)
def test_a_run_whose_costs_came_true_keeps_its_steps(situation, wish):
    seconds, gone, costs = situation
    plans, _, _ = run(pace_of(seconds, now=gone), costs, subset, wish)
    assert plans[-1].total_steps == plans[0].total_steps


def test_the_time_left_is_counted_from_when_the_user_began_to_wait():
    pace = Pace(seconds=300.0, began=1000.0, clock=Clock(1007.0))
    assert pace.left == pytest.approx(300.0 * (1 - SAFETY) - LEAVING_SECONDS - 7.0)
    assert Pace(seconds=1.0, began=0.0).clock is time.perf_counter


@pytest.mark.parametrize("gone", [0.0, 9.0, 10.0, 1e6])
@pytest.mark.parametrize("wish", [0, 5])
def test_there_is_always_one_step_even_when_the_budget_is_gone(gone, wish):
    plan = pace_of(10.0, now=gone).first_plan(replace(COSTS, step=60.0), subset, wish)
    assert plan == Plan(total_steps=1, eval_interval=wish or 1)


@LAWS
@given(st.integers(1, 1000))
def test_the_wish_for_an_interval_is_heeded(wish):
    assert pace_of(60.0).first_plan(COSTS, subset, wish).eval_interval == wish


def test_without_a_wish_cheap_validations_come_ten_times():
    plans, _, validated = run(pace_of(600.0), COSTS)
    assert len(validated) - 1 in (VALIDATIONS, VALIDATIONS + 1)  # and one at the end
    assert 600.0 * (1 - SAFETY) - 7 < plans[0].total_steps * COSTS.step + 11 * 0.46 < 600.0


@pytest.mark.parametrize(("sample", "count"), [(2.0, 10), (10.0, 4), (20.0, 2), (30.0, 1)])
def test_dear_validations_come_seldom(sample, count):
    costs = replace(COSTS, sample=sample)
    _, _, validated = run(pace_of(600.0), costs)
    assert len(validated) - 1 in (count, count + 1)
    assert count * costs.validation(8192) <= VALIDATION_SHARE * 600.0


@LAWS
@given(many_costs())
@example((60.0, 0.0, replace(COSTS, step=3.5)))
def test_validations_take_their_share_and_no_more(situation):
    seconds, gone, costs = situation
    _, every, validated = run(pace_of(seconds, now=gone), costs)
    later = len(validated) - 1  # that of step 0 belongs to the start
    assert later <= VALIDATIONS
    if later > 1:
        assert later * costs.validation(whole_split(every)) <= VALIDATION_SHARE * seconds


def watched(factor: float, until: float) -> tuple[list[float], list[Plan]]:
    """Take steps that last `factor` times what was measured, from the start until a moment.

    Returns when plans were put right, and those plans.
    """
    pace = pace_of(100.0)
    plan = pace.first_plan(COSTS, lambda every: 0, 10**6)
    moments, plans = [], [plan]
    for step in range(1, plan.total_steps):
        pace.clock.now += factor * COSTS.step
        if pace.clock.now > until:
            break
        if (better := pace.better_plan(plans[-1], step, newest_is_best=False)) is not None:
            moments.append(pace.clock.now)
            plans.append(better)
    return moments, plans


@pytest.mark.parametrize("factor", [0.99, 1.0, 1.01])
def test_a_forecast_that_comes_true_is_left_alone(factor):
    assert watched(factor, until=99.0)[0] == []


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_a_slip_is_put_right_once_when_more_than_half_is_spent(factor):
    moments, plans = watched(factor, until=99.0)
    assert len(moments) == 1
    looked_from = 100.0 * LOOK_FROM * min(1.0, factor)
    assert looked_from - 3.0 < moments[0] < looked_from + 100.0 * CONFIRMED + 2.0
    first, second = plans
    at = round(moments[0] / (factor * COSTS.step))
    assert second == first.replanned(at, second.total_steps)
    assert second.total_steps == pytest.approx(first.total_steps / factor, rel=0.01)


def test_a_slip_that_passes_is_none():
    pace = pace_of(100.0)
    plan = pace.first_plan(COSTS, lambda every: 0, 10**6)
    for step in range(1, plan.total_steps):
        hiccup = 3.0 if step == 620 else 0.0  # the disk was busy for three seconds
        pace.clock.now += COSTS.step + hiccup
        if pace.clock.now > 65.0 + 100.0 * CONFIRMED:
            break
        assert pace.better_plan(plan, step, newest_is_best=False) is None


def test_before_a_first_plan_there_is_none_to_put_right():
    assert (
        pace_of(100.0, now=60.0).better_plan(Plan(total_steps=9999), 500, newest_is_best=True)
        is None
    )


def test_when_the_time_is_gone_one_more_step_is_taken():
    pace = pace_of(100.0)
    plan = pace.first_plan(COSTS, lambda every: 0, 10**6)
    pace.better_plan(plan, 100, newest_is_best=False)
    pace.clock.now = 98.0
    pace.better_plan(plan, 101, newest_is_best=False)
    pace.clock.now = 150.0
    pace.better_plan(plan, 102, newest_is_best=False)
    better = pace.better_plan(plan, 103, newest_is_best=False)
    assert better is None or better.total_steps == 104


@LAWS
@given(st.floats(0.6, 1.9), st.integers(50, 500))
def test_a_machine_that_is_slower_or_faster_than_measured_ends_near_the_budget(factor, steps):
    costs = replace(COSTS, step=100.0 / steps)
    pace = pace_of(100.0)
    plans, every, _ = run(pace, costs, slower=lambda spent: factor)
    one = factor * (costs.step + costs.validation(whole_split(every)))
    assert len(plans) <= (2 if 0.8 <= factor <= 1.25 else 3)
    assert abs(pace.left) <= SLIP * 100.0 + 2 * one


@pytest.mark.parametrize("when", [0.25, 0.4, 0.5])
@pytest.mark.parametrize("factor", [0.67, 1.5])
def test_a_machine_whose_pace_changes_on_the_way_ends_near_the_budget(when, factor):
    pace = pace_of(100.0)
    plans, _, _ = run(pace, COSTS, slower=lambda spent: factor if spent > when * 100.0 else 1.0)
    assert len(plans) == 2
    assert abs(pace.left) <= 0.05 * 100.0


@pytest.mark.parametrize("busy", [3.0, 6.0, 12.0])
@pytest.mark.parametrize("until", [0.0, 10.0, 30.0])
def test_a_machine_that_was_busy_at_the_start_is_seen_early_and_its_time_is_used(busy, until):
    def slower(spent: float) -> float:
        return 1.0 if spent < until else 1.0 / busy

    pace = pace_of(100.0)
    plans, _, validated = run(pace, COSTS, slower=slower)
    first, second = plans[:2]
    assert second.earlier[-1].until < 0.6 * first.total_steps and second.total_steps > (
        first.total_steps * (2 if until < 30.0 else 1.5)
    )
    assert abs(pace.left) <= 0.05 * 100.0
    assert len(plans) <= 4
    assert len(validated) <= 2 * VALIDATIONS  # they do not come as often as for so few steps


@pytest.mark.parametrize("busy", [3.0, 6.0, 12.0])
def test_a_machine_that_becomes_busy_is_seen_early_and_does_not_make_the_run_late(busy):
    pace = pace_of(100.0)
    plans, _, validated = run(pace, COSTS, slower=lambda spent: busy if spent > 10.0 else 1.0)
    assert plans[1].total_steps < 0.7 * plans[0].total_steps
    assert abs(pace.left) <= busy * (COSTS.step + COSTS.validation(8192) + COSTS.whole) + 5.0
    assert len(validated) > 2


def test_what_changes_after_a_small_slip_was_put_right_is_followed_where_it_is_large():
    pace = pace_of(100.0)
    plans, _, _ = run(pace, COSTS, slower=lambda spent: 1.2 if spent < 75.0 else 0.3)
    assert len(plans) == 3
    assert abs(pace.left) <= 0.05 * 100.0


@pytest.mark.parametrize("dear", [4.0, 20.0, 60.0])
def test_validations_that_were_measured_beside_others_give_their_time_back(dear):
    thought = replace(COSTS, validated_token=dear * 2e-5, whole=dear * 0.3)
    pace = pace_of(120.0, now=30.0)
    plan, step = pace.first_plan(thought, whole_split, 0), 0
    first, real = plan, COSTS.validation(8192)
    pace.clock.now += real
    while step < plan.total_steps:
        step += 1
        pace.clock.now += COSTS.step + (real if plan.validates(step) else 0.0)
        plan = pace.better_plan(plan, step, newest_is_best=False) or plan
    pace.clock.now += 2 * COSTS.whole
    assert plan.total_steps > first.total_steps
    assert abs(pace.left) <= 0.05 * 120.0
    assert pace.clock.now <= 120.0


def test_who_went_back_is_looked_at_anew():
    pace = pace_of(100.0)
    plan = pace.first_plan(COSTS, whole_split, 10**6)
    for step in range(1, 400):  # by and by 2.5 times slower, and back at step 100
        pace.clock.now += 2.5 * COSTS.step
        if (better := pace.better_plan(plan, step, newest_is_best=False)) is not None:
            plan = better
            break
    pace.look_again()
    assert pace.marks == [] and not pace.suspected
    assert pace.better_plan(plan, step - 20, newest_is_best=False) is None
    assert plan.replanned(step - 20, step).earlier[-1].until == step - 20


@pytest.mark.parametrize(("slow_steps", "replans"), [(90, 0), (100, 1)])
def test_a_slip_that_is_sure_when_little_is_left_cuts_nothing(slow_steps, replans):
    pace, found = pace_of(100.0), 0
    plan = pace.first_plan(replace(COSTS, whole=0.3), lambda every: 0, 10**6)
    slow_from = plan.total_steps - slow_steps
    for step in range(1, plan.total_steps):
        pace.clock.now += COSTS.step * (1.5 if step > slow_from else 1.0)
        if (better := pace.better_plan(plan, step, newest_is_best=False)) is not None:
            found += 1
            assert (plan.total_steps - better.total_steps) * 1.5 * COSTS.step > SLIP * 100.0
            break
    assert found == replans


def test_one_step_alone_is_no_pace():
    pace = pace_of(100.0)
    plan = pace.first_plan(replace(COSTS, step=8.0), whole_split, 10**6)
    pace.clock.now += 0.5
    for step in (1, 2, 3, 4):  # whose figures come late: a device that works on its own
        pace.clock.now += 1e-3
        assert pace.better_plan(plan, step, newest_is_best=False) is None


def test_a_plan_that_fits_what_was_seen_is_not_changed():
    found = [
        better
        for factor in (0.3, 0.5, 0.8, 1.3, 2.0, 4.0)
        for steps in (5, 9, 40, 200)
        for before, better in pairwise(
            run(pace_of(60.0), replace(COSTS, step=60.0 / steps, sample=1.0),
                slower=lambda spent, factor=factor: factor)[0]
        )
        if (before.total_steps, before.eval_interval) == (better.total_steps, better.eval_interval)
    ]  # fmt: skip
    assert found == []


def test_where_one_validation_is_all_there_is_time_for_it_comes_at_the_end():
    pace = pace_of(60.0)
    costs = replace(COSTS, step=0.5, sample=5.0)
    plans, _, validated = run(pace, costs, slower=lambda spent: 3.0)
    assert len(plans) > 1
    assert validated[-1] == plans[-1].total_steps
    assert abs(pace.left) <= 3.0 * (costs.step + costs.whole) + SLIP * 60.0


def test_a_wish_for_an_interval_outlasts_every_change():
    plans, _, _ = run(pace_of(100.0), COSTS, wish=7, slower=lambda spent: 1.0 / 6.0)
    assert len(plans) > 1 and {plan.eval_interval for plan in plans} == {7}


@pytest.mark.parametrize("share", [0.05, 0.1, 0.25])
def test_time_for_a_second_measurement_is_kept_and_given_back_where_none_is_needed(share):
    costs = replace(COSTS, whole=100.0 * share)
    kept, given_back = pace_of(100.0), pace_of(100.0)
    [plan], _, _ = run(kept, costs)
    plans, _, _ = run(given_back, costs, overfits=False)
    assert plans[0] == plan and plans[1].total_steps > plan.total_steps
    for pace in (kept, given_back):  # neither is late, and neither leaves much of its time
        assert -0.5 <= pace.left <= 2.0


@LAWS
@given(many_costs(), WISHES)
def test_what_a_second_measurement_would_have_cost_is_all_that_is_left_of_the_time(situation, wish):
    seconds, gone, costs = situation
    pace = pace_of(seconds, now=gone)
    plans, every, _ = run(pace, costs, wish=wish, overfits=False)
    one = costs.step + costs.validation(whole_split(every))
    assert pace.left <= costs.whole + one + 1e-6
    if plans[-1].total_steps > 1:
        assert pace.left >= -one - 1e-6


@pytest.mark.parametrize(("gone", "short"), [(0.0, False), (7.0, False), (8.5, True), (60.0, True)])
def test_a_budget_that_one_step_is_too_much_for_is_called_too_short(gone, short):
    costs = replace(COSTS, validated_token=0.0, sample=0.0)  # 0.3 s with its validations, 1 s after
    pace = pace_of(10.0, now=gone)
    run(pace, costs, looks=False, overfits=False)
    assert pace.too_short == short == (pace.left < 0.0)


def test_where_two_measurements_leave_no_time_for_a_step_time_is_kept_for_one():
    pace = pace_of(60.0)
    costs = replace(COSTS, step=4.0, whole=28.0)
    [plan], _, _ = run(pace, costs, looks=False, overfits=False)
    assert plan.total_steps > 4 and not pace.too_short
    assert 0.0 <= pace.left <= costs.step


def test_a_validation_costs_both_losses_a_sample_and_a_checkpoint():
    assert COSTS.validation(1000) == pytest.approx(2 * 1000 * 1e-5 + 0.2 + 0.1)
    assert math.isclose(COSTS.validation(0), 0.3)
