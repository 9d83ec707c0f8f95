"""Byte-pair encoding by hand: which neighbours become one token, and how text becomes tokens.

Sennrich, Haddow and Birch 2016, "Neural machine translation of rare words with subword units",
algorithm 1, on bytes as in GPT-2 (Radford et al. 2019, section 2.2). The text is split first
(`pretokenize`); within its pieces, the pair that stands there most often is merged, again and
again. The merges are all that is learned: the vocabulary is derived from them. Bytes come first, in
GPT-2's order, so that the ids are those of Hugging Face's trainer on the same text.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from heapq import heapify, heappop, heappush
from itertools import pairwise
from operator import index
from typing import SupportsIndex

import numpy as np
from jaxtyping import UInt32

from bardling.errors import TokenizerError
from bardling.storage import Json, json_bytes, sha256
from bardling.text.pretokenize import pieces
from bardling.text.tokenizer import END_TOKEN, Unknown
from bardling.text.tokenizer_json import require_same, special_token_json

Pair = tuple[int, int]

BYTES = (*range(33, 127), *range(161, 173), *range(174, 256), *range(33), *range(127, 161), 173)
"""GPT-2's order of the 256 bytes: printable ones first."""
_VISIBLE = {byte: chr(byte if rank < 188 else 68 + rank) for rank, byte in enumerate(BYTES)}
"""How GPT-2's files write a byte: as itself if it is printable, else as a letter from U+0100 on."""
_ID = {byte: rank for rank, byte in enumerate(BYTES)}
_CACHED = 2**16  # pieces whose ids are remembered


@dataclass(frozen=True, kw_only=True)
class BPETokenizer:
    """256 bytes, a token for each merge, then the end token if there is one."""

    merges: tuple[Pair, ...]
    has_end_token: bool = False
    _known: dict[str, list[int]] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        for rank, pair in enumerate(self.merges):
            if not all(0 <= part < 256 + rank for part in pair):
                raise TokenizerError(f"merge {rank} joins {pair}, which are not tokens by then")
        if len(set(self.merges)) != len(self.merges):
            raise TokenizerError("a pair is merged twice: each merge makes one token")

    @classmethod
    def train(
        cls, texts: Iterable[str], *, vocab_size: int, end_token: bool = False
    ) -> "BPETokenizer":
        """Learn merges until there are `vocab_size` tokens, the end token included, or no pair.

        The most frequent pair goes first, among equals that of the smallest ids.
        """
        n_merges = vocab_size - 256 - end_token
        if n_merges < 0:
            raise TokenizerError(
                f"a vocabulary of {vocab_size} has no room for the 256 bytes"
                f"{' and the end token' if end_token else ''}: take {256 + end_token} or more"
            )
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(pieces(_checked(text)))
        return cls(merges=tuple(_learn(counts, n_merges)), has_end_token=end_token)

    @property
    def vocab_size(self) -> int:
        """The number of ids, the end token included."""
        return 256 + len(self.merges) + self.has_end_token

    @property
    def special_tokens(self) -> Mapping[str, int]:
        """The end token and its id, if there is one."""
        return {} if self.end_token is None else {END_TOKEN: self.end_token}

    @property
    def end_token(self) -> int | None:
        """The last id, if there is an end token."""
        return 256 + len(self.merges) if self.has_end_token else None

    @cached_property
    def sha256(self) -> str:
        """The hash of tokenizer.json."""
        return sha256(json_bytes(self.to_json()))

    @cached_property
    def token_bytes(self) -> tuple[bytes, ...]:
        """The bytes of each token but the end token."""
        found = [bytes([byte]) for byte in BYTES]
        for first, second in self.merges:
            found.append(found[first] + found[second])
        return tuple(found)

    def encode(self, text: str, *, unknown: Unknown = "error") -> list[int]:
        """Return the ids of `text`; nothing but half a surrogate pair is unknown."""
        known = self._known
        ids: list[int] = []
        for piece in pieces(_checked(text, unknown)):
            found = known.get(piece)
            if found is None:
                found = self._merged(piece)
                if len(known) < _CACHED:
                    known[piece] = found
            ids += found
        return ids

    def encode_array(
        self, text: str, *, unknown: Unknown = "error"
    ) -> UInt32[np.ndarray, " count"]:
        """Return what `encode` returns, as an array."""
        return np.array(self.encode(text, unknown=unknown), dtype=np.uint32)

    def decode(self, ids: Iterable[SupportsIndex]) -> str:
        """Return the text of `ids`, without the end token; bytes that are no text become U+FFFD."""
        numbers = [index(number) for number in ids]
        if wrong := [number for number in numbers if not 0 <= number < self.vocab_size]:
            raise TokenizerError(
                f"{wrong[0]} is not an id of this tokenizer: 0 to {self.vocab_size - 1} were "
                "expected"
            )
        table = self.token_bytes
        return b"".join(table[n] for n in numbers if n < len(table)).decode("utf-8", "replace")

    def count_unknown(self, text: str) -> int:
        """Return how many characters of `text` are no characters: halves of surrogate pairs."""
        return sum("\ud800" <= character <= "\udfff" for character in text)

    def to_json(self) -> dict[str, Json]:
        """Return the content of tokenizer.json as Hugging Face's own trainer writes it."""
        names = self._names()
        level: dict[str, Json] = {
            "type": "ByteLevel",
            "add_prefix_space": False,
            "trim_offsets": True,
            "use_regex": True,
        }
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [special_token_json(*item) for item in self.special_tokens.items()],
            "normalizer": None,
            "pre_tokenizer": level,
            "post_processor": None,
            "decoder": dict(level),
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": None,
                "end_of_word_suffix": None,
                "fuse_unk": False,
                "byte_fallback": False,
                "ignore_merges": False,
                "vocab": {name: number for number, name in enumerate(names)},
                "merges": [[names[first], names[second]] for first, second in self.merges],
            },
        }

    @classmethod
    def from_json(cls, value: Json) -> "BPETokenizer":
        """Return the tokenizer whose `to_json` is `value`, or refuse: nothing is read loosely."""
        match value:
            case {
                "model": {"vocab": dict(vocab), "merges": list(merges)},
                "added_tokens": list(added),
            }:
                tokenizer = cls(merges=_read_merges(vocab, merges), has_end_token=bool(added))
            case _:
                raise TokenizerError("tokenizer.json needs 'added_tokens', 'vocab' and 'merges'")
        require_same(value, tokenizer.to_json(), "a byte-level BPE")
        return tokenizer

    def _names(self) -> list[str]:
        """Return each token as GPT-2's files write it."""
        return ["".join(_VISIBLE[byte] for byte in token) for token in self.token_bytes]

    @cached_property
    def _ranks(self) -> dict[Pair, int]:
        return {pair: rank for rank, pair in enumerate(self.merges)}

    def _merged(self, piece: str) -> list[int]:
        """Return the ids of one piece: its bytes, merged as early as the merges were learned."""
        ids = [_ID[byte] for byte in piece.encode("utf-8")]
        ranks, never = self._ranks, len(self.merges)
        while len(ids) > 1:
            pair = min(pairwise(ids), key=lambda p: ranks.get(p, never))
            rank = ranks.get(pair, never)
            if rank == never:
                break
            ids = _joined(ids, pair, 256 + rank)
        return ids


