"""Where a model stands: between what counting can do and what nobody can beat.

The n-gram lines are modified Kneser-Ney models, fitted on the run's own training tokens and
measured on the tokens that the model is measured on. The floor is that of the language, where it is
known (the stories). The share of the gap between the two that a model closes is its grade.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Integer

from bardling.data.stories.listening import listen
from bardling.model.baselines import fit_kneser_ney

BIGRAM, LONG = 2, 7
"""The orders of the lines: what one token tells, and where counting characters is at its best."""
FIT_TOKENS = 8_000_000
"""Training tokens that are counted at most: about 10 s and 500 MB."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Losses in nats per token, all on the same tokens."""

    chance: float
    """ln of the vocabulary's size: knowing nothing."""
    model: float
    bigram: float | None = None
    """Kneser-Ney of order 2; None where nothing was counted."""
    ngram: float | None = None
    """Kneser-Ney of order 7."""
    floor: float | None = None
    """The least expected loss, where it is known."""
    bits_per_byte: float | None = None
    """The model's loss for each byte of text, which other tokenizers can be compared by."""

    @property
    def excess(self) -> float | None:
        """Nats per token above the floor."""
        return None if self.floor is None else self.model - self.floor

    @property
    def closed(self) -> float | None:
        """The share of the gap between order 7 and the floor that the model closes."""
        if self.floor is None or self.ngram is None or self.ngram <= self.floor:
            return None
        return (self.ngram - self.model) / (self.ngram - self.floor)


def ngram_loss(
    train: Integer[np.ndarray, " train"],
    val: Integer[np.ndarray, " val"],
    *,
    order: int,
    vocab_size: int,
    end_token: int | None,
    by_document: bool,
) -> float:
    """Return the loss of a Kneser-Ney model in nats per token, by the protocol of all losses.

    By document, the first token of all counts; side by side, it has nothing before it and does not.
    """
    fitted = fit_kneser_ney(
        train[:FIT_TOKENS], order=order, vocab_size=vocab_size, end_token=end_token
    )
    nats = fitted.nats(val)
    return float((nats if by_document else nats[1:]).mean())


@dataclass(frozen=True, kw_only=True)
class Told:
    """A text that a model wrote, and how far it is a story."""

    text: str
    end: int
    """The character at which it stops being one."""
    reason: str | None
    """Why; None for a story."""


def summary(samples: Sequence[Told]) -> str:
    """Say how many samples are stories, and how far the others get."""
    ends = [sample.end for sample in samples if sample.reason is not None]
    said = f"{len(samples) - len(ends)} of {len(samples)} sampled texts are stories"
    if ends:
        said += f"; the others stop being one after {sum(ends) / len(ends):.0f} characters"
    return said


def told(texts: Sequence[str]) -> list[Told]:
    """Return how far each text is a story of the grammar."""
    readings = [listen(text) for text in texts]
    return [
        Told(text=text, end=reading.end, reason=reading.reason)
        for text, reading in zip(texts, readings, strict=True)
    ]
