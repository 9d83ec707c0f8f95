"""Where documents begin and end among tokens, and what is known of each.

A loss can be compared with a floor only where each document is read whole and from its beginning:
a model that has not seen the beginning is asked for more than it can know. So windows here are
made of whole documents. Any other text is read in windows side by side; see `batches`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from jaxtyping import Float64, Int64

from bardling.data.batches import Spans
from bardling.data.stories.corpus import story_nats
from bardling.data.tokens import Tokens, places_of
from bardling.errors import CorpusError
from bardling.text.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True, eq=False)
class Documents:
    """The documents of a split, each followed by the end token, which counts as its last token."""

    end_token: int
    ends: Int64[np.ndarray, " documents"]
    """The place after each document's end token."""
    nats: Float64[np.ndarray, " documents"] | None = None
    """-ln p of each in the language it is of; None where that is not known."""

    @classmethod
    def find(
        cls,
        tokens: Tokens,
        end_token: int,
        nats: Sequence[float] | None = None,
    ) -> "Documents":
        """Return the documents among tokens.

        Raises `CorpusError` when `nats` are those of another number of documents.
        """
        ends = places_of(tokens, end_token) + 1
        if nats is not None and len(nats) != len(ends):
            raise CorpusError(
                f"the floor is known of {len(nats)} documents, but {len(ends)} are there"
            )
        known = None if nats is None else np.array(nats, dtype=np.float64)
        return cls(end_token=end_token, ends=ends, nats=known)

    @cached_property
    def longest(self) -> int:
        """The number of tokens of the longest document, its end token included."""
        return int(np.diff(self.ends, prepend=0).max(initial=0))

    def spans(self, block_size: int) -> Spans:
        """Return windows of whole documents, as many as fit, that predict every token once.

        The first token of a document is predicted from the end token before it. One that is
        longer than a window has several.
        """
        spans: list[tuple[int, int]] = []
        first = last = 0
        for end in self.ends.tolist():
            if end - first > block_size and last > first:
                spans.append((first, last))
                first = last
            while end - first > block_size:
                spans.append((first, first + block_size))
                first += block_size
            last = end
        if last > first:
            spans.append((first, last))
        return np.array(spans, dtype=np.int64).reshape(-1, 2)

    def floor(self, spans: Spans) -> float | None:
        """Return the least expected loss on some windows, in nats per token, if it is known.

        It is not where a window cuts a document.
        """
        edges = np.concatenate([[0], self.ends])
        if self.nats is None or not len(spans) or not np.isin(spans, edges).all():
            return None
        up_to = np.concatenate([[0.0], np.cumsum(self.nats)])
        first, last = np.searchsorted(edges, spans).T
        return float((up_to[last] - up_to[first]).sum() / (spans[:, 1] - spans[:, 0]).sum())


def known_documents(tokens: Tokens, tokenizer: Tokenizer) -> Documents | None:
    """Return the documents among tokens if the probability of each is known, else None.

    That is read off their text, so it needs nothing but the tokens: all have to be stories.
    """
    end = tokenizer.end_token
    if end is None or not len(tokens) or tokens[len(tokens) - 1 :].tolist() != [end]:
        return None
    edges = pairwise([-1, *places_of(tokens, end).tolist()])
    texts = (tokenizer.decode(tokens[before + 1 : after]) for before, after in edges)
    nats = story_nats(texts)
    return None if nats is None else Documents.find(tokens, end, nats)
