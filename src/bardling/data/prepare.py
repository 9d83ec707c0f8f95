"""From the name of a corpus to the tokens of its two splits."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from bardling.data.config import DataConfig, Split
from bardling.data.corpora import Corpus, Note, is_corpus, load_corpus
from bardling.data.encoding import encode_stream
from bardling.data.pretrained import tokenizer_for
from bardling.data.reading import first_characters
from bardling.data.shards import find_shards
from bardling.data.split import Sides, split_corpus
from bardling.data.token_folder import (
    SHARD_TOKENS,
    SPLITS,
    Index,
    is_token_folder,
    open_row,
    read_index,
    require_files,
    shards_of,
    write_index,
    write_split,
)
from bardling.data.tokens import Ids, require_length, stretches, up_to
from bardling.errors import TokenizerError, UsageError
from bardling.machine.seat import seat
from bardling.machine.threads import pick_threads
from bardling.text.lots import Text, chunks
from bardling.text.tokenizer import Tokenizer
from bardling.text.tokenizer_file import has_tokenizer, is_trained_here, load_tokenizer

LEARN_TOKEN_CHARACTERS = 2
"""Byte pairs are learned from so many characters for each token that is wanted: fewer than a token
has, so that nothing is fetched for it alone."""
LEARN_CHARACTERS = 2**28
"""Byte pairs are learned from so much at most: more changes little."""
SHOWN_TOKENS = 2048
RARE = "\U0010fffd"
"""A character for private use: a tokenizer that knows it knows all."""


@dataclass(frozen=True, kw_only=True)
class Prepared(ABC):
    """A corpus whose tokens can be read, and its tokenizer."""

    tokenizer: Tokenizer

    @abstractmethod
    def pieces(self, split: Split) -> Iterator[Ids]:
        """Yield the ids of a split, piece by piece."""

    def put(self, folder: Path, *, shard_tokens: int = SHARD_TOKENS) -> Index:
        """Let `folder` have the tokens, in files of so many at most; return what it has."""
        write = partial(write_split, folder, tokenizer=self.tokenizer, shard_tokens=shard_tokens)
        shards = {split: write(split, self.pieces(split)) for split in SPLITS}
        index = Index(tokenizer_sha256=self.tokenizer.sha256, shards=shards)
        write_index(folder, index)
        return index

    def epoch_tokens(self, index: Index, block_size: int) -> int:
        """Return the tokens of the steps that see each of its texts once; refuse too few."""
        require_length(index.n_tokens("train"), block_size, "train")
        require_length(index.n_tokens("val"), 1, "val")
        return index.n_tokens("train")

    @abstractmethod
    def text(self, split: Split) -> str:
        """Return text of a split, from its beginning."""

    def beginning(self, split: Split, n_tokens: int) -> Ids:
        """Return the first ids of a split, in memory."""
        none = np.zeros(0, dtype=np.uint32)
        return np.concatenate([none, *up_to(n_tokens, self.pieces(split))])


@dataclass(frozen=True, kw_only=True)
class FromText(Prepared):
    """Documents that become tokens as they are asked for."""

    config: DataConfig
    documents: Sides
    processes: int = 1

    def pieces(self, split: Split) -> Iterator[Ids]:
        """Encode the documents of a split, as far as they are wanted."""
        most = _most(self.config, split)
        return encode_stream(
            _wanted(self.documents[split], most, self.tokenizer),
            self.tokenizer,
            unknown=self.config.unknown,
            threads=pick_threads(0) * seat().local_size,  # the others wait meanwhile
            processes=self.processes,
            most=most,
        )

    def text(self, split: Split) -> str:
        """Return the first document of a split, or as much of it as is read at once."""
        return next(iter(chunks(next(iter(self.documents[split])))))


@dataclass(frozen=True, kw_only=True)
class FromTokens(Prepared):
    """Token files that lie somewhere and stay there."""

    index: Index
    """With absolute paths."""

    def pieces(self, split: Split) -> Iterator[Ids]:
        """Read the ids of a split."""
        for _, part in stretches(open_row(self.index, split, self.tokenizer)):
            yield part

    def text(self, split: Split) -> str:
        """Return what the first ids of a split say."""
        return self.tokenizer.decode(self.beginning(split, SHOWN_TOKENS))

    def put(self, folder: Path, *, shard_tokens: int = SHARD_TOKENS) -> Index:
        """Write where the ids are, once their files are there; they stay as they are."""
        require_files(self.index)
        write_index(folder, self.index)
        return self.index


def prepare(
    config: DataConfig, *, data_dir: Path | None, note: Note, processes: int = 1
) -> Prepared:
    """Find a corpus and its tokenizer; `note` hears what is odd about its text.

    A folder that `bardling data tokens`, nanoGPT or llm.c has prepared is read where it lies. With
    several `processes`, byte pairs are learned and text is encoded by them; see `encode_stream`.
    """
    folder, shards = Path(config.corpus), find_shards(config.corpus)
    has_index = not is_corpus(config.corpus) and is_token_folder(folder)
    if (has_index or shards) and (config.max_documents or config.max_tokens):
        raise UsageError(
            f"{folder} holds tokens, which are read as they are: give max_documents and max_tokens "
            "to 'bardling data tokens', which makes such folders"
        )
    if has_index:
        return _take_tokens(config, folder, data_dir, note)
    if shards is not None:
        return _take_shards(config, shards, data_dir)
    return _prepare_text(config, data_dir, note, processes)


def _take_tokens(config: DataConfig, folder: Path, data_dir: Path | None, note: Note) -> FromTokens:
    tokenizer = load_tokenizer(folder)
    if config.tokenizer != DataConfig().tokenizer:
        if is_trained_here(config.tokenizer):
            note(f"{folder} comes with its tokenizer, so {config.tokenizer} is not learned")
        elif _found(config.tokenizer, data_dir).sha256 != tokenizer.sha256:
            raise UsageError(
                f"{folder} holds tokens of its own tokenizer, not of {config.tokenizer}: leave "
                "--tokenizer away, or give the text itself"
            )
    return FromTokens(tokenizer=tokenizer, index=read_index(folder).located(folder))


def _take_shards(
    config: DataConfig, shards: Mapping[Split, list[Path]], data_dir: Path | None
) -> FromTokens:
    folder = Path(config.corpus)
    if config.tokenizer == DataConfig().tokenizer and has_tokenizer(folder):
        tokenizer = load_tokenizer(folder)
    elif is_trained_here(config.tokenizer):
        raise UsageError(
            f"{config.corpus} holds tokens, and --tokenizer has to name what they were made with: "
            "gpt2, a tokenizer.json, a ranks file or a run"
        )
    else:
        tokenizer = _found(config.tokenizer, data_dir)
    return FromTokens(tokenizer=tokenizer, index=shards_of(shards, tokenizer))


def _found(name: str, data_dir: Path | None) -> Tokenizer:
    """Return a tokenizer that need not be learned."""
    return tokenizer_for(name, (), data_dir, end_token=False)


def _most(config: DataConfig, split: Split) -> int:
    """Return how many tokens of a split are wanted at most; of validation in proportion."""
    if not config.max_tokens:
        return sys.maxsize
    share = config.val_fraction / (1 - config.val_fraction) if split == "val" else 1
    return max(2, round(config.max_tokens * share))


def _is_by_character(tokenizer: Tokenizer) -> bool:
    """Tell whether a tokenizer has a token for each character, and knows only some of them."""
    return tokenizer.count_unknown(RARE) > 0


def _wanted(texts: Iterable[Text], most: int, tokenizer: Tokenizer) -> Iterable[Text]:
    """Return the texts that `most` tokens are made of, where that can be told beforehand."""
    return first_characters(texts, most) if _is_by_character(tokenizer) else texts


def _prepare_text(
    config: DataConfig, data_dir: Path | None, note: Note, processes: int
) -> FromText:
    corpus = load_corpus(config.corpus, data_dir=data_dir, note=note)
    if config.max_documents:
        corpus = corpus.beginning(config.max_documents)
    sides = split_corpus(corpus, val_fraction=config.val_fraction)
    several = corpus.has_several
    texts = _to_learn_from(corpus, sides, config)
    tokenizer = tokenizer_for(
        config.tokenizer, texts, data_dir, end_token=several, processes=processes
    )
    if tokenizer.end_token is None and several:
        note("the tokenizer has no end token, so the documents run into each other")
    if _is_by_character(tokenizer) and not is_trained_here(config.tokenizer):
        _meet_unknown(corpus, sides, tokenizer, config, note)
    return FromText(tokenizer=tokenizer, config=config, documents=sides, processes=processes)


def _to_learn_from(corpus: Corpus, sides: Sides, config: DataConfig) -> Iterator[Text]:
    """Yield the texts that a tokenizer learns from: all of them, unless that is a great deal.

    Characters are learned from all that is encoded, so that none is unknown; byte pairs from no
    more than that.
    """
    if config.tokenizer == "char":
        return chain.from_iterable(
            first_characters(sides[split], _most(config, split)) for split in SPLITS
        )
    if config.max_tokens:
        most = LEARN_TOKEN_CHARACTERS * config.max_tokens
        return first_characters(sides["train"], min(most, LEARN_CHARACTERS))
    texts = chain(sides["train"], sides["val"]) if corpus.has_own_val else corpus.documents
    return first_characters(texts, LEARN_CHARACTERS)


def _meet_unknown(
    corpus: Corpus, sides: Sides, tokenizer: Tokenizer, config: DataConfig, note: Note
) -> None:
    """Count the characters that the tokenizer does not know, or refuse the first with its place."""
    texts: Iterable[Text] = chain(corpus.documents, sides["val"] if corpus.has_own_val else ())
    if config.max_tokens:
        limited = (_wanted(sides[split], _most(config, split), tokenizer) for split in SPLITS)
        texts = chain.from_iterable(limited)
    n_unknown = 0
    for number, text in enumerate(texts, start=1):
        where = f"document {number} of {corpus.name}" if corpus.has_several else corpus.name
        n_before = 0
        for part in chunks(text):
            n_here = tokenizer.count_unknown(part)
            if n_here and config.unknown == "error":
                _refuse(tokenizer, part, where, n_before)
            n_unknown, n_before = n_unknown + n_here, n_before + len(part)
    if n_unknown:
        note(f"{n_unknown:,} characters are unknown to the tokenizer and left out")


def _refuse(tokenizer: Tokenizer, text: str, where: str, n_before: int) -> None:
    try:
        tokenizer.encode_array(text)
    except TokenizerError as error:
        after = f", after {n_before:,} characters" if n_before else ""
        raise TokenizerError(f"{where}{after}: {error}") from error
