"""A byte-level BPE as tokenizer.json, the format of Hugging Face's `tokenizers`.

Written as its own trainer writes it. Read from anyone who means the same: files differ in the order
of ids, in how merges are written and in settings that change no id. Whatever would give other ids
there than here is refused with its name.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bardling.errors import TokenizerError
from bardling.fields import show
from bardling.storage import Json
from bardling.text.byte_order import invisible, visible
from bardling.text.pretokenize import PATTERNS, SplitName
from bardling.text.tokenizer_json import special_token_json

_ABSENT = {"normalizer", "truncation", "padding"}
_READ = {"model", "added_tokens", "pre_tokenizer", *_ABSENT}
_HARMLESS = {"version", "post_processor", "decoder"}
"""What changes no id: specials that are put around a text are not ours to put there."""
_LEARNED = {"vocab", "merges"}
_MODEL: dict[str, tuple[Json, ...]] = {
    "type": ("BPE",),
    "dropout": (None, 0.0),
    "unk_token": (None, ""),
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
    "fuse_unk": (False, True),
    "byte_fallback": (False,),
    "ignore_merges": (False,),
}
"""The values of a model's settings with which it is a plain byte-level BPE."""


class Found(NamedTuple):
    """What a tokenizer.json says."""

    merges: list[tuple[bytes, bytes]]
    split: SplitName
    vocab: dict[bytes, int]
    special: dict[str, int]


def bpe_json(
    token_bytes: Sequence[bytes],
    merges: Sequence[tuple[int, int]],
    split: SplitName,
    special: Sequence[str],
    ids: Sequence[int],
) -> dict[str, Json]:
    """Return the content of tokenizer.json; `ids` are those of all tokens, special ones last."""
    names = [visible(token) for token in token_bytes]
    vocab = sorted(zip(names, ids, strict=False), key=lambda item: item[1])
    added = sorted(zip(special, ids[len(names) :], strict=True), key=lambda item: item[1])
    if list(ids) != list(range(len(ids))):  # or they would be counted from the last token on
        vocab = sorted([*vocab, *added], key=lambda item: item[1])
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [special_token_json(name, number) for name, number in added],
        "normalizer": None,
        "pre_tokenizer": _pre_tokenizer(split),
        "post_processor": None,
        "decoder": _byte_level(use_regex=True),
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": dict(vocab),
            "merges": [[names[first], names[second]] for first, second in merges],
        },
    }


def _byte_level(*, use_regex: bool) -> dict[str, Json]:
    return {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": use_regex,
    }


def _pre_tokenizer(split: SplitName) -> Json:
    """Return how the split is written; GPT-2's is built into the format."""
    if split == "gpt2":
        return _byte_level(use_regex=True)
    by_pattern: Json = {
        "type": "Split",
        "pattern": {"Regex": PATTERNS[split]},
        "behavior": "Isolated",
        "invert": False,
    }
    return {"type": "Sequence", "pretokenizers": [by_pattern, _byte_level(use_regex=False)]}


def read_bpe_json(value: Json) -> Found:
    """Read the content of a tokenizer.json; raises TokenizerError where ids would differ."""
    match value:
        case {
            "model": {"vocab": dict(vocab), "merges": list(merges)},
            "added_tokens": list(added),
            "pre_tokenizer": pre_tokenizer,
        }:
            _require_plain(value)
        case _:
            raise TokenizerError(
                "tokenizer.json needs 'added_tokens', 'pre_tokenizer', 'vocab' and 'merges'"
            )
    special = _read_special(added)
    return Found(
        merges=[_read_merge(merge) for merge in merges],
        split=_read_split(pre_tokenizer),
        vocab=_read_vocab({name: n for name, n in vocab.items() if name not in special}),
        special=special,
    )


def _require_plain(value: dict[str, Any]) -> None:
    """Refuse a file with a setting that changes ids."""
    for name in sorted(_ABSENT):
        if value.get(name) is not None:
            raise TokenizerError(f"its {name!r} changes what a text becomes, and is not done here")
    if strange := sorted(value.keys() - _READ - _HARMLESS):
        raise TokenizerError(f"{show(strange[0])} in tokenizer.json has no meaning here")
    for name, setting in value["model"].items():
        if setting not in _MODEL.get(name, (setting,) if name in _LEARNED else ()):
            raise TokenizerError(
                f"{show(name)} in its model is {show(setting)}: that is no plain byte-level BPE"
            )


def _read_vocab(vocab: Mapping[str, Json]) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for name, number in vocab.items():
        if type(number) is not int:
            raise TokenizerError(f"the id of {name[:40]!r} is {show(number)}, not a number")
        found[_read_name(name)] = number
    return found


def _read_name(name: str) -> bytes:
    token = invisible(name)
    if not token:
        raise TokenizerError(f"{name[:40]!r} is not how a byte-level BPE writes a token")
    return token


def _read_merge(merge: Json) -> tuple[bytes, bytes]:
    """Read one merge: a list of two names, or as older files have it, both in one string."""
    parts = merge.split(" ") if isinstance(merge, str) else merge
    match parts:
        case [str(first), str(second)]:
            return _read_name(first), _read_name(second)
    raise TokenizerError(f"{show(merge)} in tokenizer.json merges no two tokens")


def _read_special(added: Sequence[Json]) -> dict[str, int]:
    special: dict[str, int] = {}
    for token in added:
        match token:
            case {"id": int(number), "content": str(name), "special": True} if type(number) is int:
                special[name] = number
            case {"content": str(name)}:
                raise TokenizerError(
                    f"the added token {name[:40]!r} is taken out of any text before it is "
                    "encoded, which is done here for no token"
                )
            case _:
                raise TokenizerError(f"{show(token)} is no added token")
    return dict(sorted(special.items(), key=lambda item: item[1]))


def _read_split(pre_tokenizer: Json) -> SplitName:
    """Return the name of the split; a pattern that we do not have is refused."""
    match pre_tokenizer:
        case {"type": "ByteLevel", "add_prefix_space": False, **rest} if rest.get(
            "use_regex", True
        ):
            return "gpt2"
        case {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": str(pattern)}, "invert": False, **how},
                {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
            ],
        } if how.get("behavior") == "Isolated":
            for name, known in PATTERNS.items():
                if pattern == known:
                    return name
            raise TokenizerError(
                f"it splits text by {pattern[:60]!r}, a pattern that is not built in: "
                f"{', '.join(PATTERNS)} are"
            )
    raise TokenizerError(
        f"its 'pre_tokenizer' is {show(pre_tokenizer, 120)}: a byte-level BPE was expected that "
        "adds no space before the text"
    )
