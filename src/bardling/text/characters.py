"""The character tokenizer: one token for each distinct character (code point) of a text.

It is the smallest honest tokenizer: nothing to learn, nothing lost, and a vocabulary so short
that a model can be small too. It owns its shape in tokenizer.json, both ways, as a WordLevel
model whose words are single characters; reading and writing the file is left to
`tokenizer_file`, longer tokens to the BPE tokenizer.
"""

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
from bardling.text.lots import Text, chunks
from bardling.text.tokenizer import END_TOKEN, Unknown
from bardling.text.tokenizer_json import special_token_json

_CHUNK = 2**20  # characters looked up at once, which bounds the memory that a large text needs


@dataclass(frozen=True, kw_only=True)
class CharacterTokenizer:
    """Ids 0, 1, 2, ... stand for `characters` in order; special tokens come after them."""

    characters: str
    has_end_token: bool = False
    """Whether there is an end token, which is the first of the special ones."""
    special: tuple[str, ...] = ()
    """Names of further special tokens."""

    def __post_init__(self) -> None:
        if not self.characters:
            raise TokenizerError("a character tokenizer needs at least one character: give it text")
        for first, second in zip(ordered := sorted(self.characters), ordered[1:], strict=False):
            if first == second:
                raise TokenizerError(f"{_name(first)} is listed twice: each character has one id")
        for character in self.characters:
            if "\ud800" <= character <= "\udfff":
                raise TokenizerError(
                    f"{_name(character)} is half a surrogate pair, which is no character: "
                    "repair the text"
                )

    @classmethod
    def train(cls, texts: Iterable[Text], *, end_token: bool = False) -> "CharacterTokenizer":
        """Give every distinct character an id, in the order of the code points."""
        distinct: set[str] = set()
        for text in texts:
            for part in chunks(text):
                distinct.update(part)
        return cls(characters="".join(sorted(distinct)), has_end_token=end_token)

    @property
    def vocab_size(self) -> int:
        """The number of ids, special tokens included."""
        return len(self.characters) + len(self.special_tokens)

    @property
    def special_tokens(self) -> Mapping[str, int]:
        """The end token, if there is one, and the others, each with its id."""
        names = ((END_TOKEN,) if self.has_end_token else ()) + self.special
        return {name: len(self.characters) + place for place, name in enumerate(names)}

    @property
    def end_token(self) -> int | None:
        """The id after the last character's, if there is an end token."""
        return len(self.characters) if self.has_end_token else None

    @cached_property
    def sha256(self) -> str:
        """The hash of tokenizer.json."""
        return sha256(json_bytes(self.to_json()))

    @cached_property
    def token_sizes(self) -> Int64[np.ndarray, " vocab"]:
        """The bytes of UTF-8 that each character takes."""
        sizes = [len(character.encode("utf-8")) for character in self.characters]
        return np.array(sizes + [0] * len(self.special_tokens), dtype=np.int64)

    def encode(self, text: str, *, unknown: Unknown = "error") -> list[int]:
        """Return one id per character; an unknown one raises TokenizerError or is skipped."""
        return self.encode_array(text, unknown=unknown).tolist()

    def encode_array(
        self, text: str, *, unknown: Unknown = "error"
    ) -> UInt32[np.ndarray, " count"]:
        """Return what `encode` returns, as an array, without a Python object for each id."""
        ids = np.empty(len(text), dtype=np.uint32)
        n_filled = 0
        for start in range(0, len(text), _CHUNK):
            found = self._look_up(text[start : start + _CHUNK])
            is_known = found < len(self.characters)
            if not is_known.all():
                if unknown == "error":
                    raise self._unknown_error(text, start + int(is_known.argmin()))
                found = found[is_known]
            ids[n_filled : n_filled + len(found)] = found
            n_filled += len(found)
        return ids[:n_filled]

    def decode(self, ids: Iterable[SupportsIndex]) -> str:
        """Return the characters of `ids`, leaving out special tokens."""
        numbers = [index(number) for number in ids]
        size = self.vocab_size
        if wrong := [number for number in numbers if not 0 <= number < size]:
            raise TokenizerError(
                f"{wrong[0]} is not an id of this tokenizer: 0 to {size - 1} were expected"
            )
        known = len(self.characters)  # special tokens, which come after them, have no text
        return "".join(self.characters[number] for number in numbers if number < known)

    def count_unknown(self, text: str) -> int:
        """Return how many characters of `text` have no id."""
        return len(text) - len(self.encode_array(text, unknown="skip"))

    def to_json(self) -> dict[str, Json]:
        """Return the content of tokenizer.json: split at every character, look each up, join."""
        every_character = {"Regex": r"[\s\S]"}
        vocab = {character: number for number, character in enumerate(self.characters)}
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [special_token_json(*item) for item in self.special_tokens.items()],
            "normalizer": None,
            "pre_tokenizer": {
                "type": "Split",
                "pattern": every_character,
                "behavior": "Isolated",
                "invert": False,
            },
            "post_processor": None,
            "decoder": {"type": "Fuse"},
            "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "<unk>"},
        }

    @classmethod
    def from_json(cls, value: Json) -> "CharacterTokenizer":
        """Return the tokenizer whose `to_json` is `value`, or refuse: nothing is read loosely."""
        match value:
            case {"model": {"vocab": dict(vocab)}, "added_tokens": list(added)}:
                names = _special(added)
                tokenizer = cls(
                    characters=_characters(vocab),
                    has_end_token=names[:1] == (END_TOKEN,),
                    special=names[1:] if names[:1] == (END_TOKEN,) else names,
                )
            case _:
                raise TokenizerError("tokenizer.json needs 'added_tokens' and the model's 'vocab'")
        _require_same(value, tokenizer.to_json())
        return tokenizer

    @cached_property
    def _table(self) -> UInt32[np.ndarray, " codes"]:
        """The id by code point; the last entry, and every gap, is the length of the vocabulary."""
        codes = _code_points(self.characters)
        table = np.full(int(codes.max()) + 2, len(codes), dtype=np.uint32)
        table[codes] = np.arange(len(codes), dtype=np.uint32)
        return table

    def _look_up(self, text: str) -> UInt32[np.ndarray, " count"]:
        """Return the id of each character, or the number of characters where there is none."""
        return self._table[np.minimum(_code_points(text), len(self._table) - 1)]

    def _unknown_error(self, text: str, position: int) -> TokenizerError:
        return TokenizerError(
            f"{_name(text[position])} at position {position:,} of the text is not among the "
            f"{len(self.characters)} characters of this tokenizer: remove it, skip what is "
            "unknown, or train the tokenizer on text that has it"
        )


