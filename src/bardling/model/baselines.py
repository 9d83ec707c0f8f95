"""The count model that a GPT has to pass: interpolated modified Kneser-Ney over any token ids.

Chen and Goodman (1999), "An empirical study of smoothing techniques for language modeling",
section 3, with the lower orders of Kneser and Ney (1995), "Improved backing-off for m-gram
language modeling": they count how many different tokens a gram has followed, not how often.
Numpy only; whose text it is, and on which chart the line is drawn, is left to others.

A gram is the pair (number of the gram before its last token, last token), packed into one int64 as
number * vocab_size + token; its own number is its place among the sorted keys of its length. So
no key exceeds (grams of one length) * vocab_size, whatever the order. Number -1 is a gram that
was never seen: every table ends with an entry for it, which Python's index -1 finds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, Integer

from bardling.errors import ConfigError, CorpusError

FALLBACK = (0.5, 1.0, 1.5)
"""Discounts where the counts of counts say none; those of KenLM's --discount_fallback."""
NO_KEY = np.iinfo(np.int64).max
Ids = Int64[np.ndarray, " count"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Level:
    """What one order knows: p(token | context) = seen[gram] + left[context] p(token | shorter)."""

    keys: Int64[np.ndarray, " grams"]
    """Sorted; last comes NO_KEY, for the gram that was never seen."""
    seen: Float64[np.ndarray, " grams"]
    """(count - discount) / the counts of all grams with this context."""
    left: Float64[np.ndarray, " contexts"]
    """What the discounts took from each context; 1 where the context is unknown."""
    discounts: tuple[float, float, float]
    """Taken from grams with a count of 1, of 2, of 3 or more."""

    def find(self, keys: Ids) -> Ids:
        """Return the number of each gram, -1 for those that were never seen."""
        places = np.searchsorted(self.keys, keys)
        return np.where(self.keys[places] == keys, places, -1)


@dataclass(frozen=True, kw_only=True, eq=False)
class KneserNey:
    """A fitted model: every token of the vocabulary has a positive probability everywhere.

    It holds 24 bytes for each different gram of each length (16 for those of the full length).
    """

    vocab_size: int
    end_token: int | None
    levels: tuple[Level, ...]
    """The first one predicts without a context, each next one with a token more."""

    @property
    def order(self) -> int:
        """The tokens of the longest gram: the one predicted and `order - 1` before it."""
        return len(self.levels)

    def nats(self, tokens: Integer[np.ndarray, " count"]) -> Float64[np.ndarray, " count"]:
        """Return -ln p of each token given those before it in its document, in nats.

        The first token begins a document: it is predicted from the end token alone, if there is
        one. Raises `CorpusError` as `fit_kneser_ney` does.
        """
        tokens = _checked(tokens, self.vocab_size)
        p = np.full(len(tokens), 1 / self.vocab_size)
        grams = tokens
        for length, level in enumerate(self.levels):
            contexts = _contexts(grams, tokens, length=length, end_token=self.end_token)
            grams = level.find(contexts * self.vocab_size + tokens)
            p = level.seen[grams] + level.left[contexts] * p
        return -np.log(p)

    def distribution(self, context: Sequence[int]) -> Float64[np.ndarray, " vocab"]:
        """Return the probability of each token after `context`, of which the last part counts.

        Nothing is put before it: a document begins with `[end_token]`, and `[]` is a place of
        which nothing is known. What comes before an end token is never heard, because no counted
        gram goes on past one. Raises `CorpusError` for ids outside the vocabulary.
        """
        heard = np.array(context, dtype=np.int64)
        if len(heard) > 0:
            heard = _checked(heard, self.vocab_size)
        p = np.full(self.vocab_size, 1 / self.vocab_size)
        for length, level in enumerate(self.levels[: len(heard) + 1]):
            first_key = self._number(heard[len(heard) - length :]) * self.vocab_size
            start, stop = np.searchsorted(level.keys, [first_key, first_key + self.vocab_size])
            p *= level.left[first_key // self.vocab_size]
            p[level.keys[start:stop] - first_key] += level.seen[start:stop]
        return p

    def _number(self, gram: Int64[np.ndarray, " length"]) -> int:
        """Return the number of a gram, 0 for the empty one."""
        number = np.zeros(1, dtype=np.int64)
        for level, token in zip(self.levels, gram):
            number = level.find(number * self.vocab_size + token)
        return int(number[0])


def fit_kneser_ney(
    tokens: Integer[np.ndarray, " count"], *, order: int, vocab_size: int, end_token: int | None
) -> KneserNey:
    """Count all grams of up to `order` tokens; an order of 7 predicts from the 6 tokens before.

    Each document is followed by `end_token`, which is predicted like any other and which also
    stands before the first token of the next document; no context goes back past it. Without an
    end token all is one document, and its first tokens have shorter contexts. Order 7 on text of
    5 million characters took 60 bytes for each of them, on noise up to 320. Raises `ConfigError`
    for an order below 1 or an impossible vocabulary, `CorpusError` for impossible or no tokens.
    """
    if order < 1:
        raise ConfigError(f"order {order} predicts nothing: an order is 1 or more")
    if not 0 <= (end_token or 0) < vocab_size:
        raise ConfigError(
            f"a vocabulary of {vocab_size} with end token {end_token} is none: "
            "a size of 1 or more was expected, and an end token inside it or None"
        )
    tokens = _checked(tokens, vocab_size)
    grams, keys = tokens, [np.arange(vocab_size)]
    counts = [np.bincount(tokens, minlength=vocab_size)]
    for length in range(1, order):
        contexts = _contexts(grams, tokens, length=length, end_token=end_token)
        inside = contexts >= 0
        longer, numbers, times = np.unique(
            contexts[inside] * vocab_size + tokens[inside], return_inverse=True, return_counts=True
        )
        endings = np.empty_like(longer)  # of each longer gram, the gram without its first token
        endings[numbers] = grams[inside]
        followed = np.bincount(endings, minlength=len(counts[-1]))
        # Nothing comes before the beginning of a document: there the count is how often.
        counts[-1] = np.where(followed > 0, followed, counts[-1])
        grams = np.full_like(tokens, -1)
        grams[inside] = numbers
        keys.append(longer)
        counts.append(times)
    n_contexts = [1, *map(len, keys)]
    levels = tuple(_level(*of, vocab_size=vocab_size) for of in zip(keys, counts, n_contexts))
    return KneserNey(vocab_size=vocab_size, end_token=end_token, levels=levels)


def _checked(tokens: Integer[np.ndarray, " count"], vocab_size: int) -> Ids:
    if len(tokens) == 0:
        raise CorpusError("there are no tokens: a count model takes at least 1")
    low, high = int(tokens.min()), int(tokens.max())
    if low < 0 or high >= vocab_size:
        raise CorpusError(
            f"token id {low if low < 0 else high} is not in a vocabulary of {vocab_size}: "
            f"ids from 0 to {vocab_size - 1} were expected"
        )
    return tokens.astype(np.int64)


def _contexts(grams: Ids, tokens: Ids, *, length: int, end_token: int | None) -> Ids:
    """Return the number of the `length` tokens before each token, -1 where there are fewer.

    `grams` has the number of the `length` tokens that end with each token, itself included.
    """
    if length == 0:
        return np.zeros_like(tokens)
    contexts = np.concatenate([[-1], grams[:-1]])
    if end_token is not None and length == 1:
        contexts[0] = end_token
    elif end_token is not None:
        contexts[1:][tokens[:-1] == end_token] = -1
    return contexts


def _level(keys: Ids, counts: Ids, n_contexts: int, *, vocab_size: int) -> Level:
    """Discount the counts of all grams of one length; `n_contexts` grams are one token shorter."""
    discounts = _discounts(counts)
    contexts = keys // vocab_size
    taken = np.array([0.0, *discounts])[np.minimum(counts, 3)]
    totals = np.bincount(contexts, weights=counts, minlength=n_contexts + 1)
    kept_back = np.bincount(contexts, weights=taken, minlength=n_contexts + 1)
    return Level(
        keys=np.append(keys, NO_KEY),
        seen=np.append((counts - taken) / totals[contexts], 0.0),
        # Nothing follows a gram that only ends the text, nor the unknown context.
        left=np.divide(kept_back, totals, out=np.ones(n_contexts + 1), where=totals > 0),
        discounts=discounts,
    )


def _discounts(counts: Ids) -> tuple[float, float, float]:
    """Return D1, D2 and D3+ from how many grams have a count of 1 to 4 (section 3).

    A discount of zero or less, or one that cannot be computed, could leave unseen tokens nothing.
    """
    n = [int((counts == count).sum()) for count in range(5)]
    if min(n[1:4]) == 0:
        return FALLBACK
    y = n[1] / (n[1] + 2 * n[2])
    one, two, more = (j - (j + 1) * y * n[j + 1] / n[j] for j in (1, 2, 3))
    return (one, two, more) if min(one, two, more) > 0 else FALLBACK
