"""What is learned from and what is only measured: the two sides of a corpus, disjoint.

A single text is cut by position, so that the validation part is text the model never saw around
it. Of several documents, those whose texts have the lowest hashes are held out: the same ones for
every training seed, so that runs can be compared, and every copy of a text is on the same side. A
corpus may hold documents out itself; copies of them are not learned from. Near-duplicates are left
to cleaning.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from hashlib import blake2b
from itertools import islice

import numpy as np
from jaxtyping import UInt64

from bardling.data.config import Split
from bardling.data.corpora import Corpus
from bardling.data.reading import LongFile
from bardling.errors import ConfigError, CorpusError
from bardling.text.lots import Text, chunks, whole

_HASHES = 2**64

Sides = Mapping[Split, Iterable[Text]]


@dataclass(frozen=True, kw_only=True)
class Side:
    """The documents of one side, read anew whenever they are asked for."""

    documents: Iterable[Text]
    is_here: Callable[[Text], bool]

    def __iter__(self) -> Iterator[Text]:
        return filter(self.is_here, iter(self.documents))


def split_corpus(corpus: Corpus, *, val_fraction: float) -> Sides:
    """Set `val_fraction` of the characters, or of the documents, aside for validation.

    Documents keep their order, and those with exactly the same text stay on the same side. Of a
    stream, about that fraction is set aside, because nobody has counted it. Raises CorpusError
    where one side would be empty; of a stream, that shows when it is read.
    """
    if not 0 < val_fraction < 1:
        raise ConfigError(
            f"the fraction of text for validation is {val_fraction}: "
            "a number between 0 and 1 was expected"
        )
    sides = _sides(corpus, val_fraction)
    wanted: tuple[Split, ...] = ("train",) if corpus.is_stream else ("train", "val")
    if not all(any(sides[split]) for split in wanted):
        raise CorpusError(
            f"corpus '{corpus.name}' with {corpus.n_characters} characters in "
            f"{len(set(map(text_hash, corpus.documents)))} different documents is too small to set "
            f"{_percent(val_fraction)} aside for validation: give it more text, "
            "or another val_fraction"
        )
    return sides


def _sides(corpus: Corpus, val_fraction: float) -> Sides:
    if corpus.validation is not None:
        theirs = frozenset(map(text_hash, corpus.validation))
        rest, _ = _by_document(corpus.documents, lambda text: text_hash(text) in theirs).values()
        return {"train": rest, "val": corpus.validation}
    if corpus.held_out is not None:
        documents = tuple(corpus.documents)
        n_val = _n_val(len(documents), val_fraction)
        return {"train": documents[n_val:], "val": corpus.held_out(n_val)}
    if corpus.is_stream:
        border = int(val_fraction * _HASHES)
        return _by_document(corpus.documents, lambda text: text_hash(text) < border)
    first = tuple(islice(iter(corpus.documents), 2))
    if len(first) == 1:
        return _by_position(first[0], val_fraction)
    chosen = hashes_held_out(corpus.documents, val_fraction)
    return _by_document(corpus.documents, lambda text: text_hash(text) in chosen)


def _percent(fraction: float) -> str:
    """Return a fraction in percent with every digit it has: 10%, 99.99999%, 1E-10%."""
    percent = 100 * Decimal(repr(fraction))
    return f"{percent.normalize():f}%" if percent > Decimal("1e-6") else f"{percent.normalize()}%"


def _by_position(text: Text, val_fraction: float) -> Sides:
    if isinstance(text, LongFile):
        border = int((1 - val_fraction) * text.n_characters)
        return {"train": (replace(text, stop=border),), "val": (replace(text, start=border),)}
    held = whole(text)
    border = int((1 - val_fraction) * len(held))
    return {"train": (held[:border],), "val": (held[border:],)}


def _n_val(n_documents: int, val_fraction: float) -> int:
    return min(max(1, round(n_documents * val_fraction)), n_documents - 1)


def _by_document(documents: Iterable[Text], is_val: Callable[[Text], bool]) -> Sides:
    train = Side(documents=documents, is_here=lambda text: not is_val(text))
    val = Side(documents=documents, is_here=is_val)
    if isinstance(documents, tuple):
        return {"train": tuple(train), "val": tuple(val)}
    return {"train": train, "val": val}


def hashes_held_out(documents: Iterable[Text], val_fraction: float) -> frozenset[int]:
    """Return the hashes of the texts to hold out: the lowest whose copies find room."""
    hashes: UInt64[np.ndarray, " documents"] = np.fromiter(
        map(text_hash, documents), dtype=np.uint64
    )
    texts, copies = np.unique(hashes, return_counts=True)
    left = _n_val(len(hashes), val_fraction)
    chosen = []
    for text, count in zip(texts, copies, strict=True):
        if left < 1:
            break
        if count <= left:
            chosen.append(int(text))
            left -= int(count)
    if not chosen and len(texts) > 1:  # every text has more copies than there is room for
        chosen.append(int(texts[copies.argmin()]))
    return frozenset(chosen)


def text_hash(text: Text) -> int:
    """Return a number of 64 bits that stands for a text."""
    digest = blake2b(digest_size=8)
    for part in chunks(text):
        digest.update(part.encode("utf-8", "surrogatepass"))
    return int.from_bytes(digest.digest())
