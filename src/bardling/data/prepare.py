"""From the name of a corpus to the tokens of its two splits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt32

from bardling.data.batches import require_length
from bardling.data.config import DataConfig
from bardling.data.corpora import Corpus, load_corpus
from bardling.data.pretrained import gpt2_tokenizer
from bardling.data.split import encode_documents, split_corpus
from bardling.errors import TokenizerError
from bardling.text.tokenizer import Tokenizer
from bardling.text.tokenizer_file import train_tokenizer


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A corpus, ready to train on."""

    tokenizer: Tokenizer
    train: UInt32[np.ndarray, " train"]
    val: UInt32[np.ndarray, " val"]


def prepare(
    config: DataConfig, *, block_size: int, data_dir: Path | None, note: Callable[[str], None]
) -> Prepared:
    """Load, split and encode a corpus; `note` hears what is odd about its text.

    Raises `CorpusError` when a split is too short for one window of `block_size` tokens to train
    on, or one token to predict.
    """
    corpus = load_corpus(config.corpus, data_dir=data_dir)
    for text in corpus.notes:
        note(text)
    texts = split_corpus(corpus, val_fraction=config.val_fraction)
    if corpus.held_out is not None:
        corpus = replace(corpus, documents=(*texts["train"], *texts["val"]))
    tokenizer = _tokenizer(config, corpus.documents, data_dir)
    if tokenizer.end_token is None and len(corpus.documents) > 1:
        note("the tokenizer has no end token, so the documents run into each other")
    _meet_unknown(corpus, tokenizer, config, note)
    train, val = (
        encode_documents(texts[split], tokenizer, unknown=config.unknown)
        for split in ("train", "val")
    )
    require_length(len(train), block_size, "train")
    require_length(len(val), 1, "val")
    return Prepared(tokenizer=tokenizer, train=train, val=val)


def _tokenizer(config: DataConfig, documents: Sequence[str], data_dir: Path | None) -> Tokenizer:
    if config.tokenizer == "gpt2":
        return gpt2_tokenizer(data_dir)
    return train_tokenizer(config.tokenizer, documents, end_token=len(documents) > 1)


def _meet_unknown(
    corpus: Corpus, tokenizer: Tokenizer, config: DataConfig, note: Callable[[str], None]
) -> None:
    """Count the characters that the tokenizer does not know, or refuse the first with its place."""
    counts = [tokenizer.count_unknown(document) for document in corpus.documents]
    first = next((number for number, count in enumerate(counts) if count), None)
    if first is None:
        return
    if config.unknown == "skip":
        note(f"{sum(counts):,} characters are unknown to the tokenizer and left out")
        return
    try:
        tokenizer.encode_array(corpus.documents[first])
    except TokenizerError as error:
        where = f"document {first + 1} of {corpus.name}" if len(counts) > 1 else corpus.name
        raise TokenizerError(f"{where}: {error}") from error
