"""Token ids in a row: an array, or the files of a split, which are read as if they were one.

Everything that reads tokens takes a slice of them and asks how many there are; that is all that
`Tokens` promises, so that a corpus may be larger than the memory. Files are mapped, and what was
read of the maps is handed back now and then: the system keeps it as long as nobody needs the room.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from mmap import MADV_DONTNEED, mmap
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64, Integer

from bardling.errors import CorpusError
from bardling.storage import PlacedFile

Ids = Integer[np.ndarray, " _"]

KEPT_BYTES = 2**27  # of mapped files, before their pages are handed back
SHORT = 2**14  # ids of a slice that is read from its file
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
    """Arrays read as one, in their order.

    Where the arrays are maps of files, whose paths are given, short slices are read from the
    files, because a page that is touched maps many others; long ones are views of the maps.
    """

    def __init__(self, parts: Sequence[Ids], paths: Sequence[Path] = ()) -> None:
        none = np.zeros(0, dtype=np.uint16)
        self._parts = [np.asarray(part) for part in parts] or [none]  # a memmap is slow to slice
        self._starts = [0, *accumulate(map(len, self._parts))]
        self._files = [PlacedFile(path) for path in paths]
        self._offsets = [part.offset for part in parts if isinstance(part, np.memmap)]
        bases: list[object] = [part.base for part in parts]
        self._maps = [base for base in bases if isinstance(base, mmap)]
        self._hand_back()

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, part: slice, /) -> Ids:
        start, stop, step = part.indices(self._starts[-1])
        if step != 1:
            raise ValueError(f"a row of tokens is read in steps of 1, not {step}")
        number = bisect_right(self._starts, start, hi=len(self._parts)) - 1
        if stop <= self._starts[number + 1]:
            return self._slice(number, start, max(start, stop))
        pieces = []
        while start < stop:
            end = min(stop, self._starts[number + 1])
            pieces.append(self._slice(number, start, end))
            start, number = end, number + 1
        return np.concatenate(pieces)

    def _slice(self, number: int, start: int, stop: int) -> Ids:
        """Return ids that one part has all of."""
        array, first = self._parts[number], self._starts[number]
        width = array.itemsize
        if self._files and stop - start <= SHORT:
            place = self._offsets[number] + (start - first) * width
            data = self._files[number].read(place, (stop - start) * width)
            return np.frombuffer(data, dtype=array.dtype)
        self._n_mapped += (stop - start) * width
        if self._n_mapped > KEPT_BYTES:
            self._hand_back()
        return array[start - first : stop - first]

    def _hand_back(self) -> None:
        self._n_mapped = 0
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


def require_length(n_tokens: int, block_size: int, split: str) -> None:
    """Raise CorpusError unless a split has one whole window and the token after it."""
    if n_tokens > block_size:
        return
    cure = f"set --model.block-size to {n_tokens - 1} or less, or give" if n_tokens > 1 else "give"
    raise CorpusError(
        f"the {split} split has {n_tokens} tokens, and a block size of {block_size} needs "
        f"{block_size + 1}: {cure} it more text"
    )
