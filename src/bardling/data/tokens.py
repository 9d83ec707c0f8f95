"""Token ids in a row: an array, or the files of a split, which are read as if they were one.

Everything that reads tokens takes a slice of them and asks how many there are; that is all that
`Tokens` promises, so that a corpus may be larger than the memory. Files are mapped, and what was
read of them is handed back now and then: the system keeps it as long as nobody needs the room.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from mmap import MADV_DONTNEED, mmap
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64, Integer

Ids = Integer[np.ndarray, " _"]

KEPT_BYTES = 2**27  # read of mapped files before their pages are handed back
_AT_ONCE = 2**22  # ids that are looked at together


@runtime_checkable
class Tokens(Protocol):
    """Ids in a row. `np.ndarray` is such; so is `Row`."""

    def __len__(self) -> int:
        """Return the number of ids."""
        ...

    def __getitem__(self, part: slice, /) -> Any:
        """Return the ids of a slice as an array."""
        ...


class Row:
    """Arrays read as one, in their order. Slices within one of them are views of it."""

    def __init__(self, parts: Sequence[Ids]) -> None:
        none = np.zeros(0, dtype=np.uint16)
        self._parts = [np.asarray(part) for part in parts] or [none]  # a memmap is slow to slice
        self._starts = [0, *accumulate(map(len, self._parts))]
        bases: list[object] = [part.base for part in parts]
        self._maps = [base for base in bases if isinstance(base, mmap)]
        self._hand_back()

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, part: slice, /) -> Ids:
        start, stop, step = part.indices(self._starts[-1])
        if step != 1:
            raise ValueError(f"a row of tokens is read in steps of 1, not {step}")
        self._n_read += stop - start
        if self._n_read > KEPT_BYTES // 2:  # an id has two bytes or more
            self._hand_back()
        number = bisect_right(self._starts, start, hi=len(self._parts)) - 1
        first = self._starts[number]
        if stop <= self._starts[number + 1]:
            return self._parts[number][start - first : max(start, stop) - first]
        pieces = []
        while start < stop:
            first, end = self._starts[number : number + 2]
            pieces.append(self._parts[number][start - first : stop - first])
            start, number = end, number + 1
        return np.concatenate(pieces)

    def _hand_back(self) -> None:
        self._n_read = 0
        for mapped in self._maps:
            mapped.madvise(MADV_DONTNEED)


def numbered(pieces: Iterable[Ids], size: int) -> Iterator[tuple[int, Ids]]:
    """Yield ids, cut where a file of `size` is full, each part with the number of its file."""
    place = 0
    for piece in pieces:
        start = 0
        while start < len(piece):
            number, filled = divmod(place, size)
            part = piece[start : start + size - filled]
            yield number, part
            start, place = start + len(part), place + len(part)


def up_to(most: int, pieces: Iterable[Ids]) -> Iterator[Ids]:
    """Yield ids until there are `most`."""
    for piece in pieces:
        yield piece[:most]
        most -= len(piece)
        if most <= 0:
            return


def stretches(tokens: Tokens) -> Iterator[tuple[int, Ids]]:
    """Yield tokens a few million at a time, each time with the place of the first."""
    for start in range(0, len(tokens), _AT_ONCE):
        yield start, tokens[start : start + _AT_ONCE]


def places_of(tokens: Tokens, number: int) -> Int64[np.ndarray, " places"]:
    """Return where an id stands among tokens."""
    none = np.zeros(0, dtype=np.int64)
    found = [start + np.flatnonzero(part == number) for start, part in stretches(tokens)]
    return np.concatenate([none, *found])
