"""Analogies: a is to b as c is to what? Asked of vectors, whoever made them.

Here they come from counting which words stand near each other, a singular-value factorisation of
positive pointwise mutual information (Levy and Goldberg 2014, "Neural word embedding as implicit
matrix factorization", section 5; smoothed as in Levy, Goldberg and Dagan 2015, "Improving
distributional similarity with lessons learned from word embeddings", section 3). It is the line for
a model's own embeddings, and shows that what there is to find out is in the text.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

WINDOW = 10  # words to each side
DIMENSIONS = 30
RARE = 20  # words that stand near fewer nouns than this do not count
SMOOTHING = 0.75  # the power of context counts

_WORD = re.compile(r"[A-Za-z'_-]+")


@dataclass(frozen=True, kw_only=True, eq=False)
class Vectors:
    """A vector of length 1 for each word."""

    words: tuple[str, ...]
    values: Float64[np.ndarray, "words dimensions"]

    def answer(self, a: str, b: str, c: str) -> str:
        """Return the word nearest to b - a + c, these three aside (Mikolov et al. 2013)."""
        places = [self.words.index(word) for word in (a, b, c)]
        first, second, third = (self.values[place] for place in places)
        scores = self.values @ (second - first + third)
        scores[places] = -np.inf
        return self.words[int(scores.argmax())]

    def neighbours(self, word: str, count: int) -> list[tuple[str, float]]:
        """Return the nearest other words with the cosine of the angle between them."""
        place = self.words.index(word)
        cosines = self.values @ self.values[place]
        cosines[place] = -np.inf
        nearest = np.argsort(-cosines, kind="stable")[:count]
        return [(self.words[other], float(cosines[other])) for other in nearest if other != place]

    def among(self, words: Iterable[str]) -> "Vectors":
        """Return those of some words alone, which are then the only answers."""
        wanted = [word for word in words if word in self.words]
        places = [self.words.index(word) for word in wanted]
        return Vectors(words=tuple(wanted), values=self.values[places])

    def flat(self) -> Float64[np.ndarray, "words 2"]:
        """Return where the words lie on the plane that keeps most of their distances (PCA)."""
        centred = self.values - self.values.mean(axis=0)
        left, strengths, _ = np.linalg.svd(centred, full_matrices=False)
        return (left * strengths)[:, :2]


def unit_vectors(words: Sequence[str], values: Float64[np.ndarray, "words dimensions"]) -> Vectors:
    """Return vectors by their direction from the mean of all."""
    centred = values - values.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return Vectors(words=tuple(words), values=centred / np.maximum(lengths, 1e-12))


def solved(vectors: Vectors, analogies: Iterable[tuple[str, str, str, str]]) -> tuple[int, int]:
    """Return how many analogies come out right, and how many there are."""
    outcomes = [vectors.answer(a, b, c) == d for a, b, c, d in analogies]
    return sum(outcomes), len(outcomes)


def counted_vectors(texts: Iterable[str], words: Sequence[str]) -> Vectors:
    """Return vectors of some words (or of a few words each) by what stands near them in texts."""
    together = _count(texts, {word: number for number, word in enumerate(words)})
    context_of: dict[str, int] = {}
    for _, context in together:
        context_of.setdefault(context, len(context_of))
    counts = np.zeros((len(words), len(context_of)))
    for (word, context), count in together.items():
        counts[word, context_of[context]] = count
    counts = counts[:, counts.sum(axis=0) >= RARE]
    share = counts.sum(axis=0) ** SMOOTHING
    expected = counts.sum(axis=1, keepdims=True) * share / share.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        information = np.log(counts / expected)
    left, strengths, _ = np.linalg.svd(
        np.where(information > 0, information, 0.0), full_matrices=False
    )
    values = left[:, :DIMENSIONS] * np.sqrt(strengths[:DIMENSIONS])
    return Vectors(
        words=tuple(words), values=values / np.linalg.norm(values, axis=1, keepdims=True)
    )


def _count(texts: Iterable[str], numbers: Mapping[str, int]) -> Counter[tuple[int, str]]:
    """Count which words stand within `WINDOW` of which of those asked for."""
    several = sorted((word for word in numbers if " " in word), key=len, reverse=True)
    joined = re.compile(rf"\b({'|'.join(several) or '(?!)'})\b")
    places = {word.replace(" ", "_"): number for word, number in numbers.items()}
    together: Counter[tuple[int, str]] = Counter()
    for text in texts:
        found = _WORD.findall(joined.sub(lambda m: m[1].replace(" ", "_"), text))
        for place, word in enumerate(found):
            if word in places:
                near = found[max(0, place - WINDOW) : place] + found[place + 1 : place + WINDOW + 1]
                together.update((places[word], other) for other in near)
    return together
