"""How `bardling train --dry-run` shows what a run would take."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from bardling.cli.presets import span
from bardling.reporting.screen import Screen

if TYPE_CHECKING:
    from bardling.forecast import RunForecast


def show_forecast(found: "RunForecast") -> None:
    """Print the page."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for word, text in _rows(found):
        grid.add_row(Text(word, "bold"), Text(text))
    Screen().print(grid, soft_wrap=False)


def _rows(found: "RunForecast") -> Iterator[tuple[str, str]]:
    """Yield what is known of a run, as words and sentences."""
    config, costs = found.config, found.costs
    model, rows = config.model, config.training.batch_size
    yield "on", found.machine
    tokens = f"{found.train_tokens:,} tokens to train on, {found.val_tokens:,} to validate"
    yield "text", f"{config.data.corpus}: {tokens}"
    shape = f"{model.n_layer} layers, {model.n_embd} wide, {model.n_head} heads"
    more = f"context {model.block_size}, dropout {model.dropout:g}"
    yield "model", f"{found.parameters:,} parameters: {shape}, {more}"
    each = f"{rows * model.block_size:,} tokens, {costs.step * 1e3:.1f} ms each"
    yield "steps", f"{config.total_steps:,} of {each}; every token {found.passes:.2g} times"
    yield "checks", f"a validation every {config.eval_interval:,} steps"
    yield "time", f"{span(found.seconds)} in all ({found.seconds:,.1f} s)"
    memory, there = found.memory_bytes / 2**30, found.machine_bytes / 2**30
    yield "memory", f"{memory:.2f} GiB at most, of {there:.0f} GiB"
