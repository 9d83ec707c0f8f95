"""Tokens written per second, and what shorter weights cost in loss.

Reading the weights is all that a large model does for a token, so the roofline is memory: bytes
of the weights that are read for each token against what a copy reads here.
"""

import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import get_args

import torch
from jaxtyping import Int64
from torch import Tensor
from torch.nn import functional as F

from bardling.benchmarking.timing import ROUNDS, Spread, by_turns, ratio
from bardling.generation.decode import decode
from bardling.generation.sampling import Greedy, Sample
from bardling.generation.speculation import decode_ahead
from bardling.kernels.decoder import open_decoder
from bardling.kernels.weights import WeightForm
from bardling.machine.measure import copy_rate
from bardling.model.cache import KVCache
from bardling.model.gpt import GPT
from bardling.model.size import count_parameters

PROMPT_TOKENS = 16
BYTES = {"fp32": 4, "bf16": 2, "int8": 1}
FORMS: tuple[WeightForm, ...] = get_args(WeightForm)


@dataclass(frozen=True, kw_only=True)
class GenerationSpeed:
    """How fast a model writes in one form of its weights."""

    form: str
    sequences: int
    tokens_per_second: Spread
    read_per_second: float
    """Bytes of weights read per second."""
    copied_per_second: float
    """Bytes that a copy of as many reads here."""
    loss_difference: float | None
    """Nats per token more than with the model's own weights, where there was a text to tell."""


def writer(model: GPT, *, sequences: int, n_tokens: int, form: WeightForm) -> Callable[[], float]:
    """Return what writes so many tokens of each sequence, greedily, and measures their rate."""
    start = torch.zeros(sequences, 1, dtype=torch.int64)

    def write() -> float:
        steps = decode(
            model, start, Greedy(), max_new_tokens=n_tokens, seeds=[0] * sequences, weights=form
        )
        return _rate_of(steps)

    return write


def measure_generation(
    model: GPT,
    *,
    sequences: tuple[int, ...] = (1, 16),
    n_tokens: int = 100,
    rounds: int = ROUNDS,
    ids: Int64[Tensor, " time"] | None = None,
) -> list[GenerationSpeed]:
    """Measure each form of the weights by turns; `ids` are text on which losses are compared."""
    forms = FORMS if open_decoder(model) is not None else FORMS[:1]
    kinds = [(form, count) for form in forms for count in sequences]
    works = {
        f"{form} {count}": writer(model, sequences=count, n_tokens=n_tokens, form=form)
        for form, count in kinds
    }
    rates = by_turns(works, rounds=rounds)
    losses = {}
    if ids is not None and len(forms) > 1:
        losses = {form: decoded_loss(model, ids, form) for form in forms}
    weights = count_parameters(model.config)
    read = weights.total - weights.embeddings * (not model.config.tie_embeddings)
    found = []
    copies = {form: _copy_reads(read * BYTES[form]) for form in forms}
    for form, count in kinds:
        speed = Spread.of(rates[f"{form} {count}"])
        found.append(
            GenerationSpeed(
                form=form,
                sequences=count,
                tokens_per_second=speed,
                read_per_second=read * BYTES[form] * speed.median / count,
                copied_per_second=copies[form],
                loss_difference=losses[form] - losses["fp32"] if losses else None,
            )
        )
    return found


def _copy_reads(n_bytes: int) -> float:
    """Return the bytes per second that a copy of so many reads here: half of what it moves."""
    return copy_rate(torch.device("cpu"), n_bytes=n_bytes) / 2


def measure_draft(
    model: GPT, ids: Int64[Tensor, " time"], *, n_draft: int, n_tokens: int, rounds: int = ROUNDS
) -> Spread | None:
    """Return how many times as fast a text is written with guesses; None where nothing can guess.

    It begins with `ids` and is drawn at a temperature of 0.8, another one each round.
    """
    decoder = open_decoder(model)
    if decoder is None:
        return None
    start, strategy = ids[None, :PROMPT_TOKENS], Sample(temperature=0.8)
    seeds = itertools.count()

    def ahead() -> float:
        settings: dict[str, int] = {"seed": next(seeds) // 2, "max_new_tokens": n_tokens}
        return _rate_of(decode_ahead(model, decoder, start, strategy, n_draft=n_draft, **settings))

    def plain() -> float:
        seed = next(seeds) // 2  # that of the text before
        return _rate_of(decode(model, start, strategy, max_new_tokens=n_tokens, seeds=[seed]))

    found = by_turns({"ahead": ahead, "plain": plain}, rounds=rounds)
    return ratio(found["ahead"], found["plain"])


def _rate_of(steps: Iterable[Tensor]) -> float:
    began = time.perf_counter()
    count = sum(len(tokens) for tokens in steps)
    return count / (time.perf_counter() - began)


@torch.no_grad()
def decoded_loss(model: GPT, ids: Int64[Tensor, " time"], form: WeightForm) -> float:
    """Return the mean loss of a text read token by token as generation reads it, in nats."""
    decoder = open_decoder(model, form)
    if decoder is None:
        return float("nan")
    cache = KVCache(model.config, 1, like=model.embedding.weight)
    losses = []
    for token, target in pairwise(ids):
        if cache.length == model.config.block_size:
            cache.clear()
        logits = decoder.step(token.view(1, 1), cache)
        losses.append(F.cross_entropy(logits, target.view(1)).item())
    return sum(losses) / len(losses)
