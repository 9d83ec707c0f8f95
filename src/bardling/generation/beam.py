"""Beam search: keep the likeliest few continuations and extend them together.

The score of a continuation is the sum of its tokens' log-probabilities, without a bonus for
length. All beams share one batch and one cache, whose rows are rearranged as beams win and lose.
With width 1 this is greedy decoding; with a width that holds every continuation it is exhaustive.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from bardling.generation.decode import open_context
from bardling.kernels.weights import WeightForm
from bardling.model.gpt import GPT


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """A continuation and how likely the model finds it."""

    tokens: tuple[int, ...]
    """New tokens, the end token included where it was reached."""
    score: float
    """Sum of the log-probabilities in nats."""


@torch.no_grad()
def beam_search(
    model: GPT,
    ids: Int64[Tensor, "1 time"],
    *,
    width: int,
    max_new_tokens: int,
    end_token: int | None = None,
    weights: WeightForm = "fp32",
) -> list[Hypothesis]:
    """Return at most `width` continuations of `ids`, the likeliest first.

    A continuation is complete at the end token or at `max_new_tokens`.
    """
    context = open_context(model, ids, weights, max_new_tokens=max_new_tokens)
    alive = [Hypothesis(tokens=(), score=0.0)]
    finished: list[Hypothesis] = []
    for _ in range(max_new_tokens):
        log_probabilities = context.next_logits().double().log_softmax(dim=-1)
        scores = torch.tensor([beam.score for beam in alive], dtype=torch.float64)
        totals = (scores[:, None] + log_probabilities).flatten()
        ranked = totals.sort(descending=True, stable=True)
        parents: list[int] = []
        extended: list[Hypothesis] = []
        best = slice(2 * width)  # enough: each living beam has one end token at most
        candidates = zip(ranked.values[best].tolist(), ranked.indices[best].tolist(), strict=True)
        for score, place in candidates:
            if len(extended) == width:
                break
            parent, token = divmod(place, log_probabilities.shape[1])
            longer = Hypothesis(tokens=(*alive[parent].tokens, token), score=score)
            if token == end_token:
                finished.append(longer)
            else:
                parents.append(parent)
                extended.append(longer)
        alive = extended
        if not alive or _settled(finished, alive, width):
            break
        context.select(torch.tensor(parents))
        context.append(torch.tensor([beam.tokens[-1] for beam in alive]))
    return _best(finished + alive, width)


def _best(hypotheses: list[Hypothesis], width: int) -> list[Hypothesis]:
    return sorted(hypotheses, key=lambda h: h.score, reverse=True)[:width]


def _settled(finished: list[Hypothesis], alive: list[Hypothesis], width: int) -> bool:
    """Tell whether no living beam can still enter the best `width`: scores only fall."""
    return len(finished) >= width and alive[0].score <= _best(finished, width)[-1].score
