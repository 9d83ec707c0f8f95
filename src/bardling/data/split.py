"""What is learned from and what is only measured: the two sides of a corpus, disjoint.

A single text is cut by position, so that the validation part is text the model never saw around
it; several documents are drawn whole, the same ones for every training seed, so that runs with
other seeds can be compared. A corpus may hold documents out itself. Near-duplicates are left to
cleaning.
"""

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
from jaxtyping import UInt32

from bardling.data.config import Split
from bardling.data.corpora import Corpus
from bardling.data.encoding import encode_stream
from bardling.errors import ConfigError, CorpusError
from bardling.machine.randomness import stream
from bardling.machine.threads import pick_threads
from bardling.text.tokenizer import Tokenizer, Unknown


def split_corpus(corpus: Corpus, *, val_fraction: float) -> dict[Split, tuple[str, ...]]:
    """Set `val_fraction` of the characters, or of the documents, aside for validation.

    Documents keep their order, and those with exactly the same text stay on the same side.
    Raises CorpusError where one side would be empty.
    """
    if not 0 < val_fraction < 1:
        raise ConfigError(
            f"the fraction of text for validation is {val_fraction}: "
            "a number between 0 and 1 was expected"
        )
    if corpus.held_out is not None:
        n_val = _n_val(len(corpus.documents), val_fraction)
        sides: dict[Split, tuple[str, ...]] = {
            "train": corpus.documents[n_val:],
            "val": corpus.held_out(n_val),
        }
    elif len(corpus.documents) == 1:
        sides = _by_position(corpus.documents[0], val_fraction)
    else:
        sides = _by_document(corpus.documents, val_fraction)
    if not any(sides["train"]) or not any(sides["val"]):
        raise CorpusError(
            f"corpus '{corpus.name}' with {corpus.n_characters} characters in "
            f"{len(set(corpus.documents))} different documents is too small to set "
            f"{_percent(val_fraction)} aside for validation: give it more text, "
            "or another val_fraction"
        )
    return sides


def _percent(fraction: float) -> str:
    """Return a fraction in percent with every digit it has: 10%, 99.99999%, 1E-10%."""
    percent = 100 * Decimal(repr(fraction))
    return f"{percent.normalize():f}%" if percent > Decimal("1e-6") else f"{percent.normalize()}%"


def _by_position(text: str, val_fraction: float) -> dict[Split, tuple[str, ...]]:
    n_train = int((1 - val_fraction) * len(text))
    return {"train": (text[:n_train],), "val": (text[n_train:],)}


def _n_val(n_documents: int, val_fraction: float) -> int:
    return min(max(1, round(n_documents * val_fraction)), n_documents - 1)


def _by_document(documents: tuple[str, ...], val_fraction: float) -> dict[Split, tuple[str, ...]]:
    """Draw different texts until the documents that have them fill the validation side."""
    copies: dict[str, int] = {}
    for document in documents:
        copies[document] = copies.get(document, 0) + 1
    left = _n_val(len(documents), val_fraction)
    texts = list(copies)
    order = [texts[i] for i in stream(0, "split").permutation(len(texts))]
    chosen: set[str] = set()
    for text in order:
        if copies[text] <= left:
            chosen.add(text)
            left -= copies[text]
    if not chosen and len(texts) > 1:  # every text has more copies than there is room for
        chosen.add(min(order, key=copies.__getitem__))
    return {
        "train": tuple(document for document in documents if document not in chosen),
        "val": tuple(document for document in documents if document in chosen),
    }


def encode_documents(
    documents: Sequence[str], tokenizer: Tokenizer, *, unknown: Unknown = "error"
) -> UInt32[np.ndarray, " count"]:
    """Return the ids of all documents in a row, each followed by the end token, if there is one."""
    none = np.zeros(0, dtype=np.uint32)
    threads = pick_threads(0)
    ids = encode_stream(documents, tokenizer, unknown=unknown, threads=threads)
    return np.concatenate((none, *ids))
