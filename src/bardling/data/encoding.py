"""Documents become tokens in a stream: in order, by several hands, a few lots at a time.

Threads need no preparation, and the fast encoder of a BPE works outside of Python's lock; but what
it gives back are Python's numbers, so the second thread adds less than half. Processes do not wait
for each other; they take half a second to start. Memory does not depend on how many documents
there are.
"""

import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from itertools import islice
from multiprocessing import get_context

import numpy as np
from jaxtyping import UInt32

from bardling.storage import json_bytes
from bardling.text.lots import Part, Text, lots
from bardling.text.tokenizer import Tokenizer, Unknown
from bardling.text.tokenizer_file import parse_tokenizer

Ids = UInt32[np.ndarray, " _"]
_LOT = 2**19  # characters that are encoded at once


def encode_stream(
    documents: Iterable[Text],
    tokenizer: Tokenizer,
    *,
    unknown: Unknown = "error",
    threads: int = 1,
    processes: int = 1,
) -> Iterator[Ids]:
    """Yield the ids of all documents, each followed by the end token, if there is one.

    The ids come in pieces of some hundred thousand, in the order of the documents. With several
    processes, a script that calls this has to guard its own start with
    `if __name__ == "__main__"`, as always in Python.
    """
    handed_out = lots(documents, _LOT)
    here = partial(_encode, tokenizer=tokenizer, unknown=unknown)
    if processes > 1:
        with ProcessPoolExecutor(
            processes,
            mp_context=get_context("spawn"),
            initializer=_meet,
            initargs=(json_bytes(tokenizer.to_json()), unknown),
        ) as pool:
            yield from _in_order(pool, _encode_there, handed_out, at_once=2 * processes)
    elif threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            yield from _in_order(pool, here, handed_out, at_once=2 * threads)
    else:
        yield from map(here, handed_out)


def _in_order(
    pool: Executor,
    work: Callable[[list[Part]], Ids],
    handed_out: Iterator[list[Part]],
    *,
    at_once: int,
) -> Iterator[Ids]:
    """Yield what becomes of lots, in their order, with no more of them on their way than asked."""
    going: deque[Future[Ids]] = deque(pool.submit(work, lot) for lot in islice(handed_out, at_once))
    while going:
        yield going.popleft().result()
        for lot in islice(handed_out, 1):
            going.append(pool.submit(work, lot))


def _encode(lot: list[Part], tokenizer: Tokenizer, unknown: Unknown) -> Ids:
    end = np.array([] if tokenizer.end_token is None else [tokenizer.end_token], dtype=np.uint32)
    found: list[Ids] = []
    for text, is_end in lot:
        found.append(tokenizer.encode_array(text, unknown=unknown))
        if is_end:
            found.append(end)
    return np.concatenate(found)


_met: dict[str, Callable[[list[Part]], Ids]] = {}  # in a process that encodes for another


def _meet(tokenizer_json: bytes, unknown: Unknown) -> None:
    """Begin a process that encodes for another, which alone hears Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _met["encode"] = partial(_encode, tokenizer=parse_tokenizer(tokenizer_json), unknown=unknown)


def _encode_there(lot: list[Part]) -> Ids:
    return _met["encode"](lot)
