"""How the pieces of a text become the tokens of a BPE: the readable way, and the fast one.

Both give the same ids, and both take time in proportion to the text, whatever it is.

`ByRank` is the definition: of all pairs of neighbours that have a merge, the earliest learned is
merged, from the left, until none is left. `ByTiktoken` leaves that to the library `tiktoken`, which
knows no pairs: it merges any two neighbours that together are a token, the earliest token first.
That is the same where every token is made by one merge only and is what its own bytes are encoded
to (`is_plain`): say two neighbours are together the token t. Nothing before has crossed their
borders, so all that happened within them also happens when the bytes of t are encoded alone; that
ends with t, so these two are a pair that is merged, and t has only one. A BPE that was trained is
like that; one from a file may not be.
"""

from array import array
from collections.abc import Sequence
from functools import cached_property
from heapq import heappop, heappush
from itertools import pairwise
from typing import Protocol, runtime_checkable

import tiktoken

from bardling.text.byte_order import BYTE_ID
from bardling.text.pretokenize import PATTERNS, SplitName, pieces

Pair = tuple[int, int]

_CACHED = 2**16  # pieces whose tokens are remembered
_CACHED_SIZE = 64  # their longest, in characters
_GONE = -1
_LONG = 4096  # characters of white space in a row; a million are too much for tiktoken's split
_ANYTHING = r"(?s:.+)"


@runtime_checkable
class Encoder(Protocol):
    """Text to tokens, counted in the order of their making."""

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text."""
        ...


class ByRank:
    """Merges as they were learned, the earliest first: what byte-pair encoding means."""

    def __init__(
        self, merges: Sequence[Pair], token_bytes: Sequence[bytes], split: SplitName
    ) -> None:
        number = {token: place for place, token in enumerate(token_bytes)}
        self.joins = {
            (first, second): (rank, number[token_bytes[first] + token_bytes[second]])
            for rank, (first, second) in enumerate(merges)
        }
        self.split = split
        self.known: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text, piece by piece."""
        known, found = self.known, list[int]()
        for piece in pieces(text, self.split):
            tokens = known.get(piece)
            if tokens is None:
                tokens = self.merged(piece.encode("utf-8"))
                if len(known) < _CACHED and len(piece) <= _CACHED_SIZE:
                    known[piece] = tokens
            found += tokens
        return found

    def merged(self, piece: bytes) -> list[int]:
        """Return the tokens of one piece: its bytes, and then whatever can be merged."""
        tokens = [BYTE_ID[byte] for byte in piece]
        end = len(tokens)
        right = array("q", range(1, end + 1))
        left = array("q", range(-1, end - 1))
        waiting = [  # rank * end + place: the earliest merge first, then from the left
            self.joins[pair][0] * end + place
            for place, pair in enumerate(pairwise(tokens))
            if pair in self.joins
        ]
        waiting.sort()

        def consider(place: int, after: int) -> None:
            pair = tokens[place], tokens[after]
            if pair in self.joins:
                heappush(waiting, self.joins[pair][0] * end + place)

        while waiting:
            rank, place = divmod(heappop(waiting), end)
            after = right[place]
            if after == end:
                continue
            found = self.joins.get((tokens[place], tokens[after]))
            if found is None or found[0] != rank:
                continue  # another merge was earlier
            tokens[place] = found[1]
            tokens[after] = _GONE
            right[place] = right[after]
            if right[place] < end:
                left[right[place]] = place
                consider(place, right[place])
            if left[place] >= 0:
                consider(left[place], place)
        return [token for token in tokens if token != _GONE]


class ByTiktoken:
    """The same tokens from a library in Rust."""

    def __init__(self, token_bytes: Sequence[bytes], split: SplitName) -> None:
        self.ranks = {token: number for number, token in enumerate(token_bytes)}
        self.split = split
        self.whole = self._encoding(PATTERNS[split])

    @cached_property
    def piece(self) -> tiktoken.Encoding:
        """What takes a text for one piece."""
        return self._encoding(_ANYTHING)

    def _encoding(self, pattern: str) -> tiktoken.Encoding:
        return tiktoken.Encoding(
            "bardling", pat_str=pattern, mergeable_ranks=self.ranks, special_tokens={}
        )

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text; where white space seems endless, split by us."""
        blocks = (text[start : start + _LONG] for start in range(0, len(text), _LONG))
        if any(block.isspace() for block in blocks):  # a run of twice that has a whole block
            split = map(self.piece.encode_ordinary, pieces(text, self.split))
            return [token for tokens in split for token in tokens]
        return self.whole.encode_ordinary(text)


def is_plain(encoder: ByRank, token_bytes: Sequence[bytes]) -> bool:
    """Tell whether every token is made by one merge only, and is what its bytes are encoded to."""
    if len(encoder.joins) != len(token_bytes) - len(BYTE_ID):
        return False
    return all(encoder.merged(token) == [number] for number, token in enumerate(token_bytes))
