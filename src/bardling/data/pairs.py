"""Batches of pairs of answers, as a pure function of (seed, step, rows).

A row of such a batch is a pair, and a batch has two sequences for each of its rows: the chosen one
and the rejected one, one after the other. So neither accumulated parts nor processes can tear a
pair apart.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Int32, Int64

from bardling.data.batches import IGNORE, Batch, in_turn
from bardling.data.config import Order
from bardling.data.tokens import Tokens, places_of
from bardling.errors import CorpusError
from bardling.machine.randomness import row_keys, stream

Numbers = Int64[np.ndarray, " pairs"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """All batches of a split whose documents are pairs, `batch_size` of which make a global batch.

    Every sequence begins with the end token, by which the model knows that a document begins, and
    is padded with it to the length of the longest. Targets are those of an answer from the first
    token on in which it differs from the other: what comes before is as likely in both.
    """

    tokens: Tokens
    end_token: int
    batch_size: int
    order: Order = "shuffled"
    """Each pair once an epoch, shuffled or in the order of the text, or pairs at random."""
    seed: int = 0
    split: str = "train"

    def __post_init__(self) -> None:
        if not self.n_pairs or len(self._ends) % 2:
            raise CorpusError(
                f"the {self.split} split has {len(self._ends)} documents, which are no pairs"
            )

    @cached_property
    def _ends(self) -> Int64[np.ndarray, " documents"]:
        """The place after each document's end token."""
        return places_of(self.tokens, self.end_token) + 1

    @property
    def n_pairs(self) -> int:
        """The number of pairs, which is the length of an epoch."""
        return len(self._ends) // 2

    @cached_property
    def width(self) -> int:
        """Tokens of the longest document, its end token included."""
        return int(np.diff(self._ends, prepend=0).max(initial=0))

    def numbers(self, step: int) -> Numbers:
        """Return which pairs the global batch of a step has."""
        if self.order in ("shuffled", "sequential"):
            return in_turn(step, self.batch_size, self.n_pairs, self.order, self.seed, self.split)
        random = stream(self.seed, f"pairs/{self.split}", step)
        return random.integers(0, self.n_pairs, size=self.batch_size)

    def starts(self, step: int) -> Int64[np.ndarray, " sequences"]:
        """Return where each sequence of the global batch of a step begins among the tokens."""
        begins = np.concatenate(([0], self._ends))
        return begins[(2 * self.numbers(step)[:, None] + np.arange(2)).ravel()]

    def batch(self, step: int, rows: slice | range | None = None) -> Batch:
        """Return the global batch of a step, or only some of its rows, which are pairs."""
        places = np.arange(self.batch_size)
        if rows is not None:
            places = places[rows if isinstance(rows, slice) else np.array(rows, dtype=int)]
        return self.these(self.numbers(step)[places], row_keys(self.seed, step, places))

    def these(self, numbers: Numbers, keys: Int32[np.ndarray, " pairs"] | None = None) -> Batch:
        """Return a batch of some pairs; without keys, dropout has nothing to grow from.

        Both sequences of a pair have its key, so that what is dropped tells nothing of them apart.
        """
        inputs = np.full((2 * len(numbers), self.width), self.end_token, dtype=np.int64)
        targets = np.full_like(inputs, IGNORE)
        for row, number in enumerate(numbers.tolist()):
            both = [self._document(2 * number), self._document(2 * number + 1)]
            first = _first_difference(*both)
            for place, ids in enumerate(both, start=2 * row):
                inputs[place, 1 : len(ids)] = ids[:-1]
                targets[place, first : len(ids)] = ids[first:]
        keys = np.zeros(len(numbers), dtype=np.int32) if keys is None else keys
        return Batch(
            inputs=torch.from_numpy(inputs),
            targets=torch.from_numpy(targets),
            row_keys=torch.from_numpy(np.repeat(keys, 2)),
        )

    def _document(self, number: int) -> Int64[np.ndarray, " tokens"]:
        begin = int(self._ends[number - 1]) if number else 0
        return np.asarray(self.tokens[begin : int(self._ends[number])], dtype=np.int64)


def _first_difference(
    one: Int64[np.ndarray, " tokens"], other: Int64[np.ndarray, " others"]
) -> int:
    """Return the first place where two documents differ; each ends where it ends, so there is one.

    Two that do not differ have none, and no targets: then it is their length.
    """
    shorter = min(len(one), len(other))
    differ = np.flatnonzero(one[:shorter] != other[:shorter])
    return int(differ[0]) if len(differ) else shorter
