"""The split before the merges: no token of a BPE crosses the border between two of its pieces.

Which patterns there are is decided by who else has to know them: each of these is built into
llama.cpp under the name in `LLAMA_CPP`, and Hugging Face's files can hold it. All of them split
words off with at most one space before them, and numbers and signs from words.

    gpt2    Radford et al. 2019, section 2.2, and the published encoder
    llama3  Llama 3's: numbers in threes, line ends stay with the signs before them
    qwen2   the same with numbers digit by digit, by which little models learn arithmetic better

What a letter or a number is, Unicode says anew each year. `tokenizers` and tiktoken know version
16; the `regex` library is ahead of them, so what came later is taken out of its classes here.
"""

import re
from functools import cache
from typing import Literal

import regex

SplitName = Literal["gpt2", "llama3", "qwen2"]

_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|DIGITS"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PATTERNS: dict[SplitName, str] = {
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "llama3": _WORDS.replace("DIGITS", r"\p{N}{1,3}"),
    "qwen2": _WORDS.replace("DIGITS", r"\p{N}"),
}
LLAMA_CPP: dict[SplitName, str] = {"gpt2": "gpt-2", "llama3": "llama-bpe", "qwen2": "qwen2"}

_ASCII = {  # negated first: in the others the classes stand alone
    r"[^\s\p{L}\p{N}]": r"[^\sA-Za-z0-9]",
    r"[^\r\n\p{L}\p{N}]": r"[^\r\nA-Za-z0-9]",
    r"\p{L}": "[A-Za-z]",
    r"\p{N}": "[0-9]",
}
_NEWER = (  # letters and numbers that came after Unicode 16, by their code points
    "558 58b-58c 88f c5c cdc 208f 209d-209f a7ce-a7cf a7d2 a7d4 a7dd a7e2 a7f1 ab6c-ab6d "
    "107bb-107bf 10940-10959 10ec5-10ec7 10ed9-10eee 11b0a 11db0-11ddb 11de0-11de9 11df1 1246f "
    "12475-1247f 12550-12686 16ea0-16eb8 16ebb-16ed3 16ff2-16ff6 187f8-187ff 18cd6-18cda "
    "18d09-18d20 18d80-18df2 18e00-19191 191a0-191d2 1b123-1b128 1b168 1d6a6 1df1f-1df24 "
    "1df2b-1df81 1df90-1df96 1dfcd-1dfff 1e6c0-1e6de 1e6e0-1e6e2 1e6e4-1e6e5 1e6e7-1e6ed "
    "1e6f0-1e6f4 1e6fe-1e6ff 2b73a-2b73f 2b81e 2cea2-2cead 323b0-33479 3d000-3fc3f"
)


def pieces(text: str, split: SplitName = "gpt2") -> list[str]:
    """Return the pieces of a text, which joined are the text again."""
    return _compiled(split, text.isascii()).findall(text)


@cache
def _compiled(split: SplitName, is_ascii: bool) -> "re.Pattern[str] | regex.Pattern[str]":
    """Return a pattern; for ASCII texts Python's own form, which means the same and is faster."""
    if is_ascii:
        plain = PATTERNS[split]
        for classes, letters in _ASCII.items():
            plain = plain.replace(classes, letters)
        return re.compile(plain, re.ASCII)
    spans = (span.split("-") for span in _NEWER.split())
    newer = "".join(rf"\U{span[0]:0>8}-\U{span[-1]:0>8}" for span in spans)
    exact = PATTERNS[split]
    for letters in (r"\p{L}", r"\p{N}"):
        exact = exact.replace(letters, f"[{letters}--[{newer}]]")
    return regex.compile(exact, regex.VERSION1)
