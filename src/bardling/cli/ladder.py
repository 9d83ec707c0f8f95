"""`bardling ladder`: from counting to a modern GPT one part at a time; or one part away."""

from collections.abc import Sequence
from dataclasses import dataclass

import tyro

import bardling
from bardling.cli.experiments import PlaceArguments, command_of, place_of, show
from bardling.cli.options import parse, split_commas
from bardling.errors import UsageError
from bardling.reporting.screen import Screen


@dataclass(frozen=True, kw_only=True)
class LadderArguments(PlaceArguments):
    """Measure what each part of a GPT is worth, on CORPUS (shakespeare where none is named)."""

    corpus: tyro.conf.Positional[str] = "shakespeare"
    """A corpus by name, a text file or a folder."""
    full: bool = False
    """5,000 steps (ours) of the seed's batches, three seeds for every rung: hours on two cores."""
    remove: bool = False
    """Take one part at a time out of a whole model instead."""
    optimizers: bool = False
    """Compare what moves the weights instead."""
    only: tuple[str, ...] = ()
    """Rungs or parts by name, with commas between them; all where none is named."""
    seeds: int = 0
    """Seeds for each; 0 takes three for small rungs and the whole model, one for others."""
    budget: str = ""
    """Another budget for each run, in steps or tokens."""


def run(argv: Sequence[str]) -> int:
    """Parse the options, make the runs, show the table."""
    words = split_commas(argv, "--only")
    arguments = parse(LadderArguments, words, prog="bardling ladder")
    if arguments.remove and arguments.optimizers:
        raise UsageError("--remove and --optimizers are two experiments; give one")
    screen = Screen()
    experiment, page = bardling.ladder(
        arguments.corpus,
        kind="removals" if arguments.remove else "optimizers" if arguments.optimizers else "ladder",
        full=arguments.full,
        only=arguments.only,
        seeds=arguments.seeds,
        budget=arguments.budget,
        **place_of(arguments, screen, command_of("ladder", argv)),
    )
    show(screen, experiment, page)
    return 0