def _joined(ids: list[int], pair: Pair, token: int) -> list[int]:
    """Return ids with every occurrence of a pair, from the left, as one token."""
    found: list[int] = []
    place, last = 0, len(ids) - 1
    while place <= last:
        if place < last and (ids[place], ids[place + 1]) == pair:
            found.append(token)
            place += 2
        else:
            found.append(ids[place])
            place += 1
    return found


def _learn(counts: Mapping[str, int], n_merges: int) -> list[Pair]:
    """Return the merges that byte-pair encoding learns from pieces and how often each stands.

    Counts of pairs are kept up to date instead of being made anew; the heap holds old counts too,
    which are recognised when they come up.
    """
    words = [([_ID[byte] for byte in piece.encode("utf-8")], n) for piece, n in counts.items()]
    pairs: Counter[Pair] = Counter()
    where: defaultdict[Pair, set[int]] = defaultdict(set)
    for number, (ids, n) in enumerate(words):
        for pair in pairwise(ids):
            pairs[pair] += n
            where[pair].add(number)
    heap = [(-n, pair) for pair, n in pairs.items()]
    heapify(heap)
    merges: list[Pair] = []
    while heap and len(merges) < n_merges:
        n, pair = heappop(heap)
        if pairs[pair] != -n:  # it has changed since
            continue
        token = 256 + len(merges)
        merges.append(pair)
        changed: set[Pair] = set()
        for number in where.pop(pair):
            ids, times = words[number]
            for old in pairwise(ids):
                pairs[old] -= times
                changed.add(old)
            ids[:] = _joined(ids, pair, token)
            for new in pairwise(ids):
                pairs[new] += times
                where[new].add(number)
                changed.add(new)
        del pairs[pair]
        for one in changed - {pair}:
            if pairs[one] > 0:
                heappush(heap, (-pairs[one], one))
    return merges


def _read_merges(vocab: Mapping[str, Json], merges: list[Json]) -> tuple[Pair, ...]:
    found: list[Pair] = []
    for merge in merges:
        match merge:
            case [str(first), str(second)] if first in vocab and second in vocab:
                pair = (vocab[first], vocab[second])
            case _:
                raise TokenizerError(f"{str(merge)[:80]} in tokenizer.json merges no two tokens")
        if not all(isinstance(part, int) for part in pair):
            raise TokenizerError(f"the ids of {str(merge)[:80]} in tokenizer.json are not numbers")
        found.append(pair)
    return tuple(found)


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
