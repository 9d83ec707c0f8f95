"""How often each piece stands in a corpus, counted in a stream and by several processes.

Only the counts are kept, so the memory that it takes depends on the language, not on the length of
the text. Texts are handed out in lots, a few at a time.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    as_completed,
    wait,
)
from itertools import chain
from typing import Literal

from bardling.machine.workers import workers
from bardling.text.lots import Text, lots
from bardling.text.pretokenize import SplitName, pieces

_LOT = 2**22  # characters that a process is given at once

Phase = Literal["counting", "merging"]
Heard = Callable[[Phase, int, int | None], None]
"""Hears how far learning is: characters that are counted, whose total is not known, then merges
that are made, of how many. Both only grow; it is told rarely enough to cost nothing."""


def unheard(phase: Phase, done: int, total: int | None) -> None:
    """Let it pass: nobody wants to know how far learning is."""


def count_pieces(
    texts: Iterable[Text], split: SplitName, *, processes: int = 1, heard: Heard = unheard
) -> Counter[str]:
    """Return how often each piece stands in some texts; `heard` is told before and after each lot.

    With several processes, a script that calls this has to guard its own start with
    `if __name__ == "__main__"`, as always in Python.
    """
    handed_out = ([text for text, _ in lot] for lot in lots(texts, _LOT))
    heard("counting", 0, None)
    all_counts = _AllCounts(heard)
    first = next(handed_out, [])
    all_counts.add(_count(first, split), _size(first))
    if processes < 2:
        for lot in handed_out:
            all_counts.add(_count(lot, split), _size(lot))
    elif second := next(handed_out, []):  # a short text is not worth a process
        with workers(processes) as pool:
            _share_out(pool, chain([second], handed_out), split, all_counts, at_once=2 * processes)
    return all_counts.counts


class _AllCounts:
    """The sum of what was counted in lots, and how much text they were."""

    def __init__(self, heard: Heard) -> None:
        self.counts: Counter[str] = Counter()
        self.n_characters = 0
        self.heard = heard

    def add(self, counts: Counter[str], n_characters: int) -> None:
        self.counts.update(counts)
        self.n_characters += n_characters
        self.heard("counting", self.n_characters, None)


def _count(texts: list[str], split: SplitName) -> Counter[str]:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(pieces(text, split))
    return counts


def _size(texts: list[str]) -> int:
    return sum(map(len, texts))


def _share_out(
    pool: ProcessPoolExecutor,
    handed_out: Iterable[list[str]],
    split: SplitName,
    all_counts: _AllCounts,
    *,
    at_once: int,
) -> None:
    """Have lots counted by processes, no more of them on their way than can be worked on."""
    going: dict[Future[Counter[str]], int] = {}
    for lot in handed_out:
        going[pool.submit(_count, lot, split)] = _size(lot)
        if len(going) >= at_once:
            for one in wait(going, return_when=FIRST_COMPLETED).done:
                all_counts.add(one.result(), going.pop(one))
    for one in as_completed(going):
        all_counts.add(one.result(), going[one])
