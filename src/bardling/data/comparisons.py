"""Pairs of answers to one prompt, one of them preferred: read, split and made into tokens.

    {"prompt": "Once upon", "chosen": " a time.", "rejected": " two times."}

In tokens, each pair is two documents, one after the other: the prompt and the answer that was
chosen, the prompt and the one that was not. Where the answers begin need not be kept: what both
documents begin with is as likely in one as in the other. How pairs become batches is left to
`pairs`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bardling.data.config import DataConfig, Split
from bardling.data.prepare import Prepared
from bardling.data.pretrained import tokenizer_for
from bardling.data.reading import Note, is_plain, read_objects
from bardling.data.split import hashes_held_out, text_hash
from bardling.data.token_folder import Index
from bardling.data.tokens import Ids
from bardling.errors import CorpusError, TokenizerError, UsageError
from bardling.text.chat import ANSWERS, ChatFormat, ChatTokens, Message
from bardling.text.tokenizer import Tokenizer

FIELDS = ("prompt", "chosen", "rejected")
ASKS = "user"
"""The role that a prompt is of, where there is a chat format."""

Encode = Callable[[str, str], list[int]]
"""A prompt and an answer to the ids of the document that they make, its end token included."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two answers to a prompt, and which of them is the better one."""

    prompt: str
    chosen: str
    rejected: str
    place: str = ""
    """Where it stands."""


@dataclass(frozen=True, kw_only=True)
class FromComparisons(Prepared):
    """Pairs of answers in tokens."""

    documents: Mapping[Split, tuple[Ids, ...]]
    """The chosen one and the rejected one of each pair, one after the other."""
    shown: str
    """A document, to be looked at."""

    def pieces(self, split: Split) -> Iterator[Ids]:
        """Yield the ids of a split, document by document."""
        yield from self.documents[split]

    def text(self, split: Split) -> str:
        """Return a document."""
        return self.shown

    def epoch_tokens(self, index: Index, block_size: int) -> int:
        """Return the tokens of the steps that see each pair once, padding included."""
        return len(self.documents["train"]) * block_size


def read_comparisons(path: Path, note: Note, *, most: int = 0) -> list[Comparison]:
    """Return the pairs of a .jsonl file, or the first `most` of them.

    Raises `CorpusError` with the line for one that says nothing: a field is missing, is no text,
    or is empty, or both answers are the same.
    """
    found: list[Comparison] = []
    for number, value in read_objects(path, note):
        place = f"{path} line {number:,}"
        texts = [value.get(name) if isinstance(value, dict) else None for name in FIELDS]
        plain = [text for text in texts if is_plain(text)]
        if len(plain) < len(FIELDS):
            missing = next(n for n, text in zip(FIELDS, texts, strict=True) if not is_plain(text))
            raise CorpusError(
                f"{place} has no '{missing}' that is text: an object like "
                '{"prompt": "...", "chosen": "...", "rejected": "..."} was expected'
            )
        prompt, chosen, rejected = plain
        if not chosen.strip() or not rejected.strip():
            raise CorpusError(f"{place} has an empty answer, and two were expected to choose from")
        if chosen == rejected:
            raise CorpusError(f"{place} has the same answer twice, so none of them is the better")
        found.append(Comparison(prompt=prompt, chosen=chosen, rejected=rejected, place=place))
        if len(found) == most:
            break
    if not found:
        raise CorpusError(f"{path} has no pairs of answers")
    return found


def prepare_comparisons(
    config: DataConfig, chat: ChatFormat, *, block_size: int, data_dir: Path | None, note: Note
) -> FromComparisons:
    """Read the pairs that `config` names, and make tokens of them.

    Pairs with the same prompt are on the same side. Raises `CorpusError` for one that a context of
    `block_size` has no room for.
    """
    if config.max_tokens:
        raise UsageError("of pairs of answers, take some by --max-documents, not by --max-tokens")
    pairs = read_comparisons(Path(config.corpus), note, most=config.max_documents)
    texts = (pair.prompt + answer for pair in pairs for answer in (pair.chosen, pair.rejected))
    tokenizer = tokenizer_for(config.tokenizer, texts, data_dir, end_token=True)
    encode = _encoder(tokenizer, chat, config)
    held_out = hashes_held_out([pair.prompt for pair in pairs], config.val_fraction)
    sides: dict[Split, list[Ids]] = {"train": [], "val": []}
    for pair in pairs:
        side: Split = "val" if text_hash(pair.prompt) in held_out else "train"
        sides[side] += _documents(pair, encode, block_size)
    if not sides["train"] or not sides["val"]:
        raise CorpusError(
            f"{config.corpus} has the same prompt everywhere, and at least two were expected, so "
            "that pairs of one can be held out"
        )
    return FromComparisons(
        tokenizer=tokenizer,
        documents={split: tuple(documents) for split, documents in sides.items()},
        shown=pairs[0].prompt + pairs[0].chosen,
    )


def _documents(pair: Comparison, encode: Encode, block_size: int) -> Sequence[Ids]:
    """Return both documents of a pair."""
    try:
        both = [encode(pair.prompt, answer) for answer in (pair.chosen, pair.rejected)]
    except TokenizerError as error:
        raise TokenizerError(f"{pair.place}: {error}") from error
    longest = max(map(len, both))
    if longest > block_size:
        raise CorpusError(
            f"{pair.place} has {longest:,} tokens, prompt, answer and end together, and the "
            f"context of the model holds {block_size:,}: shorten it or leave it out"
        )
    if both[0] == both[1]:
        raise CorpusError(f"{pair.place} has answers that are the same in tokens")
    return [np.array(ids, dtype=np.uint32) for ids in both]


def _encoder(tokenizer: Tokenizer, chat: ChatFormat, config: DataConfig) -> Encode:
    """Return how a prompt and an answer become a document."""
    end, unknown = tokenizer.end_token, config.unknown
    if end is None:
        raise TokenizerError(
            "the tokenizer has no end token, so a model with it cannot end an answer: begin with "
            "a run that was trained on several documents"
        )
    if not chat:
        return lambda prompt, answer: [*tokenizer.encode(prompt + answer, unknown=unknown), end]
    tokens = ChatTokens(chat, tokenizer)
    inner = [*tokens.prefix[ANSWERS], *tokens.prefix.get(ASKS, []), *tokens.suffix.get(ASKS, [])]
    last = tokens.suffix[ANSWERS]
    if ASKS not in tokens.prefix or end in [*inner, *last[:-1]]:
        raise CorpusError(
            f"pairs of answers need a chat format with the role '{ASKS}' in which the end token "
            "stands at the end of an answer, if anywhere"
        )

    def encode(prompt: str, answer: str) -> list[int]:
        said = (Message(ASKS, prompt), Message(ANSWERS, answer))
        ids = tokens.encode(said, unknown=unknown)
        return ids if last[-1] == end else [*ids, end]

    return encode
