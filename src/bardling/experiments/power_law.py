"""loss(N, D) = E + A / N^a + B / D^b, fitted to runs of several sizes and several budgets.

Hoffmann et al. (2022), "Training compute-optimal large language models", section 3.3: a Huber loss
between logarithms, from many starts. How sure each number is, is said by fits to runs drawn anew
with replacement (Efron 1979). The optimizer is scipy's, of the extra `science`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from jaxtyping import Float64

from bardling.errors import UsageError
from bardling.extras import optional

HUBER = 1e-3
"""Residual of a logarithm from which on it counts linearly; Hoffmann et al.'s."""
DRAWS = 200
LEAST_RUNS = 8
"""For five numbers, so that something is left over to tell how sure they are."""
STARTS = tuple(product((0.1, 1.0), (0.0, 5.0), (0.0, 5.0), (0.3, 0.7), (0.3, 0.7)))
Points = Float64[np.ndarray, "runs 3"]
"""Parameters, tokens and loss of each run."""


@dataclass(frozen=True, kw_only=True)
class PowerLaw:
    """The five numbers of a fit."""

    irreducible: float
    """E: what no size and no text takes away, in nats per token."""
    of_size: float
    """A."""
    of_data: float
    """B."""
    size_power: float
    """a."""
    data_power: float
    """b."""

    def loss(self, parameters: float, tokens: float) -> float:
        """Return the loss of a model of that size after so many tokens."""
        return (
            self.irreducible
            + self.of_size / parameters**self.size_power
            + self.of_data / tokens**self.data_power
        )

    def best_size(self, flops: float) -> tuple[float, float]:
        """Return the parameters and tokens that end lowest for 6 N D = `flops` (equation 4)."""
        a, b = self.size_power, self.data_power
        ratio = (a * self.of_size / (b * self.of_data)) ** (1 / (a + b))
        parameters = ratio * (flops / 6) ** (b / (a + b))
        return parameters, flops / 6 / parameters


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A power law, how well it meets its runs, and how sure its numbers are."""

    law: PowerLaw
    error: float
    """Mean relative difference between the law and the runs."""
    intervals: dict[str, tuple[float, float]]
    """The middle 90 % of each number over runs drawn anew."""


def fit_power_law(points: Points, *, seed: int = 0, irreducible: float | None = None) -> Fit:
    """Return the fit to runs, each (parameters, tokens, loss), with E held where it is known.

    Raises `UsageError` for fewer than `LEAST_RUNS` runs, or where all have one size or one budget.
    """
    sizes, budgets = (len(set(column)) for column in points[:, :2].T)
    require_runs(len(points), sizes, budgets)
    law = _law(_best(points, STARTS, irreducible))
    random = np.random.default_rng(seed)
    drawn = [
        _law(_best(points[chosen], (_numbers(law),), irreducible))
        for chosen in (random.integers(0, len(points), len(points)) for _ in range(DRAWS))
        if min(len(set(column)) for column in points[chosen, :2].T) > 1
    ]
    found = {name: np.array([getattr(one, name) for one in drawn]) for name in vars(law)}
    predicted = np.array([law.loss(n, d) for n, d, _ in points])
    return Fit(
        law=law,
        error=float(np.mean(np.abs(predicted / points[:, 2] - 1))),
        intervals={
            name: (float(np.quantile(values, 0.05)), float(np.quantile(values, 0.95)))
            for name, values in found.items()
        },
    )


def require_runs(runs: int, sizes: int, budgets: int) -> None:
    """Raise `UsageError` unless so many runs can tell a law."""
    if runs < LEAST_RUNS or sizes < 2 or budgets < 2:
        raise UsageError(
            f"{runs} runs of {sizes} sizes and {budgets} budgets tell no law; "
            f"it takes {LEAST_RUNS} of several each"
        )


def _best(
    points: Points, starts: Sequence[Sequence[float]], irreducible: float | None
) -> Float64[np.ndarray, " 5"]:
    """Return the numbers that meet the runs best, of those found from all starts."""
    held = None if irreducible is None else float(np.log(irreducible))
    least_squares = optional("scipy.optimize", "science", "a power law").least_squares
    log_n, log_d, log_loss = np.log(points).T

    def terms(numbers: Any) -> Any:
        e, log_a, log_b, a, b = numbers
        floor = np.full_like(log_n, np.exp(e if held is None else held))
        return np.stack([floor, np.exp(log_a - a * log_n), np.exp(log_b - b * log_d)])

    def residuals(numbers: Any) -> Any:
        return np.log(terms(numbers).sum(axis=0)) - log_loss

    def slopes(numbers: Any) -> Any:
        parts = terms(numbers)
        floor, of_size, of_data = parts / parts.sum(axis=0)
        floor = floor if held is None else np.zeros_like(floor)
        return np.stack([floor, of_size, of_data, -log_n * of_size, -log_d * of_data], axis=1)

    bounds = ([-10.0, -20.0, -20.0, 0.01, 0.01], [5.0, 50.0, 50.0, 3.0, 3.0])
    fits = [
        least_squares(
            residuals, start, slopes,
            bounds=bounds, loss="huber", f_scale=HUBER, x_scale="jac",
        )
        for start in starts
    ]  # fmt: skip
    found: Float64[np.ndarray, " 5"] = min(fits, key=lambda fit: float(fit.cost)).x
    return found if held is None else np.concatenate(([held], found[1:]))


def _law(numbers: Sequence[float] | Float64[np.ndarray, " 5"]) -> PowerLaw:
    e, log_a, log_b, a, b = (float(number) for number in numbers)
    return PowerLaw(
        irreducible=float(np.exp(e)),
        of_size=float(np.exp(log_a)),
        of_data=float(np.exp(log_b)),
        size_power=a,
        data_power=b,
    )


def _numbers(law: PowerLaw) -> tuple[float, ...]:
    logs = np.log([law.irreducible, law.of_size, law.of_data])
    return (*(float(one) for one in logs), law.size_power, law.data_power)
