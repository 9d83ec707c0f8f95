"""An experiment in a terminal: a line that moves while a run is made, and one when it has ended."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.text import Text

from bardling.reporting.console import clock, nats
from bardling.reporting.watcher import RunFacts, Watcher
from bardling.training.step import StepResult


class TrialConsole(Watcher):
    """Hears of one run among others, and says little."""

    def __init__(self, console: Console, number: int, total: int, name: str) -> None:
        self.console = console
        self.place = f"{number:>{len(str(total))}}/{total}  {name}"
        self.status = console.status(self.place, refresh_per_second=4)
        self.total_steps, self.ended = 0, False

    def __enter__(self) -> "TrialConsole":
        if self.console.is_terminal:
            self.status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.status.stop()

    def note(self, text: str) -> None:
        """Say what should be known, but not that a run has ended before."""
        if "has ended already" in text:
            self.console.print(Text.assemble(self.place, ("  made before", "dim")))
        else:
            self.console.print(Text.assemble(("note", "yellow"), f"  {text}"))

    def started(self, facts: RunFacts) -> None:
        """Learn how long it will be."""
        self.total_steps = facts.total_steps

    def stepped(self, result: StepResult, tokens_per_second: float) -> None:
        """Move the line."""
        self.status.update(
            f"{self.place}  step {result.step:,} of {self.total_steps:,}  loss {result.loss:.3f}"
        )

    def finished(self, result: Mapping[str, Any], folder: str) -> None:
        """Say the loss of the last step."""
        self.status.stop()
        loss, seconds = result["last"]["val_loss"], result["seconds"]
        self.console.print(
            Text.assemble(self.place, "  ", (nats(loss), "bold"), f"  {clock(seconds)}")
        )
