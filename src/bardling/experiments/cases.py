"""What an experiment compares, as values: settings, and how many seeds they are tried with.

No torch here.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from bardling.config import RunConfig
from bardling.errors import UsageError
from bardling.reporting.watcher import Watcher


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is compared: settings, and how many seeds they are tried with."""

    name: str
    about: str
    config: RunConfig
    n_seeds: int = 1
    stated: float | None = None
    """The loss that a source states for it."""

    @property
    def trials(self) -> list["Trial"]:
        """A trial for each seed, from the config's own on."""
        first = self.config.training.seed
        seeds = range(first, first + self.n_seeds)
        return [Trial(case=self, config=self.config.with_overrides(seed=seed)) for seed in seeds]

    def changed(self, *, n_seeds: int = 0, budget: str = "") -> "Case":
        """Return it with another number of seeds and another budget, where these are given."""
        config = self.config.with_overrides(budget=budget) if budget else self.config
        return replace(self, config=config, n_seeds=n_seeds or self.n_seeds)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One run of an experiment."""

    case: Case
    config: RunConfig

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.case.name}-seed{self.config.training.seed}"


def without_doubles(cases: list[Case]) -> list[Case]:
    """Return the cases, or raise `UsageError` where two have one name."""
    names = [case.name for case in cases]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"'{twice}' is there twice")
    return cases


Listen = Callable[[int, int, Trial], Watcher]
"""(number from 1, how many there are, trial) → who hears how it goes."""
