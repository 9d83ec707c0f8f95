"""Texts in lots of about the same size, for work that is done piece by piece or by several hands.

Long texts are cut where every split of ours begins a new piece anyway (`pretokenize`), which is
before a single space between two words. So a text has the same pieces and the same tokens, cut or
not.
"""

import re
from collections.abc import Iterable, Iterator

_BETWEEN_WORDS = re.compile(r"(?<=\S) (?=\S)")

Part = tuple[str, bool]
"""A stretch of a text, and whether the text ends with it."""


def lots(texts: Iterable[str], size: int) -> Iterator[list[Part]]:
    """Yield texts and parts of texts, in order, in lots of about `size` characters.

    A text without a single space is not cut.
    """
    lot: list[Part] = []
    filled = 0
    for text in texts:
        for part in _cut(text, size):
            lot.append(part)
            filled += len(part[0])
            if filled >= size:
                yield lot
                lot, filled = [], 0
    if lot:
        yield lot


def _cut(text: str, size: int) -> Iterator[Part]:
    start = 0
    while len(text) - start > size:
        border = _BETWEEN_WORDS.search(text, start + size)
        if border is None:
            break
        yield text[start : border.start()], False
        start = border.start()
    yield (text[start:] if start else text), True
