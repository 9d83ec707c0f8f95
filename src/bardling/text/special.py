"""Tokenizers that get more special tokens: what was there keeps its ids."""

from collections.abc import Sequence
from dataclasses import replace

from bardling.errors import TokenizerError
from bardling.text.bpe import BPETokenizer
from bardling.text.characters import CharacterTokenizer
from bardling.text.tokenizer import END_TOKEN, Tokenizer


def with_special(tokenizer: Tokenizer, names: Sequence[str]) -> Tokenizer:
    """Return the tokenizer with special tokens of these names, those it lacks after the last id.

    Raises `TokenizerError` for a tokenizer that is not of our kinds.
    """
    new = [name for name in dict.fromkeys(names) if name not in tokenizer.special_tokens]
    if not new:
        return tokenizer
    if isinstance(tokenizer, CharacterTokenizer):
        ends = tokenizer.has_end_token or (END_TOKEN in new and not tokenizer.special)
        more = [name for name in new if not (ends and name == END_TOKEN)]
        return replace(tokenizer, has_end_token=ends, special=(*tokenizer.special, *more))
    if isinstance(tokenizer, BPETokenizer):
        first = tokenizer.vocab_size
        numbering = tokenizer.numbering
        if numbering:
            numbering = (*numbering, *range(first, first + len(new)))
        return replace(tokenizer, special=(*tokenizer.special, *new), numbering=numbering)
    raise TokenizerError("a tokenizer of this kind cannot get more special tokens")
