"""`bardling probe RUN`: what is inside a model."""

from collections.abc import Sequence
from dataclasses import dataclass

import tyro
from rich.table import Table
from rich.text import Text

import bardling
from bardling.cli.options import Folder, parse, split_commas
from bardling.reporting.screen import Screen, complain
from bardling.run_folder import find_run, runs_folder


@dataclass(frozen=True, kw_only=True)
class ProbeArguments:
    """Look inside a model: neighbours of words, analogies, attention, what comes next."""

    run: tyro.conf.Positional[str]
    """A run by name or path."""
    words: tuple[str, ...] = ()
    """Words whose neighbours are shown, with commas between them; else some of the run's text."""
    prompt: str = ""
    """Text for which attention and the next token are shown; else the run's own."""
    checkpoint: str = "best"
    """best, last or a step."""
    runs_dir: Folder = None
    """Where runs are looked for by name: else BARDLING_RUNS, else ./runs."""


def run(argv: Sequence[str]) -> int:
    """Parse the options, look, show the figures and say where the page is."""
    arguments = parse(ProbeArguments, split_commas(argv, "--words"), prog="bardling probe")
    folder = find_run(arguments.run, runs_folder(arguments.runs_dir))
    done = bardling.probe(
        folder.path,
        words=arguments.words,
        prompt=arguments.prompt,
        checkpoint=arguments.checkpoint,
        note=complain,
    )
    screen = Screen()
    screen.print(Text.assemble((done.name, "bold"), f", step {done.step:,}: nearest words"))
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for head in ("", *done.vectors):
        table.add_column(head)
    for word in done.words:
        near = [
            ", ".join(other for other, _ in vectors.neighbours(word, 5))
            if word in vectors.words
            else ""
            for vectors in done.vectors.values()
        ]
        table.add_row(Text(f"  {word}", "bold"), *near)
    screen.print(table, soft_wrap=False)
    for one in done.analogies:
        share = one.right / max(1, one.total)
        screen.print(
            f"  analogies of {one.respect} by the {one.source}: {share:.0%} of {one.total:,} "
            f"(guessing {one.chance:.1%})"
        )
    sure = ", ".join(f"{one.temperature:g}: {one.entropy:.3f}" for one in done.tempered)
    screen.print(f"  entropy of the next token in nats, by temperature  {sure}")
    if done.dead:
        screen.print(f"  dead ReLU units by block  {', '.join(f'{x:.1%}' for x in done.dead)}")
    screen.print(f"  page  {done.path}")
    return 0
