"""Which token comes next: ways to choose from a row of logits, as frozen values.

`Sample` applies temperature, then top-k, then top-p, in that order. Temperature 0 means greedy
and top-k 0 means off, here and in every place that offers them. A choice needs no random state:
it is handed one uniform number for each sequence.

Top-k: Fan et al. (2018). Top-p: Holtzman et al., "The curious case of neural text degeneration"
(2020), section 3.1.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from bardling.errors import GenerationError

MAX_BEAMS = 4096
FEW = 256
"""Tokens among which those of top-p nearly always are."""


@dataclass(frozen=True)
class Greedy:
    """Take the likeliest token; of equals, the first."""

    def pick(
        self, logits: Float[Tensor, "batch vocab"], draws: Float64[Tensor, " batch"]
    ) -> Int64[Tensor, " batch"]:
        """Return one token for each row; `draws` are not needed."""
        return logits.argmax(dim=-1)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Draw from the distribution, reshaped by temperature, top-k and top-p."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature > 0.0):
            raise GenerationError(
                f"the temperature is {self.temperature}; it must be a finite number above 0, "
                "or 0 where that means greedy"
            )
        if self.top_k < 0:
            raise GenerationError(f"top-k is {self.top_k}; it must be at least 0, where 0 is off")
        if not 0.0 < self.top_p <= 1.0:
            raise GenerationError(f"top-p is {self.top_p}; it must be above 0 and at most 1")

    def distribution(self, logits: Float[Tensor, "batch vocab"]) -> Float64[Tensor, "batch vocab"]:
        """Return the probabilities from which a token is drawn; of equal tokens the first stay."""
        scaled = self._scaled(logits)
        if self.plain:
            return scaled.softmax(dim=-1)
        if 0 < self.top_k < logits.shape[-1]:
            ranking = likeliest(logits, self.top_k)
            shares = scaled.gather(1, ranking).softmax(dim=-1)
        else:
            shares = scaled.softmax(dim=-1)
            ranking = likeliest(logits, FEW)
            if shares.gather(1, ranking).sum(dim=-1).min() < self.top_p:
                ranking = likeliest(logits, logits.shape[-1])
            shares = shares.gather(1, ranking)
        if self.top_p < 1.0:
            before = shares.cumsum(dim=-1) - shares
            shares = shares.masked_fill(before >= self.top_p, 0.0)
            shares = shares / shares.sum(dim=-1, keepdim=True)
        return torch.zeros_like(scaled).scatter(1, ranking, shares)

    def pick(
        self, logits: Float[Tensor, "batch vocab"], draws: Float64[Tensor, " batch"]
    ) -> Int64[Tensor, " batch"]:
        """Return one token for each row, by inverting the cumulative distribution at `draws`.

        `draws` are uniform in [0, 1).
        """
        shares = self._scaled(logits).exp_() if self.plain else self.distribution(logits)
        cumulative = shares.cumsum(dim=-1)
        targets = draws[:, None] * cumulative[:, -1:]
        chosen = torch.searchsorted(cumulative, targets, right=True)[:, 0]
        return chosen.clamp(max=logits.shape[-1] - 1)

    @property
    def plain(self) -> bool:
        """Whether any token can come."""
        return self.top_k == 0 and self.top_p == 1.0

    def _scaled(self, logits: Float[Tensor, "batch vocab"]) -> Float64[Tensor, "batch vocab"]:
        """Return logits over the temperature; the top is 0, however small that is."""
        precise = logits.double()
        return (precise - precise.amax(dim=-1, keepdim=True)).div_(self.temperature)


def likeliest(
    logits: Float[Tensor, "batch vocab"], most: int
) -> Int64[Tensor, "batch most_or_vocab"]:
    """Return so many tokens of each row at most, the likeliest first and of equals the first."""
    if most < logits.shape[-1]:
        top = logits.topk(most + 1, dim=-1)  # quick, and in any order among equals
        if not (top.values[:, 1:] == top.values[:, :-1]).any():
            return top.indices[:, :most]
    return logits.argsort(dim=-1, descending=True, stable=True)[:, :most]


@dataclass(frozen=True, kw_only=True)
class Beam:
    """Follow the `width` likeliest continuations at once; see generation/beam.py."""

    width: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.width <= MAX_BEAMS:
            raise GenerationError(
                f"beam search needs at least 1 beam and takes {MAX_BEAMS:,} at most, "
                f"not {self.width}"
            )


Strategy = Greedy | Sample | Beam


def choose_strategy(
    *, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, beams: int = 0
) -> Strategy:
    """Return the strategy that the four usual numbers name.

    `beams` 0 means no beam search. Raises `GenerationError` for numbers without a meaning.
    """
    sample = Sample(temperature=temperature or 1.0, top_k=top_k, top_p=top_p)
    if beams:
        return Beam(width=beams)
    return Greedy() if temperature == 0.0 else sample
