"""How byte-pair encoding is learned: the most frequent pair of neighbours becomes one token.

Sennrich, Haddow and Birch 2016, "Neural machine translation of rare words with subword units",
algorithm 1. Instead of counting all pairs anew for each merge, three things are used:

- A piece of text counts once, however often it stands in the corpus, and with its frequency.
- All pieces lie in one long line of tokens, in which each knows its neighbours, and of each pair
  the places are known where it began. A merge touches those places and no other.
- A new token makes new pairs, all at once; after that, the count of a pair can only fall. So the
  queue may hold counts that are too high: a pair is counted again when its turn comes, and goes
  back into the queue if it has become less.

No two pairs make the same token: where the bytes of a token stand and nothing has crossed their
borders, they have been merged just as when it was made.
"""

from collections.abc import Mapping
from heapq import heappop, heappush
from itertools import pairwise

import numpy as np
from jaxtyping import Int32, Int64

from bardling.text.byte_order import BYTES
from bardling.text.counting import Heard, unheard

Pair = tuple[int, int]
Places = Int32[np.ndarray, " _"]

_BORDER, _GONE = -1, -2  # in the line: between two pieces, and what a merge has taken away
_SHIFT = 32  # a pair as one number, ordered as pairs are
_MERGES_TOLD = 64  # after so many merges it is said how far it is: some milliseconds


def learn(
    counts: Mapping[str, int],
    n_tokens: int,
    *,
    min_frequency: int = 1,
    heard: Heard = unheard,
) -> list[Pair]:
    """Return the merges that make `n_tokens` tokens, the 256 bytes included, or fewer.

    `counts` says how often each piece of text stands in the corpus. The most frequent pair goes
    first, among equals that of the smallest ids. Merges end early where no pair is left that stands
    in the text `min_frequency` times; then `heard` is told that there are no more to make.
    """
    wanted = max(n_tokens - len(BYTES), 0)
    heard("merging", 0, wanted)
    line = _Line(counts)
    merges: list[Pair] = []
    queue = _Queue(line, max(min_frequency, 1))
    queue.put(line.all_places())
    while (token := len(BYTES) + len(merges)) < n_tokens and (found := queue.take()):
        (first, second), places = found
        queue.put(line.join(places, token, alike=first == second))
        merges.append((first, second))
        if len(merges) % _MERGES_TOLD == 0:
            heard("merging", len(merges), wanted)
    heard("merging", len(merges), len(merges))
    return merges


class _Line:
    """The tokens of all different pieces in a row, linked to their neighbours."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        pieces = [piece.encode("utf-8") for piece in counts]
        sizes = np.fromiter(map(len, pieces), dtype=np.int64, count=len(pieces))
        order = np.zeros(256, dtype=np.int32)
        order[list(BYTES)] = np.arange(256)
        ends = np.cumsum(sizes + 1)
        total = 1 + int(ends[-1]) if pieces else 1
        self.ids = np.full(total, _BORDER, dtype=np.int32)
        is_text = np.ones(total, dtype=bool)
        is_text[0] = False
        is_text[ends] = False
        self.ids[is_text] = order[np.frombuffer(b"".join(pieces), dtype=np.uint8)]
        self.times = np.zeros(total, dtype=np.int64)
        self.times[is_text] = np.repeat(list(counts.values()), sizes)
        self.left = np.arange(-1, total - 1, dtype=np.int32)
        self.right = np.arange(1, total + 1, dtype=np.int32)

    def all_places(self) -> Places:
        """Return every place but the last, where there may be nothing to the right."""
        return np.arange(len(self.ids) - 1, dtype=np.int32)

    def pairs_at(self, places: Places) -> tuple[Places, Int64[np.ndarray, " _"]]:
        """Return those of some places where a pair begins, and the pairs as numbers."""
        first, second = self.ids[places], self.ids[self.right[places]]
        is_pair = (first >= 0) & (second >= 0)
        return places[is_pair], first[is_pair].astype(np.int64) << _SHIFT | second[is_pair]

    def still(self, places: Places, first: int, second: int) -> Places:
        """Return those of some places where a pair stands that once stood at all of them."""
        here = self.ids[places] == first
        return places[here & (self.ids[self.right[places]] == second)]

    def join(self, places: Places, token: int, *, alike: bool) -> Places:
        """Put `token` in place of the pairs that begin there; return where new pairs may begin."""
        if alike:
            places = self._every_other(places)
        seconds = self.right[places]
        after = self.right[seconds]
        self.ids[places] = token
        self.ids[seconds] = _GONE
        self.right[places] = after
        self.left[after] = places
        return np.unique(np.concatenate((self.left[places], places)))

    def _every_other(self, places: Places) -> Places:
        """Leave the pairs out that share a token with the one before: aaa is aa and a."""
        numbers = np.arange(len(places))
        begins = np.ones(len(places), dtype=bool)
        begins[1:] = places[1:] != self.right[places[:-1]]
        return places[(numbers - np.maximum.accumulate(numbers * begins)) % 2 == 0]


class _Queue:
    """Pairs by how often they stand in the line, as it was when they were put in."""

    def __init__(self, line: _Line, least: int) -> None:
        self.line, self.least = line, least
        self.heap: list[tuple[int, int]] = []
        self.places: dict[int, Places] = {}

    def put(self, places: Places) -> None:
        """Add the pairs that begin at some places."""
        places, keys = self.line.pairs_at(places)
        order = np.argsort(keys, kind="stable")
        places, keys = places[order], keys[order]
        is_first = np.ones(len(keys), dtype=bool)
        is_first[1:] = keys[1:] != keys[:-1]
        begins = np.flatnonzero(is_first)
        counts = np.add.reduceat(self.line.times[places], begins) if len(begins) else begins
        ends = (*begins.tolist(), len(places))
        for (begin, end), key, count in zip(
            pairwise(ends), keys[begins].tolist(), counts.tolist(), strict=True
        ):
            if count >= self.least:
                self.places[key] = places[begin:end]
                heappush(self.heap, (-count, key))

    def take(self) -> tuple[Pair, Places] | None:
        """Return the pair that stands there most often now and its places; None if none is left."""
        while self.heap:
            count, key = heappop(self.heap)
            first, second = key >> _SHIFT, key & (1 << _SHIFT) - 1
            places = self.line.still(self.places.pop(key), first, second)
            left = int(self.line.times[places].sum())
            if left == -count:
                return (first, second), places
            if left >= self.least:
                self.places[key] = places
                heappush(self.heap, (-left, key))
        return None
