"""How far a run has come: steps against a number of steps that may have been counted anew.

A budget in time is turned into steps before the first of them. When the machine turns out slower
or faster than it was then, the number is put right; from that step on the rest of the schedule is
spread over the steps that are left, so the learning rate goes on from where it was. What was
planned before stays known, so that a run that goes on from an earlier checkpoint takes the same
steps again. No torch here.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """What was planned until the plan was changed."""

    until: int
    """The step before which it was changed."""
    total_steps: int
    eval_interval: int = 0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The steps of a run, and when it validates."""

    total_steps: int
    eval_interval: int = 0
    """Steps between validations; 0 until the run has worked it out."""
    earlier: tuple[Stretch, ...] = ()
    """What was planned before, in order; nothing where it was never changed."""

    @property
    def first_interval(self) -> int:
        """Steps between validations as they were planned first."""
        return self.earlier[0].eval_interval if self.earlier else self.eval_interval

    def progress(self, step: int) -> tuple[float, float]:
        """Return the progress in [0, 1] at which `step` (from 0) begins, and what it makes."""
        begins, done = 0, 0.0
        for stretch in self.earlier:
            one_step = (1.0 - done) / (stretch.total_steps - begins)
            if step < stretch.until:
                break
            done += (stretch.until - begins) * one_step
            begins = stretch.until
        else:
            one_step = (1.0 - done) / (self.total_steps - begins)
        return done + (step - begins) * one_step, one_step

    def validates(self, step: int) -> bool:
        """Return whether there is a validation when `step` steps are taken."""
        past = (stretch.eval_interval for stretch in self.earlier if step <= stretch.until)
        return step == self.total_steps or step % next(past, self.eval_interval) == 0

    def replanned(self, step: int, total_steps: int, eval_interval: int = 0) -> "Plan":
        """Return the plan that takes `total_steps` from `step` on.

        Validations come as before, or every `eval_interval` steps. A run that went back to an
        earlier step forgets what was changed after it.
        """
        known = tuple(stretch for stretch in self.earlier if stretch.until < step)
        there = self.earlier[len(known)] if len(known) < len(self.earlier) else self
        past = Stretch(until=step, total_steps=there.total_steps, eval_interval=there.eval_interval)
        return Plan(
            total_steps=total_steps,
            eval_interval=eval_interval or self.eval_interval,
            earlier=(*known, past),
        )
