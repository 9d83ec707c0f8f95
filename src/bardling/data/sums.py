"""A small language that the package speaks by itself: true sentences about small numbers.

    seven and five make twelve.
    thirty-one take away four leaves twenty-seven.

It needs no network, a small model learns its form in a minute, and every line is either true or
false, so a demo can say what share of the model's own lines is true. Text worth reading for its
own sake is left to the corpora.
"""

import re

from bardling.machine.randomness import stream

_LARGEST = 50
_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen"),
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty")

# In each sentence x and y make z. A sentence that leaves y out says only that it is not zero.
_SENTENCES = (
    "{x} and {y} make {z}.",
    "{x} with {y} more is {z}.",
    "{z} take away {x} leaves {y}.",
    "{z} is {y} more than {x}.",
    "{z} is more than {x}.",
    "{x} is less than {z}.",
)


def _in_words(number: int) -> str:
    tens, ones = divmod(number, 10)
    if number < len(_ONES):
        return _ONES[number]
    return f"{_TENS[tens]}-{_ONES[ones]}" if ones else _TENS[tens]


_WORDS = tuple(map(_in_words, range(_LARGEST + 1)))
_NUMBERS = {words: number for number, words in enumerate(_WORDS)}
_READERS = tuple(
    re.compile(re.sub(r"\{(.)\}", r"(?P<\1>[a-z-]+)", sentence.replace(".", r"\.")))
    for sentence in _SENTENCES
)


def sums(seed: int, *, n_lines: int = 6000) -> str:
    """Return `n_lines` true sentences, one a line: about 200 kB unless told otherwise."""
    random = stream(seed, "sums")
    kinds = random.integers(0, len(_SENTENCES), size=n_lines)
    totals = random.integers(1, _LARGEST + 1, size=n_lines)
    parts = random.integers(0, totals)
    return "".join(
        _SENTENCES[kind].format(x=_WORDS[x], y=_WORDS[z - x], z=_WORDS[z]) + "\n"
        for kind, x, z in zip(kinds, parts, totals, strict=True)
    )


def check_line(line: str) -> bool | None:
    """Say whether a line is true; None means that it is no sentence of the language."""
    for reader in _READERS:
        if match := reader.fullmatch(line):
            words = match.groupdict()
            if _NUMBERS.keys() >= set(words.values()):
                numbers = {name: _NUMBERS[word] for name, word in words.items()}
                x, z = numbers["x"], numbers["z"]
                return x + numbers["y"] == z if "y" in numbers else x < z
    return None
