"""`bardling presets [NAME]`: the named runs in a table, or all about one of them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import tyro
from rich.table import Table
from rich.text import Text

import bardling
from bardling.cli.options import parse
from bardling.config import RunConfig
from bardling.machine.facts import MachineFacts
from bardling.model.effort import orthogonal_flops, token_seconds
from bardling.model.size import count_parameters, training_memory
from bardling.presets.preset import Preset
from bardling.presets.table import PRESETS, find_preset
from bardling.reporting.screen import Screen
from bardling.training.config import seconds_of_budget
from bardling.training.optimizer_config import Muon, kept_states

MEASURED_SECONDS = 0.08  # for each figure: for an order of size, and nobody should have to wait
SPANS = ((72 * 3600, 86400, "days"), (90 * 60, 3600, "h"), (90, 60, "min"), (0, 1, "s"))


@dataclass(frozen=True, kw_only=True)
class PresetsArguments:
    """Show the named runs, or one of them with its parameters, its memory and its time."""

    name: tyro.conf.Positional[str | None] = None
    """A preset."""
    estimate: bool = True
    """Measure this machine, which takes some seconds, to tell how long training would take."""


def run(argv: Sequence[str]) -> int:
    """Parse the options and show the tables."""
    arguments = parse(PresetsArguments, argv, prog="bardling presets")
    screen = Screen()
    preset = None if arguments.name is None else find_preset(arguments.name)
    facts = _look() if arguments.estimate else None
    if arguments.name is None or preset is None:
        screen.print(_overview(facts), soft_wrap=False)
    else:
        _show(screen, arguments.name, preset, facts)
    return 0


def _look() -> MachineFacts:
    with Screen(stderr=True).status("measuring this machine", refresh_per_second=4):
        return bardling.doctor(seconds=MEASURED_SECONDS)


def _tokens(config: RunConfig, facts: MachineFacts | None) -> int | None:
    """Return the tokens that a preset trains on, None where its time on this machine tells.

    Presets give budgets in steps or in time.
    """
    seconds = seconds_of_budget(config.training.budget)
    if seconds is None:
        return config.budget_steps() * config.batch_tokens
    if facts is None:
        return None
    return round(config.batch_tokens * seconds / step_seconds(config, facts))


def step_seconds(config: RunConfig, facts: MachineFacts) -> float:
    """Return about how long a step takes; Muon's own products are always in bf16."""
    optimizer, rates = config.optimizer, facts.flops_per_second
    iterations = optimizer.ns_steps if isinstance(optimizer, Muon) else 0
    one_token = token_seconds(
        config.model,
        flops_per_second=rates[facts.precision],
        bytes_per_second=facts.elementwise_per_second,
    )
    muon = orthogonal_flops(config.model, iterations=iterations) / rates["bf16"]
    return config.batch_tokens * one_token + muon


def _time(config: RunConfig, facts: MachineFacts) -> str:
    """Say about how long training takes here."""
    seconds = seconds_of_budget(config.training.budget)
    if seconds is not None:
        return span(seconds)
    least = "" if facts.device == "cpu" else "over "  # small steps wait for their kernels there
    return least + span(config.budget_steps() * step_seconds(config, facts))


def span(seconds: int | float) -> str:
    """Write a duration as roughly as it is known: 40 s, 4.5 min, 12 h."""
    size, unit = next((size, unit) for least, size, unit in SPANS if seconds >= least)
    return f"{max(1.0, float(f'{seconds / size:.2g}')):g} {unit}"


def _overview(facts: MachineFacts | None) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("preset", no_wrap=True)
    for name in ("parameters", "tokens", *(["time here"] if facts else [])):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("what it is")
    for name, build in PRESETS.items():
        preset = build()
        tokens = _tokens(preset.config, facts)
        table.add_row(
            name,
            f"{count_parameters(preset.config.model).total:,}",
            "" if tokens is None else f"{tokens / 1e6:.1f}M",
            *([_time(preset.config, facts)] if facts else []),
            preset.about,
        )
    return table


def _show(screen: Screen, name: str, preset: Preset, facts: MachineFacts | None) -> None:
    config = preset.config
    part = -(-config.training.batch_size // config.training.accumulate)
    screen.print(Text.assemble((name, "bold"), f"\n{preset.about}\n"))
    screen.print(_parts("parameters", count_parameters(config.model), "{:,}"))
    screen.print()
    memory = training_memory(config.model, batch_size=part, **kept_states(config.optimizer))
    screen.print(_parts(f"training memory, {part} sequences at once", memory, "MiB"))
    if preset.assumptions:
        screen.print(
            Text.assemble("\n", ("our assumption", "bold"), ", where the source is silent:")
        )
        for assumption in preset.assumptions:
            screen.print(f"  - {assumption}")
    screen.print()
    tokens = _tokens(config, facts)
    if tokens is None:
        screen.print(f"tokens    as many as go into {config.training.budget}")
    elif seconds_of_budget(config.training.budget) is None:
        screen.print(f"tokens    {tokens:,}, a budget of {config.training.budget}")
    else:
        screen.print(f"tokens    about {tokens / 1e6:.2g}M, a budget of {config.training.budget}")
    if facts is not None and seconds_of_budget(config.training.budget) is None:
        screen.print(
            f"time      {'about ' if facts.device == 'cpu' else ''}{_time(config, facts)} here, "
            f"in {facts.precision} on {facts.device}, if nothing is compiled"
        )
    screen.print(f"settings  bardling train {name} --help")
    for size in preset.sizes:
        words = ", ".join(f"{key} {value}" for key, value in size.settings.items())
        limit = f"up to {size.up_to_seconds / 60:g} min" if size.up_to_seconds < 1e9 else "longer"
        screen.print(f"  --budget {limit:<12} {words or 'as above'}")


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
