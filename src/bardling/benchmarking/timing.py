"""Measuring by turns: warmed up, repeated, and compared within a round, where the machine is one.

A machine is faster in one minute than in the next. Things that take turns see the same minutes, so
their ratio holds where neither figure does; its spread over the rounds says how well.
"""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

ROUNDS = 5


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A figure measured several times."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, figures: list[float]) -> "Spread":
        """Sum up figures, of which there is at least one."""
        return cls(median=statistics.median(figures), lowest=min(figures), highest=max(figures))


def by_turns(
    works: Mapping[str, Callable[[], float]], *, rounds: int = ROUNDS, warm_up: bool = True
) -> dict[str, list[float]]:
    """Return what each work measured in each round, after one that warms up and does not count."""
    for work in works.values() if warm_up else ():
        work()
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            found[name].append(work())
    return found


def ratio(first: list[float], second: list[float]) -> Spread:
    """Return the ratio of two works, round by round."""
    return Spread.of([a / b for a, b in zip(first, second, strict=True)])
