"""`bardling data preferences`: pairs of endings to stories, for `bardling align`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from bardling.cli.options import parse
from bardling.data.stories.preferences import write_endings
from bardling.errors import UsageError
from bardling.reporting.screen import show_text

SHOWN = 8  # rules that decide the most pairs


@dataclass(frozen=True, kw_only=True)
class PreferencesArguments:
    """Make pairs of endings: one that keeps to what its story began with, and one that does not.

    The parser of the stories knows which is which; words and lengths tell nothing.
    """

    file: tyro.conf.Positional[Path]
    """The .jsonl file to write: objects with prompt, chosen, rejected and the rule between them."""
    pairs: int = 4000
    """How many."""
    seed: int = 0
    """Decides all of them; the first are the same however many are made."""


def run_preferences(argv: Sequence[str]) -> int:
    """Make the pairs, write them, and say how many of them each rule decides."""
    arguments = parse(PreferencesArguments, argv, prog="bardling data preferences")
    if arguments.pairs < 1:
        raise UsageError(f"{arguments.pairs} pairs are none; give at least 1")
    rules = write_endings(arguments.file, seed=arguments.seed, n_pairs=arguments.pairs)
    told = ", ".join(f"{rule} {count:,}" for rule, count in rules.most_common(SHOWN))
    show_text(f"{arguments.pairs:,} pairs in {arguments.file}; most are decided by {told}\n")
    return 0
