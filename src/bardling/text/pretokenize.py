"""The split before the merges: no token of a BPE crosses the border between two of its pieces.

GPT-2's pattern (Radford et al. 2019, section 2.2; the words are those of its published encoder):
English contractions, then letters, digits or anything else, each with at most one space before it,
then white space. It is the one that Hugging Face's `ByteLevel` and llama.cpp's `gpt-2` know.
"""

from functools import cache

import regex

GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


@cache
def _compiled(pattern: str) -> "regex.Pattern[str]":
    return regex.compile(pattern)


def pieces(text: str) -> list[str]:
    """Return the pieces of a text, which joined are the text again."""
    return _compiled(GPT2_PATTERN).findall(text)
