"""Documents become tokens in a stream: in order, by several hands, a few lots at a time.

Threads need no preparation, and the fast encoder of a BPE works outside of Python's lock, but for
the lists of ids that it gives back. Processes do not wait for each other; they take half a second
to start. Memory does not depend on how many documents there are.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial

import numpy as np
from jaxtyping import UInt32

from bardling.data.tokens import up_to
from bardling.machine.workers import workers
from bardling.storage import json_bytes
from bardling.text.lots import Part, Text, lots
from bardling.text.tokenizer import Tokenizer, Unknown
from bardling.text.tokenizer_file import parse_tokenizer

Ids = UInt32[np.ndarray, " _"]
_LOT = 2**20  # characters that are encoded at once
_LEAST_LOT = 2**12


def encode_stream(
    documents: Iterable[Text],
    tokenizer: Tokenizer,
    *,
    unknown: Unknown = "error",
    threads: int = 1,
    processes: int = 1,
    most: int = sys.maxsize,
) -> Iterator[Ids]:
    """Yield the ids of all documents, each followed by the end token, if there is one.

    The ids come in pieces of some hundred thousand, in the order of the documents. There are
    `most` of them at most, and little more is read than that takes. With several processes, a
    script that calls this has to guard its own start (see `workers`).
    """
    handed_out = lots(documents, min(_LOT, max(_LEAST_LOT, most // 8)))
    here = partial(_encode, tokenizer=tokenizer, unknown=unknown)
    if processes > 1:
        with workers(processes, _meet, json_bytes(tokenizer.to_json()), unknown) as pool:
            yield from _in_order(pool, _encode_there, handed_out, 2 * processes, most)
    elif threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            yield from _in_order(pool, here, handed_out, 2 * threads, most)
    else:
        yield from up_to(most, map(here, handed_out))


def _in_order(
    pool: Executor,
    work: Callable[[list[Part]], Ids],
    handed_out: Iterator[list[Part]],
    at_once: int,
    most: int,
) -> Iterator[Ids]:
    """Yield what becomes of lots, in their order, until there are `most` ids.

    No more lots are on their way than `at_once`, nor than the ids that are left seem to need.
    """
    going: deque[tuple[Future[Ids], int]] = deque()
    n_going, read, made = 0, 1, 1  # characters on their way, and those and ids that are done
    left = most
    while left > 0:
        while len(going) < at_once and n_going * made < left * read:
            lot = next(handed_out, None)
            if lot is None:
                break
            size = sum(len(text) for text, _ in lot)
            going.append((pool.submit(work, lot), size))
            n_going += size
        if not going:
            return
        first, size = going.popleft()
        ids = first.result()
        n_going, read, made = n_going - size, read + size, made + len(ids)
        yield ids[:left]
        left -= len(ids)


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
    """Begin a process that encodes for another."""
    _met["encode"] = partial(_encode, tokenizer=parse_tokenizer(tokenizer_json), unknown=unknown)


def _encode_there(lot: list[Part]) -> Ids:
    return _met["encode"](lot)
