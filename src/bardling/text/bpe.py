"""Byte-pair encoding by hand: which neighbours become one token, and how text becomes tokens.

Byte-level as in GPT-2 (Radford et al. 2019, section 2.2): the text is split into pieces first
(`pretokenize`), and the bytes of a piece are merged in the order in which the merges were learned
(`bpe_training`). The merges are all that is learned: the vocabulary is derived from them. Bytes
come first, in GPT-2's order, so that the ids are those of Hugging Face's trainer on the same text.

How one piece is encoded stands in `bpe_encoding`, files in `bpe_files`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import index
from typing import SupportsIndex

import numpy as np
from jaxtyping import Int64, UInt32

from bardling.errors import TokenizerError
from bardling.fields import show
from bardling.storage import Json, json_bytes, sha256
from bardling.text.bpe_encoding import ByRank, ByTiktoken, Encoder, Pair, is_plain
from bardling.text.bpe_json import bpe_json, read_bpe_json
from bardling.text.bpe_training import learn
from bardling.text.byte_order import BYTES
from bardling.text.counting import Heard, count_pieces, unheard
from bardling.text.lots import Text
from bardling.text.pretokenize import SplitName
from bardling.text.tokenizer import END_TOKEN, END_TOKENS, Unknown

_NO_TEXT = re.compile("([\udc80-\udcff]+)")  # how Python writes bytes that are no UTF-8
_MOST_IDS = 2**24


@dataclass(frozen=True, kw_only=True)
class BPETokenizer:
    """256 bytes, a token for each merge, then the special tokens."""

    merges: tuple[Pair, ...]
    """Pairs of tokens, which are counted from the first byte on in the order of their making."""
    split: SplitName = "gpt2"
    """How text is cut into pieces first."""
    special: tuple[str, ...] = ()
    """Names of the special tokens."""
    numbering: tuple[int, ...] = ()
    """The id of each token and each special token, where they are not simply in order."""

    def __post_init__(self) -> None:
        if len(set(self.merges)) != len(self.merges):
            raise TokenizerError("a pair is merged twice: each merge makes one token")
        n_tokens = len(self.token_bytes) + len(self.special)
        if self.numbering and (
            len(self.numbering) != n_tokens
            or len(set(self.numbering)) != n_tokens
            or not 0 <= min(self.numbering) <= max(self.numbering) < _MOST_IDS
        ):
            raise TokenizerError(
                f"{n_tokens} tokens need as many different ids, from 0 to {_MOST_IDS - 1:,}"
            )

    @classmethod
    def train(
        cls,
        texts: Iterable[Text],
        *,
        vocab_size: int,
        end_token: bool = False,
        split: SplitName = "gpt2",
        min_frequency: int = 1,
        processes: int = 1,
        heard: Heard = unheard,
    ) -> "BPETokenizer":
        """Learn merges until there are `vocab_size` tokens, the end token included, or no pair.

        The most frequent pair goes first, among equals that of the smallest ids; one that stands
        in the text less than `min_frequency` times is not merged. Texts are read one after the
        other and not kept; the result is the same for any number of `processes`. `heard` is told
        how far it is.
        """
        n_tokens = vocab_size - end_token
        if n_tokens < len(BYTES):
            raise TokenizerError(
                f"a vocabulary of {vocab_size} has no room for the 256 bytes"
                f"{' and the end token' if end_token else ''}: take {256 + end_token} or more"
            )
        counts = count_pieces(map(_checked_text, texts), split, processes=processes, heard=heard)
        merges = learn(counts, n_tokens, min_frequency=min_frequency, heard=heard)
        return cls(merges=tuple(merges), split=split, special=(END_TOKEN,) * end_token)

    @cached_property
    def token_bytes(self) -> tuple[bytes, ...]:
        """The bytes of each token in the order of their making, special tokens left out."""
        found = dict.fromkeys(bytes([byte]) for byte in BYTES)
        tokens = list(found)
        for rank, (first, second) in enumerate(self.merges):
            if not (0 <= first < len(tokens) and 0 <= second < len(tokens)):
                raise TokenizerError(
                    f"merge {rank} joins {(first, second)}, which are not tokens by then"
                )
            token = tokens[first] + tokens[second]
            if token not in found:  # two merges may make the same token
                found[token] = None
                tokens.append(token)
        return tuple(tokens)

    @property
    def vocab_size(self) -> int:
        """One more than the highest id."""
        return max(self._ids, default=-1) + 1

    @property
    def special_tokens(self) -> Mapping[str, int]:
        """The ids of the special tokens by name."""
        return dict(zip(self.special, self._ids[len(self.token_bytes) :], strict=True))

    @cached_property
    def end_token(self) -> int | None:
        """The id of the special token that ends a document, if there is one."""
        special = self.special_tokens
        return next((special[name] for name in END_TOKENS if name in special), None)

    @cached_property
    def sha256(self) -> str:
        """The hash of tokenizer.json."""
        return sha256(json_bytes(self.to_json()))

    @cached_property
    def token_sizes(self) -> Int64[np.ndarray, " vocab"]:
        """The bytes that each id stands for."""
        sizes = np.zeros(self.vocab_size, dtype=np.int64)
        sizes[list(self._bytes_of)] = [len(token) for token in self._bytes_of.values()]
        return sizes

    def encode(self, text: str, *, unknown: Unknown = "error") -> list[int]:
        """Return the ids of `text`; nothing but half a surrogate pair is unknown."""
        tokens = self.encoder.encode(_checked(text, unknown))
        return list(map(self.numbering.__getitem__, tokens)) if self.numbering else tokens

    def encode_array(
        self, text: str, *, unknown: Unknown = "error"
    ) -> UInt32[np.ndarray, " count"]:
        """Return what `encode` returns, as an array."""
        return np.array(self.encode(text, unknown=unknown), dtype=np.uint32)

    def encode_bytes(self, data: bytes) -> list[int]:
        """Return ids that `decode_bytes` turns into exactly these bytes, be they text or not.

        What is no UTF-8 becomes tokens of single bytes, so any file survives the round trip.
        """
        ids: list[int] = []
        for part in _text_or_not(data):
            if isinstance(part, str):
                ids += self.encode(part)
            else:
                ids += [self._byte_ids[byte] for byte in part]
        return ids

    def decode(self, ids: Iterable[SupportsIndex]) -> str:
        """Return the text of `ids`, special tokens left out; bytes that are no text are U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def decode_bytes(self, ids: Iterable[SupportsIndex]) -> bytes:
        """Return the bytes of `ids`, special tokens left out."""
        numbers = [index(number) for number in ids]
        try:
            return b"".join(map(self._bytes_of.__getitem__, numbers))
        except KeyError as error:
            raise TokenizerError(
                f"{error} is not an id of this tokenizer: 0 to {self.vocab_size - 1} were expected"
            ) from error

    def count_unknown(self, text: str) -> int:
        """Return how many characters of `text` are no characters: halves of surrogate pairs."""
        return sum("\ud800" <= character <= "\udfff" for character in text)

    def to_json(self) -> dict[str, Json]:
        """Return the content of tokenizer.json as Hugging Face's own trainer writes it."""
        return bpe_json(self.token_bytes, self.merges, self.split, self.special, self._ids)

    @classmethod
    def from_json(cls, value: Json) -> "BPETokenizer":
        """Return the tokenizer that a byte-level tokenizer.json describes.

        Raises TokenizerError for everything that would give other ids here than there.
        """
        found = read_bpe_json(value)
        return cls.numbered(found.merges, found.split, found.vocab, found.special)

    @classmethod
    def numbered(
        cls,
        merges: Iterable[tuple[bytes, bytes]],
        split: SplitName,
        vocab: Mapping[bytes, int],
        special: Mapping[str, int],
    ) -> "BPETokenizer":
        """Return the tokenizer in which these bytes and special tokens have these ids."""
        tokens = {bytes([byte]): number for number, byte in enumerate(BYTES)}
        pairs: list[Pair] = []
        for first, second in merges:
            if first not in tokens or second not in tokens:
                raise TokenizerError(
                    f"{show(first)} and {show(second)} are merged before they are made"
                )
            pairs.append((tokens[first], tokens[second]))
            tokens.setdefault(first + second, len(tokens))
        if unlike := tokens.keys() ^ vocab.keys():
            raise TokenizerError(
                f"the vocabulary and what the merges make differ in {show(sorted(unlike)[0])}"
                f"{f' and {len(unlike) - 1:,} more' if len(unlike) > 1 else ''}"
            )
        ids = (*(vocab[token] for token in tokens), *special.values())
        return cls(
            merges=tuple(pairs),
            split=split,
            special=tuple(special),
            numbering=() if ids == tuple(range(len(ids))) else ids,
        )

    @cached_property
    def encoder(self) -> Encoder:
        """The fast way to encode where it gives the same ids, else the readable one."""
        by_rank = self.reference
        if is_plain(by_rank, self.token_bytes):
            return ByTiktoken(self.token_bytes, self.split)
        return by_rank

    @cached_property
    def reference(self) -> ByRank:
        """The readable way to encode; its ids are in the order of the tokens' making."""
        return ByRank(self.merges, self.token_bytes, self.split)

    @cached_property
    def _ids(self) -> tuple[int, ...]:
        return self.numbering or tuple(range(len(self.token_bytes) + len(self.special)))

    @cached_property
    def _bytes_of(self) -> dict[int, bytes]:
        return dict(zip(self._ids, (*self.token_bytes, *(b"" for _ in self.special)), strict=True))

    @cached_property
    def _byte_ids(self) -> dict[int, int]:
        return dict(zip(BYTES, self._ids, strict=False))


def _text_or_not(data: bytes) -> list[str | bytes]:
    """Cut bytes into stretches of text and the bytes between them that are none."""
    stretches = _NO_TEXT.split(data.decode("utf-8", "surrogateescape"))
    return [
        stretch.encode("utf-8", "surrogateescape") if number % 2 else stretch
        for number, stretch in enumerate(stretches)
    ]


def _checked_text(text: Text) -> Text:
    """Return a text; a long one comes from a file, which was decoded strictly."""
    return _checked(text) if isinstance(text, str) else text


def _checked(text: str, unknown: Unknown = "error") -> str:
    """Return text that UTF-8 can write: without halves of surrogate pairs, or refuse them."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        if unknown == "skip":
            return "".join(c for c in text if not "\ud800" <= c <= "\udfff")
        raise TokenizerError(
            f"U+{ord(text[error.start]):04X} at position {error.start:,} of the text is half a "
            "surrogate pair, which is no character: repair the text"
        ) from error
    return text
