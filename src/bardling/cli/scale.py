"""`bardling scale`: sizes times budgets, and the law of their losses."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import tyro

import bardling
from bardling.cli.experiments import PlaceArguments, command_of, place_of, show
from bardling.cli.options import parse, split_commas
from bardling.errors import UsageError
from bardling.experiments.grids import BUDGETS, SIZES, STORIES, STORY_BUDGET
from bardling.reporting.screen import Screen

_SIZE = re.compile(r"(\d{1,3})x(\d{1,5})")


@dataclass(frozen=True, kw_only=True)
class ScaleArguments(PlaceArguments):
    """Train several sizes on several budgets of CORPUS, and fit loss = E + A / N^a + B / D^b."""

    corpus: tyro.conf.Positional[str] = STORIES
    """A corpus by name, a text file or a folder."""
    sizes: tuple[str, ...] = tuple(f"{layers}x{width}" for layers, width in SIZES)
    """Layers x width of each size, with commas between them; heads have 32 channels."""
    budgets: tuple[str, ...] = BUDGETS
    """Budgets in tokens, with commas between them."""
    seed_002: bool = False
    """Train seed 002's three sizes on equal data instead, by one budget."""


def run(argv: Sequence[str]) -> int:
    """Parse the options, make the runs, show the table and the law."""
    words = split_commas(split_commas(argv, "--sizes"), "--budgets")
    arguments = parse(ScaleArguments, words, prog="bardling scale")
    screen = Screen()
    place = place_of(arguments, screen, command_of("scale", argv))
    if arguments.seed_002:
        if len(arguments.budgets) > 1 and arguments.budgets != BUDGETS:
            raise UsageError("--seed-002 takes one budget for all its sizes")
        if "--sizes" in words:
            raise UsageError("--seed-002 has sizes of its own; leave --sizes away")
        given = arguments.budgets != BUDGETS
        budget = arguments.budgets[0] if given else STORY_BUDGET
        found = bardling.story_models(budget, corpus=arguments.corpus, **place)
    else:
        sizes = [_size(word) for word in arguments.sizes]
        found = bardling.scale(arguments.corpus, sizes=sizes, budgets=arguments.budgets, **place)
    show(screen, *found)
    return 0


def _size(word: str) -> tuple[int, int]:
    match = _SIZE.fullmatch(word)
    if match is None or int(match[2]) % 32 or int(match[1]) < 1 or int(match[2]) < 32:
        raise UsageError(f"'{word}' is no size; write layers x width as 4x128, widths in 32s")
    return int(match[1]), int(match[2])
