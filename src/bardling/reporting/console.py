"""A run in a terminal: a bar and a table of validations, or plain lines where there is no screen.

Both say the same. The plain form is what ends up in log files and in pipes: no colours, no
carriage returns, one line for each validation.
"""

import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from bardling.evaluation.checks.finding import Finding
from bardling.reporting.screen import Screen
from bardling.reporting.watcher import RunFacts, Watcher
from bardling.training.step import StepResult

SHOWN_SAMPLE = 96  # characters of a sample, to see it improve


def clock(seconds: int | float) -> str:
    """Write a duration as 0:07, 12:30 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def count(number: int | float) -> str:
    """Write a number of parameters or tokens shortly: 912, 85.3k, 1.59M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.0f}"


def nats(loss: float | None) -> str:
    """Write a loss; the log has None for one that was not finite."""
    return "not finite" if loss is None else f"{loss:.4f}"


def excess(loss: float | None, floor: float | None) -> str:
    """Write a floor and how far a loss is above it; nothing where no floor is known."""
    if floor is None:
        return ""
    above = "" if loss is None else f" + {loss - floor:.4f}"
    return f" = floor {floor:.4f}{above}"


def bits(per_byte: float | None) -> str:
    """Write a loss in bits per byte; nothing where it is not known."""
    return "" if per_byte is None else f"  {per_byte:.4f} bits per byte"


def preferences(record: Mapping[str, Any]) -> str:
    """Write what became of preferences; nothing of a run that learns none."""
    if "val_accuracy" not in record:
        return ""
    return (
        f"  margin {nats(record['val_margin'])}  right {record['val_accuracy']:.1%}, "
        f"likelier {record['val_preferred']:.1%}"
    )


def _chance(facts: RunFacts) -> str:
    """Say what a model's loss is where it knows nothing, or has learned nothing yet."""
    if facts.n_pairs:
        return f"the model that it begins with has a loss of ln 2 = {math.log(2):.4f} nats per pair"
    return (
        f"a model that knows nothing has a loss of ln {facts.vocab_size} = "
        f"{math.log(facts.vocab_size):.4f} nats per token"
    )


