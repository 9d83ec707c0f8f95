"""How far a run has come: steps against a number of steps that may have been counted anew.

A budget in time is turned into steps before the first of them. When the machine turns out slower
or faster than it was then, the number is put right once; from that step on the rest of the
schedule is spread over the steps that are left, so the learning rate goes on from where it was.
No torch here.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The steps of a run."""

    total_steps: int
    replanned_at: int = 0
    """The step before which the number was changed; 0 when it never was."""
    first_total_steps: int = 0
    """The number before that."""

    def progress(self, step: int) -> tuple[float, float]:
        """Return the progress in [0, 1] at which `step` (from 0) begins, and what it makes."""
        if not self.replanned_at:
            one_step = 1.0 / self.total_steps
            return step * one_step, one_step
        if step < self.replanned_at:
            one_step = 1.0 / self.first_total_steps
            return step * one_step, one_step
        done = self.replanned_at / self.first_total_steps
        one_step = (1.0 - done) / (self.total_steps - self.replanned_at)
        return done + (step - self.replanned_at) * one_step, one_step

    def replanned(self, step: int, total_steps: int) -> "Plan":
        """Return the plan that takes `total_steps` from `step` on."""
        return Plan(total_steps=total_steps, replanned_at=step, first_total_steps=self.total_steps)
