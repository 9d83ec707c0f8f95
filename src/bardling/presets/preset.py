"""What a named run is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bardling.config import RunConfig
from bardling.training.config import seconds_of_budget


@dataclass(frozen=True, kw_only=True)
class Size:
    """What a preset changes for runs of at most so much time."""

    up_to_seconds: float
    settings: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A run by name."""

    config: RunConfig
    about: str
    """One line for the table."""
    assumptions: tuple[str, ...] = ()
    """What the source leaves open, and what we took: each is our assumption."""
    sizes: tuple[Size, ...] = ()
    """Other sizes for budgets in time, the shortest first."""

    def for_budget(self, budget: str | None) -> RunConfig:
        """Return the settings for a budget: in time the fitting size's, else the preset's own."""
        seconds = None if budget is None else seconds_of_budget(budget)
        fitting = [s for s in self.sizes if seconds is not None and seconds <= s.up_to_seconds]
        return self.config.with_overrides(**fitting[0].settings) if fitting else self.config
