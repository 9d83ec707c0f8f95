"""Two hands for one turn: texts are shared out between threads, each of which does its part alone.

Threads that share a product meet after each of them, dozens of times in a token, and spin where
they wait; on few cores, with an event loop beside them, that costs more than it gains. Texts need
nothing of each other, so hands meet once, when both have done their half. A lone text, or a few,
are read by one hand with all threads but the event loop's.
"""

from bisect import bisect
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import accumulate
from typing import TypeVar

import torch

ENOUGH = 16
"""Tokens from which on the second hand takes half of them."""
T = TypeVar("T")
U = TypeVar("U")


class Hands:
    """The thread that calls, which is always the same, and where `two` one more beside it."""

    def __init__(self, *, two: bool) -> None:
        cores = torch.get_num_threads()
        self._alone = max(1, cores - 1)  # the event loop needs one too
        self._each = max(1, cores // 2)
        self._second = (
            ThreadPoolExecutor(1, "bardling hand", torch.set_num_threads, (self._each,))
            if two and cores > 1
            else None
        )

    def share(
        self, work: Callable[[Sequence[T]], list[U]], items: Sequence[T], loads: Sequence[int]
    ) -> list[U]:
        """Return what `work` makes of items; `loads` says how many tokens each stands for.

        Items are not taken apart, and each hand's lie side by side.
        """
        half = bisect(list(accumulate(loads)), sum(loads) / 2)
        if self._second is None or sum(loads) < ENOUGH or not 0 < half < len(items):
            torch.set_num_threads(self._alone)
            return work(items) if items else []
        torch.set_num_threads(self._each)
        others = self._second.submit(torch.no_grad()(work), items[half:])
        try:
            own = work(items[:half])
        finally:
            wait([others])
        return own + others.result()

    def close(self) -> None:
        """End the second thread."""
        if self._second is not None:
            self._second.shutdown()
