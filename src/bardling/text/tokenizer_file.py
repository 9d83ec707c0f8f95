"""Tokenizers on the disk, in the format of Hugging Face, and by name on the command line.

Every run, checkpoint and export holds the same two files: `tokenizer.json`, which `tokenizers`
and transformers.js open, and `tokenizer_config.json`, without which transformers' AutoTokenizer
guesses a class and silently gives other ids. What stands in them is left to each tokenizer; the
files of others are read too.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from bardling.errors import StorageError, TokenizerError, UsageError, nearest
from bardling.fields import show
from bardling.storage import Json, exists, json_bytes, parse_json, read_bytes, write_bytes
from bardling.text.bpe import BPETokenizer
from bardling.text.bpe_files import read_gpt2_files, read_ranks
from bardling.text.characters import CharacterTokenizer
from bardling.text.lots import Text
from bardling.text.pretokenize import PATTERNS, SplitName
from bardling.text.tokenizer import Tokenizer

FILE = "tokenizer.json"
CONFIG_FILE = "tokenizer_config.json"
VOCAB_FILE, MERGES_FILE = "vocab.json", "merges.txt"
RANKS_SUFFIX = ".tiktoken"

LIMIT_BYTES = 64 * 2**20
"""The largest published vocabularies take half of this."""
_READERS: dict[str, Callable[[Json], Tokenizer]] = {
    "WordLevel": CharacterTokenizer.from_json,
    "BPE": BPETokenizer.from_json,
}
_NAMES = ("char", "bpe:3000", "gpt2")
_BPE = re.compile(r"bpe(?::([^:]*))?(?::(.*))?")
_DIGITS = re.compile("[0-9]{1,99}")


def is_built_in(name: str) -> bool:
    """Tell whether `name` is a kind of tokenizer, not the place of one."""
    return name == "gpt2" or is_trained_here(name)


def is_trained_here(name: str) -> bool:
    """Tell whether `name` is a tokenizer that is learned from the text at hand."""
    return name == "char" or _BPE.fullmatch(name) is not None


def has_tokenizer(folder: Path) -> bool:
    """Tell whether a folder holds a tokenizer.json."""
    return exists(folder / FILE)


def train_tokenizer(
    name: str,
    texts: Iterable[Text],
    *,
    end_token: bool,
    min_frequency: int = 1,
    processes: int = 1,
) -> Tokenizer:
    """Return the tokenizer that `--tokenizer name` means.

    "char" is trained on `texts`, with an end token if asked for; so is "bpe:3000", to a vocabulary
    of that size and with GPT-2's split, and "bpe:3000:llama3" with another. Anything else is a
    path, and is loaded as it is.
    """
    if name == "char":
        return CharacterTokenizer.train(texts, end_token=end_token)
    if found := _BPE.fullmatch(name):
        return BPETokenizer.train(
            texts,
            vocab_size=_size(name, found[1]),
            end_token=end_token,
            split=_split(name, found[2]),
            min_frequency=min_frequency,
            processes=processes,
        )
    if exists(Path(name)):
        return load_tokenizer(Path(name))
    raise UsageError(
        f"{show(name)} is not a tokenizer: use {', '.join(_NAMES)}, a tokenizer.json, a ranks file "
        f"(.tiktoken) or a folder that holds a tokenizer{nearest(name, _NAMES)}"
    )


def _size(name: str, size: str | None) -> int:
    if size is None or not _DIGITS.fullmatch(size) or not 257 <= int(size) <= 2**20:
        raise UsageError(
            f"{show(name)} names no size: give one of 257 to {2**20:,} tokens, as in bpe:3000"
        )
    return int(size)


def _split(name: str, split: str | None) -> SplitName:
    for known in PATTERNS:
        if split in (known, None):
            return known
    raise UsageError(
        f"{show(name)} names no split: {', '.join(PATTERNS)} are known, as in bpe:3000:qwen2"
    )


def tokenizer_files(tokenizer: Tokenizer) -> dict[str, bytes]:
    """Return the files of `tokenizer` by name, as every run and checkpoint holds them."""
    config: dict[str, Json] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,  # or decoding would drop spaces before commas
    }
    if tokenizer.end_token is not None:
        names = {number: name for name, number in tokenizer.special_tokens.items()}
        config |= dict.fromkeys(("bos_token", "eos_token"), names[tokenizer.end_token])
    return {FILE: json_bytes(tokenizer.to_json()), CONFIG_FILE: json_bytes(config)}


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write the files of `tokenizer` into `folder`, which is made if it is missing."""
    for name, data in tokenizer_files(tokenizer).items():
        write_bytes(folder / name, data)


def parse_tokenizer(data: bytes) -> Tokenizer:
    """Return the tokenizer that a tokenizer.json describes; what we cannot promise is refused."""
    try:
        value = parse_json(data, FILE)
    except StorageError as error:
        raise TokenizerError(str(error)) from error
    match value:
        case {"model": {"type": str(kind)}} if kind in _READERS:
            return _READERS[kind](value)
        case {"model": {"type": str(kind)}}:
            raise TokenizerError(
                f"{FILE} holds a model of type {kind[:40]!r}: "
                f"this version reads {', '.join(_READERS)}"
            )
    raise TokenizerError(f"{FILE} does not say what 'model' it holds: save it again")


def load_tokenizer(path: Path) -> Tokenizer:
    """Load the tokenizer of a file or folder; errors name the file.

    A file is a tokenizer.json or, with the suffix .tiktoken, a ranks file of GPT-2's split; a
    folder (a run, for instance) holds a tokenizer.json or GPT-2's vocab.json and merges.txt.
    """
    is_pair = path.is_dir() and not exists(path / FILE) and exists(path / VOCAB_FILE)
    file = path / (VOCAB_FILE if is_pair else FILE) if path.is_dir() else path
    data = _read(file)
    try:
        if is_pair:
            return read_gpt2_files(data, _read(path / MERGES_FILE))
        return read_ranks(data) if file.suffix == RANKS_SUFFIX else parse_tokenizer(data)
    except TokenizerError as error:
        raise TokenizerError(f"{file}: {error}") from error


def _read(file: Path) -> bytes:
    if not exists(file):
        raise TokenizerError(f"{file} is not there: give a {FILE} or a folder that holds one")
    return read_bytes(file, limit_bytes=LIMIT_BYTES)
