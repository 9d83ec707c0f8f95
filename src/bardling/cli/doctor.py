"""`bardling doctor`: what this machine can do, what will be used of it, and what is off."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

import bardling
from bardling import storage
from bardling.cli.options import Folder, parse
from bardling.machine.facts import MachineFacts
from bardling.reporting.screen import Screen, show_text

WORD_WIDTH = 10


@dataclass(frozen=True, kw_only=True)
class DoctorArguments:
    """Look at this machine: what it can do, what a run will use, what is off. About 3 seconds."""

    json: bool = False
    """Print one JSON object instead of a page."""
    runs_dir: Folder = None
    """Where runs live: else BARDLING_RUNS, else ./runs."""


def run(argv: Sequence[str]) -> int:
    """Parse the options, look, measure, and say it."""
    arguments = parse(DoctorArguments, argv, prog="bardling doctor")
    with Screen(stderr=True).status("looking and measuring", refresh_per_second=4):
        facts = bardling.doctor(runs_dir=arguments.runs_dir)
    if arguments.json:
        values = dataclasses.asdict(facts) | {"advice": facts.advice}
        show_text(storage.json_bytes(values).decode())
    else:
        show(Screen(), facts)
    return 0


def show(screen: Screen, facts: MachineFacts) -> None:
    """Print the page."""
    about = f"{facts.bardling}, Python {facts.python}, torch {facts.torch}, {facts.system}"
    screen.print(Text.assemble(("bardling", "bold"), f" {about}\n"), soft_wrap=False)
    for lines in (_computing(facts), _speed(facts), _surroundings(facts)):
        for word, text in lines:
            _say(screen, Text(word, "bold"), text)
        screen.print()
    screen.print(Text("A long run will use", "bold"))
    screen.print(facts.used, soft_wrap=False)
    if facts.advice:
        screen.print()
    for sentence in facts.advice:
        _say(screen, Text("note", "yellow"), sentence)


def _say(screen: Screen, word: Text, text: str) -> None:
    row = Table.grid(padding=(0, 2, 0, 0))
    row.add_column(width=WORD_WIDTH, no_wrap=True)
    row.add_column(overflow="fold")
    row.add_row(word, Text(text))
    screen.print(row, soft_wrap=False)


def _computing(facts: MachineFacts) -> Iterator[tuple[str, str]]:
    """Yield what computes, as words and sentences."""
    yield "processor", f"{facts.processor}, {', '.join(facts.instructions)}"
    threads = "1 thread" if facts.threads == 1 else f"{facts.threads} threads"
    yield "cores", f"{facts.cores} usable, {threads} will be used"
    others = [kind for kind in facts.devices if kind != facts.device]
    there = f"there is {' and '.join(others)} too" if others else "no other is found"
    yield "device", f"{facts.device}{f' ({facts.gpu})' if facts.gpu else ''}; {there}"
    free = facts.free_memory_bytes
    yield "memory", giga(facts.memory_bytes) + ("" if free is None else f", {giga(free)} free")


def _speed(facts: MachineFacts) -> Iterator[tuple[str, str]]:
    """Yield how fast it is in which numbers."""
    yield "precision", f"{facts.precision}: {facts.precision_reason}"
    rates = ", ".join(f"{name} {flops(rate)}" for name, rate in facts.flops_per_second.items())
    yield "products", f"{rates}; bf16 is {facts.bf16_gain:.1f} times as fast"
    yield "copying", f"{facts.copied_per_second / 1e9:.3g} GB/s of memory, read and written"
    yield "compiler", facts.compiler or "none, so runs are not compiled"


def _surroundings(facts: MachineFacts) -> Iterator[tuple[str, str]]:
    """Yield where things lie."""
    yield "runs", f"in {facts.runs}, where {giga(facts.free_disk_bytes)} are free"
    yield "texts", _texts(facts)


def _texts(facts: MachineFacts) -> str:
    """Say where texts are looked for, and whether Tiny Shakespeare is there."""
    where = f"BARDLING_DATA is {facts.data}" if facts.data else "BARDLING_DATA is not set"
    if facts.shakespeare is not None:
        return f"{where}; shakespeare is at {facts.shakespeare}"
    return f"{where}; shakespeare is not here yet and will be fetched into {facts.cache}"


def giga(n_bytes: int) -> str:
    """Write a size in GB."""
    return f"{n_bytes / 1e9:.{1 if n_bytes < 1e11 else 0}f} GB"


def flops(rate: float) -> str:
    """Write operations per second as GFLOP/s or TFLOP/s."""
    return f"{rate / 1e12:.3g} TFLOP/s" if rate >= 1e12 else f"{rate / 1e9:.3g} GFLOP/s"
