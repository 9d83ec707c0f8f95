"""Loss spikes: a batch whose loss is far above what was usual just before. No torch here.

Mean and variance run along with weights that fall by a hundredth a step, so that a falling loss is
followed and one batch moves them little. What counts is written into the log with its step, and
`bardling data show RUN --step N` shows the text of that batch.
"""

import math
from dataclasses import dataclass

WINDOW = 100  # steps that the mean mostly looks back
FIRST = 50  # steps before anything is unusual
SIGMAS = 6.0
LEAST = 0.05  # of the mean; what is less is no spike, however even the losses were


@dataclass(frozen=True, kw_only=True)
class Usual:
    """What losses of a run were usual lately."""

    mean: float = 0.0
    """Nats per token."""
    variance: float = 0.0
    steps: int = 0

    @property
    def highest(self) -> float:
        """The highest loss that is no spike."""
        if self.steps < FIRST:
            return math.inf
        return self.mean + max(SIGMAS * math.sqrt(self.variance), LEAST * self.mean)

    def after(self, loss: float) -> "Usual":
        """Return what is usual one step later; a spike counts as the highest that is none."""
        if not math.isfinite(loss):
            return self
        weight = max(1.0 / (self.steps + 1), 1.0 / WINDOW)
        away = min(loss, self.highest) - self.mean
        return Usual(
            mean=self.mean + weight * away,
            variance=(1.0 - weight) * (self.variance + weight * away**2),
            steps=self.steps + 1,
        )
