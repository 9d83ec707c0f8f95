"""Documents become tokens in a stream: in order, by several threads, a few lots at a time.

The fast encoder of a BPE works outside of Python's lock, so threads are enough, and nothing has to
be copied to another process. Memory does not depend on how many documents there are.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np
from jaxtyping import UInt32

from bardling.text.lots import Part, Text, lots
from bardling.text.tokenizer import Tokenizer, Unknown

Ids = UInt32[np.ndarray, " _"]
_LOT = 2**19  # characters that are encoded at once


def encode_stream(
    documents: Iterable[Text],
    tokenizer: Tokenizer,
    *,
    unknown: Unknown = "error",
    threads: int = 1,
) -> Iterator[Ids]:
    """Yield the ids of all documents, each followed by the end token, if there is one.

    The ids come in pieces of some hundred thousand, in the order of the documents.
    """
    handed_out = lots(documents, _LOT)
    if threads < 2:
        for lot in handed_out:
            yield _encode(lot, tokenizer, unknown)
        return
    with ThreadPoolExecutor(threads) as pool:
        going: deque[Future[Ids]] = deque(
            pool.submit(_encode, lot, tokenizer, unknown) for lot in islice(handed_out, 2 * threads)
        )
        while going:
            yield going.popleft().result()
            for lot in islice(handed_out, 1):
                going.append(pool.submit(_encode, lot, tokenizer, unknown))


def _encode(lot: list[Part], tokenizer: Tokenizer, unknown: Unknown) -> Ids:
    end = np.array([] if tokenizer.end_token is None else [tokenizer.end_token], dtype=np.uint32)
    found: list[Ids] = []
    for text, is_end in lot:
        found.append(tokenizer.encode_array(text, unknown=unknown))
        if is_end:
            found.append(end)
    return np.concatenate(found)
