"""How far a tokenizer's learning is: a bar for each phase while it lasts, where there is a screen.

The bars go away when it is done, so that what is printed is the same with them and without.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bardling.reporting.console import count
from bardling.reporting.screen import Screen
from bardling.text.counting import Heard, Phase, unheard

SAID: Mapping[Phase, tuple[str, str]] = {
    "counting": ("counting words", "characters"),
    "merging": ("merging pairs", "merges"),
}


@contextmanager
def learning_bars(n_characters: int | None, screen: Screen) -> Iterator[Heard]:
    """Yield what `BPETokenizer.train` tells how far it is in a text of `n_characters`, if known.

    Nothing is shown where the screen is none.
    """
    if not screen.is_interactive:
        yield unheard
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=16),
        TextColumn("{task.fields[so_far]}", markup=False),
        TimeElapsedColumn(),
    )
    tasks: dict[Phase, TaskID] = {}
    with Progress(*columns, console=screen, transient=True) as bars:

        def show(phase: Phase, done: int, total: int | None) -> None:
            total = n_characters if total is None else total
            what, unit = SAID[phase]
            if phase not in tasks:
                tasks[phase] = bars.add_task(what, total=total, so_far="")
            of = "" if total is None else f" of {count(total)}"
            so_far = f"{count(done)}{of} {unit}"
            bars.update(tasks[phase], completed=done, total=total, so_far=so_far)

        yield show
