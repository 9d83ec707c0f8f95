"""What reading would tell of samples, measured: known words, repetition, copying.

Distinct n-grams: Li et al. (2016), "A diversity-promoting objective function for neural
conversation models", section 5.3. Copying is counted in runs of words, and as the longest piece of
a sample that stands in the training text letter by letter.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bardling.data.tokens import Tokens
from bardling.text.tokenizer import Tokenizer

TOKENS_COMPARED, CHARACTERS_COMPARED = 1_000_000, 2_000_000
COPIED_WORDS = 8
"""Words in a row that chance hardly repeats."""
DISTINCT = 4
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")


@dataclass(frozen=True, kw_only=True)
class Writing:
    """Shares from 0 to 1 over all samples together."""

    samples: int
    words: int
    known_words: float
    """Of the words, those that stand in the training text."""
    distinct: float
    """Of the runs of four words, the different ones; low where a text goes round in circles."""
    copied: float
    """Of the runs of eight words, those that stand in the training text."""
    longest_copy: str
    """The longest piece that stands there, letter by letter."""
    stories: float | None = None
    """Of the texts, those that are stories of the grammar; None where there is none."""

    @property
    def patterns(self) -> list[tuple[str, str]]:
        """What stands out, as (what it is, what helps)."""
        found = []
        if self.words == 0 or self.known_words < 0.5:
            found.append(("gibberish: most words are none", "train longer"))
        elif self.known_words < 0.85:
            found.append(("words without grammar: many are invented", "train longer"))
        if self.words > DISTINCT and self.distinct < 0.6:
            found.append(("loops: it repeats itself", "a higher temperature, or top-p 0.9"))
        if self.copied > 0.2 or len(self.longest_copy) > 150:
            found.append(
                ("verbatim copying", "the best checkpoint instead of the last, dropout, more text")
            )
        return found


def measure_writing(
    samples: Sequence[str], training: str, *, stories: float | None = None
) -> Writing:
    """Return what is measured of samples against (a part of) the training text."""
    known = set(_words(training))
    learned = set(_runs(_words(training), COPIED_WORDS))
    texts = [_words(sample) for sample in samples]
    words = [word for text in texts for word in text]
    fours = [run for text in texts for run in _runs(text, DISTINCT)]
    eights = [run for text in texts for run in _runs(text, COPIED_WORDS)]
    return Writing(
        samples=len(samples),
        words=len(words),
        known_words=_share(word in known for word in words),
        distinct=len(set(fours)) / len(fours) if fours else 1.0,
        copied=_share(run in learned for run in eights),
        longest_copy=max(
            (longest_copy(sample, training) for sample in samples), key=len, default=""
        ),
        stories=stories,
    )


def read_again(train: Tokens, tokenizer: Tokenizer) -> str:
    """Return the beginning of a training split as the text that samples are compared with."""
    return tokenizer.decode(train[:TOKENS_COMPARED])[:CHARACTERS_COMPARED]


def longest_copy(sample: str, training: str) -> str:
    """Return the longest piece of a sample that stands in a text; the first of equals."""
    best, start, length = "", 0, 0
    while start + length < len(sample):
        if sample[start : start + length + 1] in training:
            length += 1
            if length > len(best):
                best = sample[start : start + length]
        else:
            start += 1
            length = max(0, length - 1)
    return best


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _runs(words: Sequence[str], length: int) -> list[tuple[str, ...]]:
    return [tuple(words[place : place + length]) for place in range(len(words) - length + 1)]


def _share(outcomes: Iterable[bool]) -> float:
    every = list(outcomes)
    return sum(every) / len(every) if every else 0.0
