"""What a corpus is like, and what that says about the model to train on it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from bardling.text.lots import Text, lots
from bardling.text.tokenizer import Tokenizer

PERCENTILES = (5, 25, 50, 75, 95, 100)
TOKENS_PER_PARAMETER = 20  # Hoffmann et al. 2022, "Training compute-optimal large language models"
AT_ONCE = 2**19  # characters
BLOCK_SIZES = (32, 64, 128, 256, 512, 1024, 2048)


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Sizes of a corpus in all, and of its documents."""

    n_documents: int
    n_bytes: int
    n_characters: int
    n_distinct: int
    """Different characters."""
    n_words: int
    n_tokens: int
    words: tuple[int, ...]
    """Words of a document at `PERCENTILES`."""
    tokens: tuple[int, ...]
    """Tokens of a document at `PERCENTILES`."""

    @property
    def block_size(self) -> int:
        """The least usual context that holds 95 of 100 documents whole, 2,048 at most."""
        wanted = self.tokens[PERCENTILES.index(95)]
        return next((size for size in BLOCK_SIZES if size >= wanted), BLOCK_SIZES[-1])

    @property
    def n_parameters(self) -> int:
        """The parameters for which this text, read once, is the compute-optimal amount."""
        return self.n_tokens // TOKENS_PER_PARAMETER


def measure(documents: Iterable[Text], tokenizer: Tokenizer) -> Statistics:
    """Count a corpus with a tokenizer, in one go; the end token of each document counts."""
    end = tokenizer.end_token is not None
    n_bytes = n_characters = 0
    distinct: set[str] = set()
    words, tokens = [0], [0]
    for part, is_end in chain.from_iterable(lots(documents, AT_ONCE)):
        n_bytes += len(part.encode("utf-8"))
        n_characters += len(part)
        distinct.update(part)
        words[-1] += len(part.split())
        tokens[-1] += len(tokenizer.encode_array(part, unknown="skip")) + (is_end and end)
        if is_end:
            words.append(0)
            tokens.append(0)
    return Statistics(
        n_documents=len(words) - 1,
        n_bytes=n_bytes,
        n_characters=n_characters,
        n_distinct=len(distinct),
        n_words=sum(words),
        n_tokens=sum(tokens),
        words=_percentiles(words[:-1]),
        tokens=_percentiles(tokens[:-1]),
    )


def _percentiles(counts: Sequence[int]) -> tuple[int, ...]:
    found = np.percentile(counts, PERCENTILES, method="inverted_cdf")
    return tuple(int(number) for number in found)
