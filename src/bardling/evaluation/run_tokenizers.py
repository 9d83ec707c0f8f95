"""Tokenizers side by side on the text of a run, its own among them.

The text is read off the run's tokens, so it needs nothing that is not in the run's folder. What
learns does so from the beginning of the training text and is measured on the beginning of the
validation text, a few megabytes in all, so that it takes a few seconds.
"""

from itertools import chain

import numpy as np
from jaxtyping import Integer

from bardling.errors import CorpusError
from bardling.evaluation.tokenizers import Comparison, compare_on
from bardling.text.pretokenize import pieces
from bardling.text.tokenizer import Tokenizer

LEARN_BYTES, MEASURE_BYTES = 2_000_000, 500_000
"""At most: 3 to 4 s on two cores, most of it in `tokenizers`."""
LEAST_LEARN_BYTES, LEAST_MEASURE_BYTES = 1000, 100
"""With less, the figures are noise."""
LONGEST_PIECE = 20_000
"""Characters without a border: 0.1 s for `tokenizers`, and four times that for twice as many."""
RUN_SIZES = (500, 1000, 2000, 4000, 8000, 16000)
N_SIZES = 3
BYTES_FOR_A_TOKEN = 50
"""Text that a token of a vocabulary should have to be learned from."""

Ids = Integer[np.ndarray, " _"]


def compare_for_run(train: Ids, val: Ids, tokenizer: Tokenizer) -> Comparison:
    """Compare tokenizers on the text of a run's training and validation tokens.

    Their beginnings will do, so many ids as bytes are wanted. Raises CorpusError where the text is
    too short, or would take minutes.
    """
    learned = text_of(train, tokenizer, LEARN_BYTES)
    kept = text_of(val, tokenizer, MEASURE_BYTES)
    n_learn, n_measure = len(learned.encode()), len(kept.encode())
    if n_learn < LEAST_LEARN_BYTES or n_measure < LEAST_MEASURE_BYTES:
        raise CorpusError(
            f"{n_learn:,} bytes to learn from and {n_measure:,} to measure on are too few to "
            f"compare tokenizers: {LEAST_LEARN_BYTES:,} and {LEAST_MEASURE_BYTES:,} are the least"
        )
    longest = max(map(len, chain(pieces(learned), pieces(kept))))
    if longest > LONGEST_PIECE:
        raise CorpusError(
            f"{longest:,} characters without a border between them take too long to learn from; "
            f"{LONGEST_PIECE:,} are the most"
        )
    return compare_on(learned, kept, sizes=sizes_for(n_learn), own=tokenizer)


def sizes_for(n_bytes: int) -> tuple[int, ...]:
    """Return up to three vocabularies that fit a text, each four times the one before."""
    fitting = [size for size in RUN_SIZES if size * BYTES_FOR_A_TOKEN <= n_bytes]
    return tuple(sorted(fitting[::-2][:N_SIZES])) or RUN_SIZES[:1]


def text_of(tokens: Ids, tokenizer: Tokenizer, limit_bytes: int) -> str:
    """Return the text of the first tokens that are no more than `limit_bytes`.

    Documents are joined by line ends: the end token is no text.
    """
    n_bytes = np.cumsum(tokenizer.token_sizes[tokens[:limit_bytes]])
    ids = tokens[: int(np.searchsorted(n_bytes, limit_bytes, side="right"))]
    documents = [ids]
    if tokenizer.end_token is not None:
        documents = np.split(ids, np.flatnonzero(ids == tokenizer.end_token))
    texts = [tokenizer.decode(document) for document in documents]
    texts[-1] = texts[-1].rstrip("\ufffd")  # a character that was cut in two
    return "\n".join(filter(None, texts))
