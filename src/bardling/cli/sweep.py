"""`bardling sweep PRESET --vary SETTING=VALUES`: any settings over any values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

import bardling
from bardling.cli.experiments import PlaceArguments, command_of, place_of, show
from bardling.cli.options import value_of
from bardling.cli.settings import SettingsArguments, parse_settings
from bardling.errors import UsageError
from bardling.experiments.named_sweeps import NAMED
from bardling.experiments.sweep import parse_vary, plain_name
from bardling.presets.table import config_for
from bardling.reporting.screen import Screen

USAGE = "bardling sweep PRESET|CORPUS|EXERCISE --vary model.block-size=64,128 [--vary lr=...]"


@dataclass(frozen=True, kw_only=True)
class SweepArguments(SettingsArguments, PlaceArguments):
    """Train PRESET with every combination of some settings, or do an EXERCISE of the seeds."""

    vary: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A setting and its values, as model.block-size=64,128; give it again for another setting."""
    seeds: int = 1
    """Seeds for each combination."""
    full: bool = False
    """An exercise as its source has it, instead of what two cores do in some minutes."""


def run(argv: Sequence[str]) -> int:
    """Parse the options, make the runs, show the table."""
    words, wants_help = list(argv), {"-h", "--help"} & set(argv)
    if not wants_help and (not words or words[0].startswith("-")):
        raise UsageError(f"say what varies: {USAGE}; exercises: {', '.join(NAMED)}")
    target = "shakespeare" if not words or words[0].startswith("-") else words.pop(0)
    task, full = NAMED.get(target), "--full" in words
    base = (
        config_for(target, value_of("--budget", words)) if task is None else task.config(full=full)
    )
    arguments, config = parse_settings(SweepArguments, base, words, prog=f"bardling sweep {target}")
    pairs = list(map(parse_vary, arguments.vary))
    vary = dict(pairs)
    if len(vary) < len(pairs):
        raise UsageError("a setting is varied twice; give all its values at once")
    if task is not None and vary:
        raise UsageError(f"{target} says itself what varies; leave --vary away, or name a preset")
    if task is None and (full or not vary):
        raise UsageError(f"'{target}' is no exercise, so say what varies: {USAGE}")
    screen = Screen()
    place = place_of(arguments, screen, command_of("sweep", argv))
    place["name"] = arguments.name or _default_name(target, vary, full=full)
    seeds = arguments.seeds
    experiment, page = (
        bardling.sweep(config, vary, seeds=seeds, **place)
        if task is None
        else bardling.exercise(target, config=config, full=full, seeds=seeds, **place)
    )
    show(screen, experiment, page)
    return 0


def _default_name(target: str, vary: Mapping[str, object], *, full: bool) -> str:
    """Return the folder of a sweep that is not named."""
    words = [plain_name(target), *vary, *(["full"] if full else [])]
    return "-".join(["sweep", *words]).replace("_", "-")
