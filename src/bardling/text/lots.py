"""Texts in lots of about the same size, for work that is done piece by piece or by several hands.

Long texts are cut where every split of ours begins a new piece anyway (`pretokenize`): before a
single space between two words, and after a single line end between two lines. So a text has the
same pieces and the same tokens, cut or not. A text that is too long to be held comes in chunks.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Protocol, runtime_checkable

_BORDER = re.compile(r"(?<=\S) (?=\S)|(?<=\S\n)(?=\S)")

Part = tuple[str, bool]
"""A stretch of a text, and whether the text ends with it."""


@runtime_checkable
class LongText(Protocol):
    """A text that is too long to be held."""

    def chunks(self) -> Iterator[str]:
        """Yield the text piece by piece, as often as asked."""
        ...


Text = str | LongText


def chunks(text: Text) -> Iterable[str]:
    """Return a text piece by piece; what is held is one piece."""
    return (text,) if isinstance(text, str) else text.chunks()


def whole(text: Text) -> str:
    """Return a text in one piece."""
    return "".join(chunks(text))


def lots(texts: Iterable[Text], size: int) -> Iterator[list[Part]]:
    """Yield texts and parts of texts, in order, in lots of about `size` characters.

    A text without such a place is not cut.
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


def _cut(text: Text, size: int) -> Iterator[Part]:
    held, start, looked = "", 0, 0
    for chunk in chunks(text):
        held, start, looked = held[start:] + chunk, 0, looked - start
        while len(held) - start > size:
            border = _BORDER.search(held, max(start + size, looked))
            if border is None:
                looked = len(held) - 1  # there may be one where the next chunk begins
                break
            yield held[start : border.start()], False
            start = border.start()
    yield (held[start:] if start else held), True
