"""`bardling presets [NAME]`: the named runs in a table, or all about one of them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import tyro
from rich.table import Table
from rich.text import Text

from bardling.cli.options import parse
from bardling.config import RunConfig
from bardling.model.size import count_parameters, training_memory
from bardling.presets import PRESETS, Preset, find_preset
from bardling.reporting.screen import Screen
from bardling.training.config import steps_of_budget


@dataclass(frozen=True, kw_only=True)
class PresetsArguments:
    """Show the named runs, or one of them with its parameters and memory."""

    name: tyro.conf.Positional[str | None] = None
    """A preset."""


def run(argv: Sequence[str]) -> int:
    """Parse the options and show the tables."""
    arguments = parse(PresetsArguments, argv, prog="bardling presets")
    screen = Screen()
    if arguments.name is None:
        screen.print(_overview(), soft_wrap=False)
    else:
        _show(screen, arguments.name, find_preset(arguments.name))
    return 0


def _tokens(config: RunConfig) -> int:
    """Return the tokens that a preset trains on; presets give budgets in steps."""
    per_step = config.training.batch_size * config.model.block_size
    steps = steps_of_budget(config.training.budget, batch_tokens=per_step, train_tokens=1)
    return steps * per_step


def _overview() -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for name, justify in (("preset", "left"), ("parameters", "right"), ("tokens", "right")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("what it is")
    for name, build in PRESETS.items():
        preset = build()
        parameters = count_parameters(preset.config.model).total
        table.add_row(name, f"{parameters:,}", f"{_tokens(preset.config) / 1e6:.1f}M", preset.about)
    return table


def _show(screen: Screen, name: str, preset: Preset) -> None:
    config = preset.config
    part = -(-config.training.batch_size // config.training.accumulate)
    screen.print(Text.assemble((name, "bold"), f"\n{preset.about}\n"))
    screen.print(_parts("parameters", count_parameters(config.model), "{:,}"))
    screen.print()
    memory = training_memory(config.model, batch_size=part)
    screen.print(_parts(f"training memory, {part} sequences at once", memory, "MiB"))
    if preset.assumptions:
        screen.print(
            Text.assemble("\n", ("our assumption", "bold"), ", where the source is silent:")
        )
        for assumption in preset.assumptions:
            screen.print(f"  - {assumption}")
    screen.print()
    screen.print(f"tokens    {_tokens(config):,}, a budget of {config.training.budget}")
    screen.print(f"settings  bardling train {name} --help")


def _parts(title: str, parts: Any, unit: str) -> Table:
    """Lay out a size by component, with shares and the total."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), show_footer=True)
    show = (lambda n: f"{n / 2**20:,.1f} MiB") if unit == "MiB" else unit.format
    table.add_column(title, footer="total", min_width=36)
    table.add_column("", justify="right", footer=show(parts.total))
    table.add_column("share", justify="right", footer="")
    for f in fields(parts):
        value = getattr(parts, f.name)
        table.add_row(f.name, show(value), f"{value / max(1, parts.total):.1%}")
    return table