def _require_same(found: Mapping[str, Json], ours: Mapping[str, Json]) -> None:
    """Refuse a tokenizer.json that is not, key for key, what we would write."""
    for key, expected in ours.items():
        if found.get(key, "nothing") != expected:
            there = show(found[key], 200) if key in found else "nothing"
            raise TokenizerError(
                f"{key!r} in tokenizer.json is not that of a character tokenizer of ours: "
                f"expected {show(expected, 200)}, found {there}"
            )
    if extra := sorted(found.keys() - ours.keys()):
        raise TokenizerError(f"{show(extra[0])} in tokenizer.json has no meaning here: remove it")


def _special(added: list[Json]) -> tuple[str, ...]:
    """Return the names of special tokens; whether the rest of them is ours is looked at later."""
    names: list[str] = []
    for token in added:
        name = token.get("content") if isinstance(token, dict) else None
        if not isinstance(name, str) or not name or name in names:
            raise TokenizerError(
                f"{show(token)} among the 'added_tokens' of tokenizer.json is none"
            )
        names.append(name)
    return tuple(names)


def _characters(vocab: dict[str, Json]) -> str:
    """Return the characters of a WordLevel vocabulary in the order of their ids."""
    for character, number in vocab.items():
        if len(character) != 1:
            raise TokenizerError(f"{show(character)} in tokenizer.json is not a single character")
        if type(number) is not int:
            raise TokenizerError(f"the id of {character!r} in tokenizer.json is not a whole number")
    if sorted(vocab.values()) != list(range(len(vocab))):
        raise TokenizerError(f"the ids in tokenizer.json are not 0 to {len(vocab) - 1}, each once")
    return "".join(sorted(vocab, key=vocab.__getitem__))


def _code_points(text: str) -> UInt32[np.ndarray, " count"]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def _name(character: str) -> str:
    return f"{character!r} (U+{ord(character):04X})"
