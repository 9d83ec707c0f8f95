"""From the name of a corpus to the tokens of its two splits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Integer

from bardling.data.batches import require_length
from bardling.data.config import DataConfig, Split
from bardling.data.corpora import Corpus, load_corpus
from bardling.data.pretrained import tokenizer_for
from bardling.data.shards import find_shards, read_split
from bardling.data.split import encode_documents, split_corpus
from bardling.errors import TokenizerError, UsageError
from bardling.text.tokenizer import Tokenizer
from bardling.text.tokenizer_file import is_trained_here


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A corpus, ready to train on."""

    tokenizer: Tokenizer
    train: Integer[np.ndarray, " train"]
    val: Integer[np.ndarray, " val"]


def prepare(
    config: DataConfig, *, block_size: int, data_dir: Path | None, note: Callable[[str], None]
) -> Prepared:
    """Load, split and encode a corpus; `note` hears what is odd about its text.

    A folder that nanoGPT or llm.c has prepared is taken as it is. Raises `CorpusError` when a split
    is too short for one window of `block_size` tokens to train on, or one token to predict.
    """
    shards = find_shards(config.corpus)
    prepared = (
        _prepare_text(config, data_dir, note)
        if shards is None
        else _take_shards(config, shards, data_dir)
    )
    require_length(len(prepared.train), block_size, "train")
    require_length(len(prepared.val), 1, "val")
    return prepared


def _take_shards(
    config: DataConfig, shards: Mapping[Split, list[Path]], data_dir: Path | None
) -> Prepared:
    if is_trained_here(config.tokenizer):
        raise UsageError(
            f"{config.corpus} holds tokens, and --tokenizer has to name what they were made with: "
            "gpt2, a tokenizer.json, a ranks file or a run"
        )
    tokenizer = tokenizer_for(config.tokenizer, (), data_dir)
    train, val = (
        read_split(shards[split], vocab_size=tokenizer.vocab_size) for split in ("train", "val")
    )
    return Prepared(tokenizer=tokenizer, train=train, val=val)


def _prepare_text(
    config: DataConfig, data_dir: Path | None, note: Callable[[str], None]
) -> Prepared:
    corpus = load_corpus(config.corpus, data_dir=data_dir)
    for text in corpus.notes:
        note(text)
    texts = split_corpus(corpus, val_fraction=config.val_fraction)
    if corpus.held_out is not None:
        corpus = replace(corpus, documents=(*texts["train"], *texts["val"]))
    tokenizer = tokenizer_for(config.tokenizer, corpus.documents, data_dir)
    if tokenizer.end_token is None and len(corpus.documents) > 1:
        note("the tokenizer has no end token, so the documents run into each other")
    _meet_unknown(corpus, tokenizer, config, note)
    train, val = (
        encode_documents(texts[split], tokenizer, unknown=config.unknown)
        for split in ("train", "val")
    )
    return Prepared(tokenizer=tokenizer, train=train, val=val)


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
