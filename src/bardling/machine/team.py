"""Who else works on a run: nobody, in one process.

A team cuts the rows of a global batch among its members and brings their results together. One
process is the degenerate case: `ALONE` takes all rows, adds nothing to its own sums and waits
for nobody, so that no caller asks how many there are.
"""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from torch import nn


@runtime_checkable
class Team(Protocol):
    """What a run asks of those who work on it together."""

    @property
    def rank(self) -> int:
        """This process's number, from 0; number 0 writes the files."""
        ...

    @property
    def size(self) -> int:
        """How many processes there are."""
        ...

    def rows(self, batch_size: int) -> range:
        """Return this process's rows of the global batch."""
        ...

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its sum over the team."""
        ...

    def total(self, value: int | float) -> int | float:
        """Return the sum of a number over the team."""
        ...


class Alone:
    """One process that does everything."""

    rank = 0
    size = 1

    def rows(self, batch_size: int) -> range:
        """Return all rows."""
        return range(batch_size)

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Leave the gradients as they are; they are the whole sum."""

    def total(self, value: int | float) -> int | float:
        """Return the number itself."""
        return value


ALONE = Alone()
