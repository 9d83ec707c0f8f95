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
    held: list[str] = []
    n_held, context = 0, ""  # what is held, and its last two characters, which a border looks at
    for chunk in chunks(text):
        window, offset = context + chunk, n_held - len(context)
        held.append(chunk)
        n_held, context = n_held + len(chunk), window[-2:]
        border = _BORDER.search(window, max(size - offset, 0)) if n_held > size else None
        if border is not None:
            *parts, rest = _cut_at("".join(held), offset + border.start(), size)
            yield from ((part, False) for part in parts)
            held, n_held = [rest], len(rest)
    yield "".join(held), True


def _cut_at(text: str, place: int, size: int) -> Iterator[str]:
    """Yield a text cut at a place, and then wherever it is longer than `size`."""
    start = 0
    while True:
        yield text[start:place]
        start = place
        border = _BORDER.search(text, start + size) if len(text) - start > size else None
        if border is None:
            yield text[start:]
            return
        place = border.start()
