"""Where text meets the terminal: shown as it is, and never a reason to fail.

What users and models write may hold anything, `[red]` and `:cat:` included, so nothing printed
here is read as markup; colours are values (`Text`), not signs in a text.
"""

import os
import sys
from collections.abc import Callable
from typing import TextIO

from rich.console import Console

PIPE_WIDTH = 400  # lines in a file or a pipe are as long as they need to be


class Screen(Console):
    """A console that prints text literally and outlives whoever reads it.

    When the other end of a pipe has gone (`| head`), the rest is not shown and the work goes on.
    """

    def __init__(self, file: TextIO | None = None, *, stderr: bool = False) -> None:
        super().__init__(
            file=file, stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=True
        )
        if not self.is_terminal:
            self.width = PIPE_WIDTH

    def on_broken_pipe(self) -> None:
        """Keep silent from here on."""
        self.quiet = True
        let_go(self.file.fileno)


def show_text(text: str) -> None:
    """Write to the standard output at once, every character as it is."""
    sys.stdout.write(text)
    sys.stdout.flush()


def complain(text: str) -> None:
    """Write a note to the standard error, where it does not mix with results."""
    Screen(stderr=True).print(f"note  {text}")


def let_go(fileno: Callable[[], int]) -> None:
    """Send what a stream still has to say to nowhere, so that closing it cannot fail."""
    try:
        descriptor = fileno()
    except OSError:  # it is no file, so nothing waits to be written
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
