"""A tokenizer in the terms of llama.cpp, which knows byte-level BPEs by their tokens and merges.

A byte-level BPE is one there as it is; its split has a name that llama.cpp knows. Characters become
one: the token of a character is its bytes of UTF-8, which are merged from the first on. Bytes of
two characters are never merged, so the ids are ours; a character that is unknown has none.

llama.cpp takes token 11 for the end of a text where a BPE names none. Then another is named, one
that is hardly ever written, because texts stop at it.
"""

from dataclasses import dataclass
from typing import Any

import torch

from bardling.errors import ExportError
from bardling.fields import show
from bardling.interchange.family import Restated
from bardling.text.bpe import BPETokenizer
from bardling.text.bpe_encoding import is_plain
from bardling.text.byte_order import visible
from bardling.text.characters import CharacterTokenizer
from bardling.text.pretokenize import LLAMA_CPP
from bardling.text.tokenizer import Tokenizer

NORMAL, CONTROL, UNUSED = 1, 3, 5
"""The types of tokens that are written, by the numbers of the format."""
NEVER = b"\xff"
"""A byte that stands in no UTF-8."""
_OTHER = b"\xfe"
_MOST_READ = 512  # tokens


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """What llama.cpp reads of a tokenizer."""

    split: str
    """llama.cpp's name of the pattern by which a text is split first."""
    tokens: list[str]
    """By id; bytes are written as GPT-2's files write them."""
    types: list[int]
    merges: list[str]
    """Never empty: llama.cpp refuses a BPE without."""
    first: int
    """The token before a text that begins with nothing."""
    last: int
    """The token at which a text ends."""


def vocabulary(tokenizer: Tokenizer, said: Restated) -> Vocabulary:
    """Return what llama.cpp has to know of a tokenizer to give the same ids.

    `said` is asked for what it would hardly write. Raises `ExportError` for a tokenizer that
    llama.cpp cannot be.
    """
    if isinstance(tokenizer, BPETokenizer):
        split, (tokens, merges) = _split(tokenizer), _of_bpe(tokenizer)
    elif isinstance(tokenizer, CharacterTokenizer):
        split, (tokens, merges) = LLAMA_CPP["qwen2"], _of_characters(tokenizer)
    else:
        raise ExportError(f"llama.cpp has no tokenizer like {type(tokenizer).__name__}")
    names = {number: name for name, number in tokenizer.special_tokens.items()}
    ids = range(tokenizer.vocab_size)
    texts = [names.get(i) or tokens.get(i) or f"[unused {i}]" for i in ids]
    if twice := sorted(set(tokens.values()) & set(names.values())):
        raise ExportError(f"two tokens are both written {show(twice[0])}, which llama.cpp refuses")
    end = tokenizer.end_token
    newline = tokenizer.encode("\n", unknown="skip")
    return Vocabulary(
        split=split,
        tokens=texts,
        types=[CONTROL if i in names else NORMAL if i in tokens else UNUSED for i in ids],
        merges=merges,
        first=end if end is not None else newline[0] if newline else 0,
        last=end if end is not None else _hardly_written(tokens, said),
    )


def add_vocabulary(writer: Any, found: Vocabulary) -> None:
    """Tell a `GGUFWriter` of a vocabulary; nothing is put around or before a text."""
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(found.split)
    writer.add_token_list(found.tokens)
    writer.add_token_types(found.types)
    writer.add_token_merges(found.merges)
    writer.add_bos_token_id(found.first)
    writer.add_eos_token_id(found.last)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)


def _split(tokenizer: BPETokenizer) -> str:
    """Return llama.cpp's name of the split; with Llama 3's, a piece may be a token whole."""
    if tokenizer.split == "llama3" and not is_plain(tokenizer.reference, tokenizer.token_bytes):
        raise ExportError(
            "llama.cpp takes any piece that is a token for that token where the split is llama3, "
            "and this tokenizer's merges make others of some: train one with another split"
        )
    return LLAMA_CPP[tokenizer.split]


def _of_bpe(tokenizer: BPETokenizer) -> tuple[dict[int, str], list[str]]:
    """Return the tokens by id, special ones left out, and the merges."""
    names = [visible(token) for token in tokenizer.token_bytes]
    ids = tokenizer.numbering or range(len(names))
    merges = [f"{names[first]} {names[second]}" for first, second in tokenizer.merges]
    return dict(zip(ids, names, strict=False)), merges or _unused_merge()


def _of_characters(tokenizer: CharacterTokenizer) -> tuple[dict[int, str], list[str]]:
    """Return the tokens by id, and the merges of those characters that have several bytes."""
    tokens = [character.encode("utf-8") for character in tokenizer.characters]
    merges = [
        f"{visible(token[:size])} {visible(token[size : size + 1])}"
        for token in tokens
        for size in range(1, len(token))
    ]
    return dict(enumerate(map(visible, tokens))), list(dict.fromkeys(merges)) or _unused_merge()


def _unused_merge() -> list[str]:
    """Return one merge that no text can have, of two bytes that stand in no UTF-8."""
    return [f"{visible(NEVER)} {visible(_OTHER)}"]


@torch.no_grad()
def _hardly_written(tokens: dict[int, str], said: Restated) -> int:
    """Return a token that no text has, or the one that the model finds least likely.

    How likely is asked after random tokens, on average.
    """
    ids = {text: number for number, text in tokens.items()}
    if visible(NEVER) in ids:
        return ids[visible(NEVER)]
    random = torch.Generator().manual_seed(0)
    length = min(said.config.block_size, _MOST_READ)
    texts = torch.randint(said.config.vocab_size, (4, length), generator=random)
    return int(said.build()(texts).softmax(dim=-1).mean(dim=(0, 1)).argmin())
