"""Looks inside a model: what comes next at several temperatures, dead units, gradients by layer."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bardling.generation.sampling import Sample
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from bardling.text.tokenizer import Tokenizer

TEMPERATURES = (0.2, 0.5, 0.8, 1.0, 1.5)
"""Those of day 24."""


@dataclass(frozen=True, kw_only=True)
class Tempered:
    """A distribution at one temperature."""

    temperature: float
    entropy: float
    """In nats."""
    likeliest: tuple[tuple[int, float], ...]
    """Tokens and their probabilities, the likeliest first."""


def tempered(
    logits: Float[Tensor, " vocab"],
    temperatures: Sequence[float] = TEMPERATURES,
    *,
    count: int = 6,
) -> list[Tempered]:
    """Return what dividing the logits by each temperature makes of a distribution."""
    found = []
    for temperature in temperatures:
        p = Sample(temperature=temperature).distribution(logits[None])[0]
        top = p.topk(min(count, len(p)))
        found.append(
            Tempered(
                temperature=temperature,
                entropy=float(torch.special.entr(p).sum()),
                likeliest=tuple(zip(top.indices.tolist(), top.values.tolist(), strict=True)),
            )
        )
    return found


@torch.no_grad()
def next_logits(model: GPT, ids: Sequence[int]) -> Float[Tensor, " vocab"]:
    """Return the logits of what follows some tokens, of which the last that fit are read."""
    read = torch.tensor([list(ids)[-model.config.block_size :]], device=model.device)
    return model(read)[0, -1].float().cpu()


@torch.no_grad()
def dead_units(model: GPT, ids: Int64[Tensor, "batch time"]) -> list[float]:
    """Return for each block the share of its ReLU units that no token of a batch wakes.

    Empty where the model has no ReLU.
    """
    if model.config.feedforward != "relu":
        return []
    awake: list[Tensor] = []
    ups = [module for name, module in model.named_modules() if name.endswith("layer.up")]
    hooks = [
        up.register_forward_hook(lambda _, __, out: awake.append((out > 0).flatten(0, 1).any(0)))
        for up in ups
    ]
    try:
        model(ids)
    finally:
        for hook in hooks:
            hook.remove()
    return [float((~units).double().mean()) for units in awake]


def gradients_by_block(
    config: ModelConfig, ids: Int64[Tensor, "batch time"], *, seed: int = 0
) -> list[float]:
    """Return the length of each block's gradient in a new model of that config, on one batch."""
    model = GPT(config, seed=seed)
    logits = model(ids[:, :-1])
    loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
    torch.autograd.backward(loss)
    return [_length(block) for block in model.blocks]


def _length(module: nn.Module) -> float:
    grads = [p.grad for p in module.parameters() if p.grad is not None]
    return float(torch.nn.utils.get_total_norm(grads))


def shown(tokenizer: Tokenizer, token: int) -> str:
    """Return a token as it is written, with what cannot be seen made visible."""
    if token == tokenizer.end_token:
        return "(end)"
    text = tokenizer.decode([token])
    return text.replace("\n", "\u21b5").replace(" ", "\u2423") or f"<{token}>"


def places_table(model: GPT) -> Float[Tensor, "place width"] | None:
    """Return the vectors that a model adds for places, None where it adds none."""
    tables = [*model.places.parameters(), *model.places.buffers()]
    return tables[0].detach().float().cpu() if tables else None
