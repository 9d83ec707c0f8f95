"""A budget in time: how many steps it buys, worked out once before the first of them.

The time is what the user waits for the whole command: start, compiling, steps, validations,
samples, saves and the last measurement. What each costs is measured on throwaway steps. Halfway
the forecast is looked at, and put right once if it slipped. Both numbers go into the run's
config, so that a resumed run takes exactly the steps of the uninterrupted one.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from bardling.training.plan import Plan

VALIDATIONS = 10  # of a run with no other wish
VALIDATION_SHARE = 0.08  # of the time, for validations with their samples and saves
SLIP = 0.02  # of the budget; a forecast further off is put right
LEAVING_SECONDS = 0.4  # from the last line to the shell's prompt
SAFETY = 0.01  # of the budget, kept for what nobody measured


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What things take on this machine, in seconds."""

    step: float
    validated_token: float
    sample: float
    save: float
    whole: float
    """The loss on the whole validation split, at the end."""

    def validation(self, tokens: int) -> float:
        """Return the seconds of a validation over `tokens` of each split, and what goes with it."""
        return 2 * tokens * self.validated_token + self.sample + self.save


@dataclass(frozen=True, kw_only=True)
class Pace:
    """A number of seconds to be spent, counted from when the user began to wait."""

    seconds: float
    began: float
    """When that was, by `time.perf_counter`."""
    clock: Callable[[], float] = time.perf_counter

    @property
    def left(self) -> float:
        """Seconds until the last measurement should be done."""
        end = self.began + self.seconds * (1.0 - SAFETY) - LEAVING_SECONDS
        return end - self.clock()

    def first_plan(
        self, costs: Costs, subset_tokens: Callable[[int], int], eval_interval_steps: int
    ) -> tuple[Plan, int]:
        """Return the steps that the time left buys, and the steps between validations.

        `subset_tokens` tells how many tokens a validation uses when it comes every so many steps;
        `eval_interval_steps` is the user's wish, 0 for none. There is always one step.
        """
        left = self.left - costs.whole
        share = int(VALIDATION_SHARE * left / costs.validation(subset_tokens(1)))
        count = min(VALIDATIONS, max(1, share))

        def interval(steps: int) -> int:
            return eval_interval_steps or max(1, steps // count)

        def seconds(steps: int) -> float:
            every = interval(steps)
            return steps * costs.step + (1 + steps // every) * costs.validation(
                subset_tokens(every)
            )

        low, high = 1, max(2, int(left / costs.step) + 1)
        while low + 1 < high:
            middle = (low + high) // 2
            low, high = (middle, high) if seconds(middle) <= left else (low, middle)
        return Plan(total_steps=low), interval(low)

    def second_plan(self, plan: Plan, step: int, trained: float, costs: Costs) -> Plan | None:
        """Return a better plan at half the time, or None while the first one will do.

        `trained` are the seconds since the first step, validations included, in which `step`
        steps were taken.
        """
        if plan.replanned_at or self.left > self.seconds / 2 or step < 2:
            return None
        left = self.left - costs.whole
        per_step = trained / step
        missing = (plan.total_steps - step) * per_step - left
        if abs(missing) <= SLIP * self.seconds:
            return None
        return plan.replanned(step, step + max(1, int(left / per_step)))
