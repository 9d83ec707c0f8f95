"""`bardling data show RUN --step N`: the text of one batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import tyro

import bardling
from bardling.cli.options import Folder, parse
from bardling.reporting.screen import Screen, show_text
from bardling.run_folder import find_run, runs_folder


@dataclass(frozen=True, kw_only=True)
class ShowArguments:
    """Show the text of the batch that a run took at a step."""

    run: tyro.conf.Positional[str]
    """A run, by name or path."""
    step: int
    """Which step, from 1, as the log counts them."""
    rows: int = 0
    """How many windows of the batch to show; 0 for all."""
    runs_dir: Folder = None
    """Where runs live: else BARDLING_RUNS, else ./runs."""


def run_show(argv: Sequence[str]) -> int:
    """Show the windows of a batch, and what the log says of its step."""
    arguments = parse(ShowArguments, argv, prog="bardling data show")
    run = find_run(arguments.run, runs_folder(arguments.runs_dir))
    texts = bardling.batch_texts(run, arguments.step)
    screen = Screen()
    for record in run.metrics():
        if record["step"] == arguments.step and record.get("loss") is not None:
            usual = record.get("usual_loss")
            told = "" if usual is None else f", after about {usual:.4f}: a spike"
            screen.print(f"step {arguments.step:,}: loss {record['loss']:.4f}{told}\n")
    for row, (start, text) in enumerate(texts[: arguments.rows or None]):
        screen.print(f"[{row}] from token {start:,}", style="dim")
        show_text(f"{text}\n\n")
    return 0
