"""Who is told what a run does.

`run.py` reports to a `Watcher` and does not know whether that is a terminal, a test or nobody.
The base class is nobody: it hears everything and says nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from bardling.evaluation.checks.finding import Finding
from bardling.training.step import StepResult


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What is known before the first step."""

    name: str
    corpus: str
    train_tokens: int
    val_tokens: int
    vocab_size: int
    parameters: int
    decayed: int
    """Parameters that weight decay acts on."""
    frozen: int = 0
    """Parameters that are not trained."""
    start_step: int
    total_steps: int
    batch_tokens: int
    """Tokens of one optimizer step."""
    val_subset_tokens: int | None
    """Tokens of a validation during the run; None for the whole split."""
    longest_document: int = 0
    """Tokens of the longest validation document where the language is known, else 0."""
    n_pairs: int = 0
    """Pairs of answers to learn from, where that is the task."""
    batch_pairs: int = 0
    """Of them in one optimizer step."""
    floor: float | None = None
    """The least expected loss, in nats per token, where documents fit into the context."""
    chats: bool = False
    """Whether it learns to answer, so that one talks with it."""

    @property
    def passes(self) -> float:
        """How often each pair is learned from."""
        return self.total_steps * self.batch_pairs / self.n_pairs


class Watcher:
    """Hears of everything that happens in a run, and keeps silent."""

    def __enter__(self) -> "Watcher":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was found."""

    def note(self, text: str) -> None:
        """Hear something that the user should know, in one sentence."""

    def preparing(self, name: str, machine: str) -> None:
        """Hear which run it is and what will compute, before kernels are compiled or timed."""

    def replanned(self, total_steps: int) -> None:
        """Hear that a budget in time buys another number of steps than it first seemed."""

    def started(self, facts: RunFacts) -> None:
        """Hear what is about to be trained."""

    def checked(self, findings: Sequence[Finding]) -> None:
        """Hear what the quick checks before the first step found."""

    def stepped(self, result: StepResult, tokens_per_second: float) -> None:
        """Hear of one optimizer step."""

    def validated(self, record: Mapping[str, Any], *, best: bool) -> None:
        """Hear of a validation, as it stands in the log."""

    def finished(self, result: Mapping[str, Any], folder: str) -> None:
        """Hear how the run ended, as it stands in result.json."""
