"""From the name of a corpus to the tokens of its two splits."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Integer

from bardling.data.config import DataConfig, Split
from bardling.data.corpora import Corpus, is_corpus, load_corpus
from bardling.data.encoding import encode_stream
from bardling.data.pretrained import tokenizer_for
from bardling.data.shards import find_shards
from bardling.data.split import split_corpus
from bardling.data.token_folder import (
    SPLITS,
    Index,
    is_token_folder,
    open_row,
    read_index,
    shards_of,
    up_to,
    write_index,
    write_split,
)
from bardling.data.tokens import stretches
from bardling.errors import TokenizerError, UsageError
from bardling.machine.threads import pick_threads
from bardling.text.tokenizer import Tokenizer
from bardling.text.tokenizer_file import is_trained_here, load_tokenizer

Ids = Integer[np.ndarray, " _"]
Note = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Prepared(ABC):
    """A corpus whose tokens can be read, and its tokenizer."""

    tokenizer: Tokenizer

    @abstractmethod
    def pieces(self, split: Split) -> Iterator[Ids]:
        """Yield the ids of a split, piece by piece."""

    @abstractmethod
    def put(self, folder: Path) -> Index:
        """Let `folder` have the tokens, and return what it has."""

    def beginning(self, split: Split, n_tokens: int) -> Ids:
        """Return the first ids of a split, in memory."""
        none = np.zeros(0, dtype=np.uint32)
        return np.concatenate([none, *up_to(n_tokens, self.pieces(split))])


@dataclass(frozen=True, kw_only=True)
class FromText(Prepared):
    """Documents that become tokens as they are asked for."""

    config: DataConfig
    documents: Mapping[Split, tuple[str, ...]]

    def pieces(self, split: Split) -> Iterator[Ids]:
        """Encode the documents of a split."""
        return encode_stream(
            self.documents[split],
            self.tokenizer,
            unknown=self.config.unknown,
            threads=pick_threads(0),
        )

    def put(self, folder: Path) -> Index:
        """Write the ids of both splits."""
        shards = {
            split: write_split(folder, split, self.pieces(split), self.tokenizer)
            for split in SPLITS
        }
        index = Index(tokenizer_sha256=self.tokenizer.sha256, shards=shards)
        write_index(folder, index)
        return index


@dataclass(frozen=True, kw_only=True)
class FromTokens(Prepared):
    """Token files that lie somewhere and stay there."""

    index: Index
    """With absolute paths."""

    def pieces(self, split: Split) -> Iterator[Ids]:
        """Read the ids of a split."""
        for _, part in stretches(open_row(self.index, split, self.tokenizer)):
            yield part

    def put(self, folder: Path) -> Index:
        """Write where the ids are."""
        write_index(folder, self.index)
        return self.index


def prepare(config: DataConfig, *, data_dir: Path | None, note: Note) -> Prepared:
    """Find a corpus and its tokenizer; `note` hears what is odd about its text.

    A folder that `bardling data tokens`, nanoGPT or llm.c has prepared is read where it lies.
    """
    folder = Path(config.corpus)
    if not is_corpus(config.corpus) and is_token_folder(folder):
        return _take_tokens(config, folder, data_dir, note)
    shards = find_shards(config.corpus)
    if shards is not None:
        return _take_shards(config, shards, data_dir)
    return _prepare_text(config, data_dir, note)


def _take_tokens(config: DataConfig, folder: Path, data_dir: Path | None, note: Note) -> FromTokens:
    tokenizer = load_tokenizer(folder)
    if config.tokenizer != DataConfig().tokenizer:
        if is_trained_here(config.tokenizer):
            note(f"{folder} comes with its tokenizer, so {config.tokenizer} is not learned")
        elif tokenizer_for(config.tokenizer, (), data_dir).sha256 != tokenizer.sha256:
            raise UsageError(
                f"{folder} holds tokens of its own tokenizer, not of {config.tokenizer}: leave "
                "--tokenizer away, or give the text itself"
            )
    return FromTokens(tokenizer=tokenizer, index=read_index(folder).located(folder))


def _take_shards(
    config: DataConfig, shards: Mapping[Split, list[Path]], data_dir: Path | None
) -> FromTokens:
    if is_trained_here(config.tokenizer):
        raise UsageError(
            f"{config.corpus} holds tokens, and --tokenizer has to name what they were made with: "
            "gpt2, a tokenizer.json, a ranks file or a run"
        )
    tokenizer = tokenizer_for(config.tokenizer, (), data_dir)
    return FromTokens(tokenizer=tokenizer, index=shards_of(shards, tokenizer))


def _prepare_text(config: DataConfig, data_dir: Path | None, note: Note) -> FromText:
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
    return FromText(tokenizer=tokenizer, config=config, documents=texts)


def _meet_unknown(corpus: Corpus, tokenizer: Tokenizer, config: DataConfig, note: Note) -> None:
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
