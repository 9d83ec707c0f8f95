"""A run small enough for tests: a text, settings, and what they need around them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bardling.config import RunConfig
from bardling.data.sums import sums
from bardling.presets.table import config_for
from bardling.reporting.watcher import RunFacts, Watcher
from bardling.training.step import StepResult

SETTINGS: dict[str, Any] = {
    "n_layer": 2,
    "n_head": 2,
    "n_embd": 16,
    "block_size": 16,
    "batch_size": 8,
    "optimizer": "adamw",
    "lr": 1e-2,
    "budget": "12steps",
    "eval_interval_steps": 4,
    "log_interval_steps": 1,
    "sample_tokens": 5,  # every token costs some ten thousand type checks here
    "precision": "fp32",  # on every machine the same figures
    "compile": "off",
    "quick_checks": False,  # they have tests of their own
}


def write_text(folder: Path, n_lines: int = 150) -> Path:
    """Write a small corpus and return its path."""
    path = folder / "sums.txt"
    path.write_text(sums(3, n_lines=n_lines))
    return path


def tiny_config(text: Path, **overrides: Any) -> RunConfig:
    """Return the settings of a run on `text` that takes a fraction of a second."""
    return config_for(str(text)).with_overrides(**(SETTINGS | overrides))


class Listener(Watcher):
    """Keeps everything it hears."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.facts: list[RunFacts] = []
        self.results: list[StepResult] = []
        self.records: list[Mapping[str, Any]] = []
        self.ends: list[Mapping[str, Any]] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def started(self, facts: RunFacts) -> None:
        self.facts.append(facts)

    def stepped(self, result: StepResult, tokens_per_second: float) -> None:
        self.results.append(result)

    def validated(self, record: Mapping[str, Any], *, best: bool) -> None:
        self.records.append(record)

    def finished(self, result: Mapping[str, Any], folder: str) -> None:
        self.ends.append(result)
