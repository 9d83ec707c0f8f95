"""How often each piece stands in a corpus, counted in a stream and by several processes.

Only the counts are kept, so the memory that it takes depends on the language, not on the length of
the text. Texts are handed out in lots of whole documents, a few at a time.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context

from bardling.text.pretokenize import SplitName, pieces

_LOT = 2**22  # characters that a process is given at once


def count_pieces(texts: Iterable[str], split: SplitName, *, processes: int = 1) -> Counter[str]:
    """Return how often each piece stands in some texts.

    With several processes, a script that calls this has to guard its own start with
    `if __name__ == "__main__"`, as always in Python.
    """
    lots = _lots(texts)
    first, second = next(lots, []), next(lots, [])
    counts = _count(first, split)
    if processes < 2:
        for lot in (second, *lots):
            counts.update(_count(lot, split))
        return counts
    if second:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            _share_out(pool, _chain(second, lots), split, counts, at_once=2 * processes)
    return counts


def _chain(first: list[str], rest: Iterator[list[str]]) -> Iterator[list[str]]:
    yield first
    yield from rest


def _lots(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield texts in lots of about the same size."""
    lot: list[str] = []
    size = 0
    for text in texts:
        lot.append(text)
        size += len(text)
        if size >= _LOT:
            yield lot
            lot, size = [], 0
    if lot:
        yield lot


def _count(texts: list[str], split: SplitName) -> Counter[str]:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(pieces(text, split))
    return counts


def _share_out(
    pool: ProcessPoolExecutor,
    lots: Iterator[list[str]],
    split: SplitName,
    counts: Counter[str],
    *,
    at_once: int,
) -> None:
    """Have lots counted by processes, no more of them on their way than can be worked on."""
    going: set[Future[Counter[str]]] = set()
    for lot in lots:
        going.add(pool.submit(_count, lot, split))
        if len(going) >= at_once:
            done, going = wait(going, return_when=FIRST_COMPLETED)
            for one in done:
                counts.update(one.result())
    for one in going:
        counts.update(one.result())
