"""How often each piece stands in a corpus, counted in a stream and by several processes.

Only the counts are kept, so the memory that it takes depends on the language, not on the length of
the text. Texts are handed out in lots, a few at a time.
"""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import chain
from multiprocessing import get_context

from bardling.text.lots import lots
from bardling.text.pretokenize import SplitName, pieces

_LOT = 2**22  # characters that a process is given at once


def count_pieces(texts: Iterable[str], split: SplitName, *, processes: int = 1) -> Counter[str]:
    """Return how often each piece stands in some texts.

    With several processes, a script that calls this has to guard its own start with
    `if __name__ == "__main__"`, as always in Python.
    """
    handed_out = ([text for text, _ in lot] for lot in lots(texts, _LOT))
    counts = _count(next(handed_out, []), split)
    if processes < 2:
        for lot in handed_out:
            counts.update(_count(lot, split))
    elif second := next(handed_out, []):  # a short text is not worth a process
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            _share_out(pool, chain([second], handed_out), split, counts, at_once=2 * processes)
    return counts


def _count(texts: list[str], split: SplitName) -> Counter[str]:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(pieces(text, split))
    return counts


def _share_out(
    pool: ProcessPoolExecutor,
    handed_out: Iterable[list[str]],
    split: SplitName,
    counts: Counter[str],
    *,
    at_once: int,
) -> None:
    """Have lots counted by processes, no more of them on their way than can be worked on."""
    going: set[Future[Counter[str]]] = set()
    for lot in handed_out:
        going.add(pool.submit(_count, lot, split))
        if len(going) >= at_once:
            done, going = wait(going, return_when=FIRST_COMPLETED)
            for one in done:
                counts.update(one.result())
    for one in going:
        counts.update(one.result())
