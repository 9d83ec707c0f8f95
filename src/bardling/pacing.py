"""A budget in time: how many steps it buys, worked out before the first of them.

The time is what the user waits for the whole command: start, compiling, steps, validations,
samples, saves and the last measurements. What each costs is measured on throwaway steps, and how
long they really take is watched. A forecast that is far off is put right wherever it is seen to
be, one that slipped a little once, when more than half is spent. All numbers go into the run's
config, so that a resumed run takes exactly the steps of the uninterrupted one.

At its end a run measures its last step on the whole validation split, and its best step too where
that is another one. Time for both is kept from the start; that for the second is spent on steps
when the forecast is looked at and the newest validation is the best so far.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bardling.training.plan import Plan

VALIDATIONS = 10  # of a run with no other wish
VALIDATION_SHARE = 0.08  # of the time, for validations with their samples and saves
SLIP = 0.02  # of the budget; a forecast further off is put right
LOOK_FROM = 0.6  # of the time or the steps: what is left then can slip less
FAR_OFF = 0.25  # of the budget, later of what is left: put right at any time, and again
WATCHED = 0.2  # of the budget: the last part, by which the pace is judged
CONFIRMED = 0.06  # of the budget: how long a slip has to last, by the clock or by the forecast
CHEAPER = 0.5  # of what validations were thought to take: then they were measured beside others
LEAST_LOOKS = 4  # since a slip was first seen: one step alone is no pace
LEAVING_SECONDS = 0.4  # from the last line to the shell's prompt
SAFETY = 0.02  # of the budget, kept for what nobody measured


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What things take on this machine, in seconds."""

    step: float
    validated_token: float
    sample: float
    save: float
    whole: float
    """The loss of one step on the whole validation split, at the end."""

    def validation(self, tokens: int) -> float:
        """Return the seconds of a validation over `tokens` of each split, and what goes with it."""
        return 2 * tokens * self.validated_token + self.sample + self.save


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """How long a run takes if everything costs what was measured."""

    costs: Costs
    every: int
    """Steps between validations."""
    validation: float
    """Seconds of one of them."""
    begins: int = 0
    """The step that it is counted from."""

    def until(self, step: int) -> float:
        """Return the seconds until a step on the way is done, with its validation if it has one."""
        validations = step // self.every - self.begins // self.every
        return (step - self.begins) * self.costs.step + validations * self.validation

    def seconds(self, steps: int) -> float:
        """Return the seconds of a run of so many steps, which ends with a validation."""
        validations = -(-steps // self.every) - self.begins // self.every
        return (steps - self.begins) * self.costs.step + validations * self.validation

    def slower(self, factor: float, step: int) -> "Forecast":
        """Return the forecast from a step on, if all takes `factor` times what was thought."""
        costs = replace(self.costs, step=factor * self.costs.step, whole=factor * self.costs.whole)
        return replace(self, costs=costs, validation=factor * self.validation, begins=step)


@dataclass(kw_only=True)
class Pace:
    """A number of seconds to be spent, counted from when the user began to wait."""

    seconds: float
    began: float
    """When that was, by `clock`."""
    clock: Callable[[], float] = time.perf_counter
    forecast: Forecast | None = None
    marks: list[tuple[float, float]] = field(default_factory=list)
    """Moments of the last while, and how long getting there should have taken."""
    too_short: bool = False
    """Whether the first plan found no time for the one step that there always is."""
    suspected: bool = False
    """Whether a slip was seen, at the first of the `marks`, that is not confirmed yet."""
    wish: int = 0
    """The user's, for steps between validations; 0 for none."""
    put_right: bool = False
    """Whether a small slip was."""
    planned: float = 0.0
    """When the first plan was made."""

    @property
    def left(self) -> float:
        """Seconds until the last measurements should be done."""
        end = self.began + self.seconds * (1.0 - SAFETY) - LEAVING_SECONDS
        return end - self.clock()

    def first_plan(
        self, costs: Costs, subset_tokens: Callable[[int], int], eval_interval_steps: int
    ) -> Plan:
        """Return the steps that the time left buys, and those between validations.

        `subset_tokens` tells how many tokens a validation uses when it comes every so many steps;
        `eval_interval_steps` is the user's wish, 0 for none. There is always one step.
        """
        left, count = self.left - 2 * costs.whole, VALIDATIONS
        self.wish = eval_interval_steps

        def forecast(steps: int) -> Forecast:
            every = eval_interval_steps or -(-steps // count)
            return Forecast(
                costs=costs, every=every, validation=costs.validation(subset_tokens(every))
            )

        def seconds(steps: int) -> float:  # with the validation at step 0
            return forecast(steps).validation + forecast(steps).seconds(steps)

        if seconds(1) > left:  # so few steps hardly leave their best behind them
            left += costs.whole
        self.too_short = seconds(1) > left
        share = int(VALIDATION_SHARE * left / costs.validation(subset_tokens(1)))
        count = min(VALIDATIONS, max(1, share))
        steps = _most(lambda n: seconds(n) <= left, 1, int(left / costs.step) + 1)
        self.forecast, self.planned = forecast(steps), self.clock()
        return Plan(total_steps=steps, eval_interval=self.forecast.every)

    def better_plan(self, plan: Plan, step: int, *, newest_is_best: bool) -> Plan | None:
        """Look at the time after `step` steps; return a better plan, or None if this one will do.

        Where the `newest_is_best` of the validations, no other step is thought to need measuring.
        A slip has to last for a while; the pace of that while is then taken for the rest.
        """
        if self.forecast is None or step >= plan.total_steps:
            return None
        now = self.clock()
        if not self.marks or plan.validates(step):  # the first step comes after a validation too
            self._see_validation(now - (self.marks[-1][0] if self.marks else self.planned))
        expected = self.forecast.until(step)
        since = -math.inf if self.suspected else now - WATCHED * self.seconds
        self.marks = [m for m in self.marks if m[0] >= since] + [(now, expected)]
        then, before = self.marks[0]
        if expected <= before or now <= then:
            return None
        slower = (now - then) / (expected - before)
        still = slower * (self.forecast.seconds(plan.total_steps) - expected)
        left = self.left - (1 if newest_is_best else 2) * slower * self.forecast.costs.whole
        missing = abs(min(still - left, still))  # no more than all that is still to come is saved
        far_off, late = self._far_off(), self._late(still / slower)
        if missing <= (SLIP * self.seconds if late and not self.put_right else far_off):
            self.suspected = False
        elif not self.suspected:
            self.suspected, self.marks = True, [(now, expected)]
        elif len(self.marks) > LEAST_LOOKS and (
            max(now - then, expected - before) >= CONFIRMED * self.seconds
        ):
            self.put_right |= late
            fits = self.forecast.slower(slower, step)
            return self._put_right(fits, plan, step, left, far=missing > far_off)
        return None

    def look_again(self) -> None:
        """Forget what was seen of the pace: the run went back to an earlier step."""
        self.marks, self.suspected = [], False

    def _see_validation(self, seconds: float) -> None:
        """Take what a validation and a step really took where that is much less than was thought.

        What the last measurements take is at most as much of what was thought as all of these
        seconds are of the part of a validation that reads tokens.
        """
        if self.forecast is None or seconds >= CHEAPER * self.forecast.validation:
            return
        costs = self.forecast.costs
        reading = self.forecast.validation - costs.sample - costs.save
        if seconds < reading:
            costs = replace(costs, whole=costs.whole * seconds / reading)
        self.forecast = replace(self.forecast, costs=costs, validation=seconds)
        self.look_again()

    def _far_off(self) -> float:
        """Return the seconds by which a forecast may be off at any time."""
        return max(SLIP * self.seconds, FAR_OFF * (self.left if self.put_right else self.seconds))

    def _late(self, still_expected: float) -> bool:
        """Return whether so little is left, by the clock or by the forecast, that it slips less."""
        return min(self.left, still_expected) <= (1.0 - LOOK_FROM) * self.seconds

    def _put_right(
        self, fits: Forecast, plan: Plan, step: int, left: float, *, far: bool
    ) -> Plan | None:
        """Return the plan whose steps, by a forecast of what is left, take the seconds left.

        Where the old one was `far` off, so are the steps between its validations. None where the
        old one fits the forecast too.
        """
        if far and not self.wish:
            seldom = int(VALIDATION_SHARE * left / fits.validation)
            count = max(1, min(seldom, round(VALIDATIONS * (1.0 - plan.progress(step)[0]))))
            most = (left - count * fits.validation) / fits.costs.step
            every = step + most if count == 1 else most / count  # the last one is at the end
            fits = replace(fits, every=max(1, math.ceil(every)))
        longest = step + 1 + int(max(0.0, left) / fits.costs.step)
        steps = _most(lambda n: fits.seconds(n) <= left, step + 1, longest)
        self.forecast = fits
        self.look_again()
        if (steps, fits.every) == (plan.total_steps, plan.eval_interval):
            return None
        return plan.replanned(step, steps, fits.every)


def _most(fits: Callable[[int], bool], least: int, most: int) -> int:
    """Return the largest number between two that fits, the least where none does."""
    low, high = least, max(least, most) + 1
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