class PlainConsole(Watcher):
    """One line for each thing that happens."""

    def __init__(self, console: Console, named: Callable[[str], None] = lambda name: None) -> None:
        self.console, self._named = console, named
        self.facts: RunFacts | None = None
        self.speed, self.step_tokens = 0.0, 0

    def note(self, text: str) -> None:
        """Say it, marked as something to notice."""
        self._say(("note", "yellow"), f"  {text}")

    def preparing(self, name: str, machine: str) -> None:
        """Say which run it is and what is going to compute."""
        self._say((name, "bold"))
        self._say(f"  on     {machine}")
        self._named(name)

    def replanned(self, total_steps: int) -> None:
        """Say that the steps were counted anew, where it is not only when to validate."""
        if self.facts is not None and total_steps != self.facts.total_steps:
            self._say(f"  pace   {self.facts.total_steps:,} steps become {total_steps:,}")
            self.facts = replace(self.facts, total_steps=total_steps)

    def started(self, facts: RunFacts) -> None:
        """Say what is trained on what, and what knowing nothing would give."""
        self.facts = facts
        subset = facts.val_subset_tokens
        total = facts.total_steps * facts.batch_tokens
        rest = facts.parameters - facts.decayed - facts.frozen
        trained = facts.parameters - facts.frozen
        share = f", {trained:,} of them trained ({trained / facts.parameters:.2%})"
        self._say(
            f"  text   {facts.corpus}: {facts.train_tokens:,} tokens to train on, "
            f"{facts.val_tokens:,} to validate"
        )
        self._say(
            f"  model  {count(facts.parameters)} parameters{share if facts.frozen else ''}; "
            f"weight decay on {facts.decayed:,}, not on {rest:,}"
        )
        passes = f"{total / facts.train_tokens:.3g} times the training text"
        if facts.n_pairs:
            passes = f"padding included, {facts.passes:.3g} times the pairs"
        self._say(
            f"  budget {facts.total_steps:,} steps of {facts.batch_tokens:,} tokens, {passes}"
        )
        if subset:
            self._say(f"  losses on {subset:,} tokens at a time, on the whole split at the end")
        if facts.start_step:
            self._say(f"  goes on from step {facts.start_step:,}")
        self._say(f"  chance {_chance(facts)}")
        if facts.floor is not None:
            self._say(f"  floor  one that knows the language has {facts.floor:.4f}, and none less")
        elif facts.longest_document:
            self._say(
                f"  floor  not comparable: documents have up to {facts.longest_document:,} tokens, "
                "more than the context"
            )
        self._say("")

    def checked(self, findings: Sequence[Finding]) -> None:
        """Say that all is well, or what is not."""
        passed = sum(finding.outcome == "passed" for finding in findings)
        self._say(f"  checks {passed} of {len(findings)} passed")
        for finding in findings:
            if finding.outcome in ("warned", "failed"):
                self.note(f"{finding.name}: {finding.detail}")

    def stepped(self, result: StepResult, tokens_per_second: float) -> None:
        """Keep the speed for the next line."""
        self.speed, self.step_tokens = tokens_per_second, result.tokens

    def validated(self, record: Mapping[str, Any], *, best: bool) -> None:
        """Say both losses, the speed and how long it will still take."""
        total = self.facts.total_steps if self.facts else 0
        left = (total - record["step"]) * self._seconds_per_step()
        tail = f"  {count(self.speed):>5} tokens/s  {clock(left):>5} left" if self.speed else ""
        self._say(
            f"step {record['step']:>{len(str(total))}}/{total}  "
            f"train {nats(record['train_loss'])}  val {nats(record['val_loss'])}"
            f"{self._beside(record)}{tail}",
            *([("  best", "green")] if best and record["step"] else []),
        )
        if sample := " ".join(record.get("sample", "").split()):
            shown = sample if len(sample) <= SHOWN_SAMPLE else sample[: SHOWN_SAMPLE - 3] + "..."
            self._say((f"  {shown}", "dim"))

    def finished(self, result: Mapping[str, Any], folder: str) -> None:
        """Say the losses over the whole split, and what to do next."""
        last, best = result["last"], result["best"]
        n_pairs = self.facts.n_pairs if self.facts else 0
        why = "budget spent" if result["stopped"] == "budget" else "no progress any more"
        self._say(
            f"\n{why}: {count(result['tokens'])} tokens in {clock(result['seconds'])}; "
            f"loss on the whole validation split, nats per {'pair' if n_pairs else 'token'}:"
        )
        floor = self.facts.floor if self.facts else None
        for name, one in (("best", best), ("last", last)):
            above = excess(one["val_loss"], floor) + bits(one.get("val_bits_per_byte"))
            above += preferences(one)
            self._say(f"  {name}   {nats(one['val_loss'])}{above}  (step {one['step']})")
        verb = "chat" if self.facts and self.facts.chats else "generate"
        self._say(f"  next   bardling {verb} {shlex.quote(folder)}\n")

    @staticmethod
    def _beside(record: Mapping[str, Any]) -> str:
        """Return what is said beside a loss: its floor, or else what can be compared elsewhere."""
        floor = record.get("val_floor")
        beside = excess(record["val_loss"], floor) or bits(record.get("val_bits_per_byte"))
        return beside + preferences(record)

    def _seconds_per_step(self) -> float:
        return self.step_tokens / self.speed if self.speed else 0.0

    def _say(self, *parts: str | tuple[str, str]) -> None:
        """Print texts and (text, style) pairs as one line."""
        self.console.print(Text.assemble(*parts), soft_wrap=True)


class LiveConsole(PlainConsole):
    """The same lines above a bar that moves with every step."""

    def __init__(self, console: Console, named: Callable[[str], None] = lambda name: None) -> None:
        super().__init__(console, named)
        self.bar = Progress(
            BarColumn(bar_width=16),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
        )
        self.task: TaskID | None = None

    def started(self, facts: RunFacts) -> None:
        """Say what is trained, then show the bar."""
        super().started(facts)
        self.task = self.bar.add_task("", total=facts.total_steps, completed=facts.start_step)
        self.bar.start()

    def stepped(self, result: StepResult, tokens_per_second: float) -> None:
        """Move the bar."""
        super().stepped(result, tokens_per_second)
        if self.task is None or self.facts is None:
            return
        left = (self.facts.total_steps - result.step) * self._seconds_per_step()
        self.bar.update(
            self.task,
            completed=result.step,
            description=(
                f"step {result.step}/{self.facts.total_steps}  loss {result.loss:.4f}  "
                f"{count(tokens_per_second)} tokens/s  {clock(left)} left"
            ),
        )

    def finished(self, result: Mapping[str, Any], folder: str) -> None:
        """Take the bar away and say how it ended."""
        self.bar.stop()
        super().finished(result, folder)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()


def open_console(
    console: Console | None = None, *, named: Callable[[str], None] = lambda name: None
) -> PlainConsole:
    """Return the form that fits where the output goes; `named` is told which run it is."""
    console = console or Screen()
    kind = LiveConsole if console.is_terminal else PlainConsole
    return kind(console, named)
