"""Who else works on a run: nobody, in one process.

A team cuts the rows of a global batch among its members and brings their results together. One
process is the degenerate case: `ALONE` takes all rows, adds nothing to its own sums and waits
for nobody, so that no caller asks how many there are. Several are in `ranks`.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, TypeVar, runtime_checkable

from torch import Tensor

Json = TypeVar("Json")
Number = TypeVar("Number", int, float)
Loss = Callable[..., Any]
"""A batch goes in, its summed loss comes out."""


@runtime_checkable
class Team(Protocol):
    """What a run asks of those who work on it together."""

    @property
    def rank(self) -> int:
        """This process's number, from 0; number 0 decides, writes and speaks."""
        ...

    @property
    def size(self) -> int:
        """How many processes there are."""
        ...

    @property
    def sharing(self) -> bool:
        """Whether each process keeps a part of the weights only."""
        ...

    def rows(self, batch_size: int, rank: int | None = None) -> range:
        """Return this process's rows of the global batch, or those of another one."""
        ...

    def bound(self, loss: Loss) -> Loss:
        """Return a module whose backward pass adds up gradients over the team."""
        ...

    def apart(self, loss: Loss) -> AbstractContextManager[None]:
        """Within, a backward pass of what `bound` returned keeps its gradients for itself."""
        ...

    def total(self, value: Number) -> Number:
        """Return the sum of a number over the team."""
        ...

    def exchange(self, parts: Sequence[Tensor]) -> None:
        """Let all have what each has made: the first part is number 0's, and so on."""
        ...

    def most(self, value: int) -> int:
        """Return the largest of the team's numbers: all decide alike by it."""
        ...

    def first(self, work: Callable[[], Json]) -> Json:
        """Let number 0 do some work while the others wait, and tell all what it came to.

        What it returns has to be JSON. Where it raises, all do.
        """
        ...


class Alone:
    """One process that does everything."""

    rank = 0
    size = 1
    sharing = False

    def rows(self, batch_size: int, rank: int | None = None) -> range:
        """Return all rows."""
        return range(batch_size)

    def bound(self, loss: Loss) -> Loss:
        """Return the loss as it is; its gradients are the whole sum."""
        return loss

    def apart(self, loss: Loss) -> AbstractContextManager[None]:
        """Change nothing."""
        return nullcontext()

    def total(self, value: Number) -> Number:
        """Return the number itself."""
        return value

    def exchange(self, parts: Sequence[Tensor]) -> None:
        """Leave the only part as it is."""

    def most(self, value: int) -> int:
        """Return the number itself."""
        return value

    def first(self, work: Callable[[], Json]) -> Json:
        """Do the work."""
        return work()


ALONE = Alone()
