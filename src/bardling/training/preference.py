"""Direct preference optimization: to prefer one answer to another, near a reference.

No reward is learned, and nothing is written and judged: the loss of a pair is that of telling the
better answer from the worse by how much more likely each has become than it was to the reference
(Rafailov et al. 2023, "Direct Preference Optimization", equation 7).

A batch holds pairs: the sequence of a chosen answer, then that of the rejected one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from bardling.data.batches import IGNORE, Batch
from bardling.kernels.fused import FusedGPT
from bardling.model.dropout import SILENCE, Noise, Silence
from bardling.model.gpt import GPT
from bardling.model.lora import without_adapters

Reference = Callable[[GPT | FusedGPT, Batch], Float[Tensor, " pairs"]]
"""The model that learns, as it is read, and a batch, to what the reference says of its pairs."""


def answer_logprobs(
    model: GPT | FusedGPT, batch: Batch, noise: Noise | Silence = SILENCE
) -> Float[Tensor, " sequences"]:
    """Return ln p of the targets of each sequence together, in nats."""
    logits = model.logits(batch.inputs, noise) if isinstance(model, FusedGPT) else model(
        batch.inputs, noise=noise
    )  # fmt: skip
    logits = logits.flatten(0, 1).to(torch.promote_types(logits.dtype, torch.float32))
    nats = F.cross_entropy(logits, batch.targets.flatten(), ignore_index=IGNORE, reduction="none")
    return -nats.view_as(batch.targets).sum(dim=1)


def log_odds(
    model: GPT | FusedGPT, batch: Batch, noise: Noise | Silence = SILENCE
) -> Float[Tensor, " pairs"]:
    """Return by how many nats the chosen answer of each pair is more likely than the rejected."""
    chosen, rejected = answer_logprobs(model, batch, noise).view(-1, 2).unbind(dim=1)
    return chosen - rejected


@dataclass(frozen=True, eq=False)
class Frozen:
    """A reference that is a model of its own."""

    reader: GPT | FusedGPT

    def __call__(self, model: GPT | FusedGPT, batch: Batch) -> Float[Tensor, " pairs"]:
        """Return the log odds of pairs."""
        return log_odds(self.reader, batch)


@dataclass(frozen=True, eq=False)
class AdaptersOff:
    """A reference that is the model itself without what its adapters have learned."""

    def __call__(self, model: GPT | FusedGPT, batch: Batch) -> Float[Tensor, " pairs"]:
        """Return the log odds of pairs."""
        return _UNCOMPILED(model, batch)


def _odds_without_adapters(model: GPT | FusedGPT, batch: Batch) -> Float[Tensor, " pairs"]:
    with without_adapters(model.model if isinstance(model, FusedGPT) else model):
        return log_odds(model, batch)


_disable: Callable[..., Reference] = torch.compiler.disable
_UNCOMPILED = _disable(_odds_without_adapters)
"""Compiled, it would be compiled anew whenever adapters are switched."""


@dataclass(frozen=True, eq=False)
class PreferenceLoss:
    """The objective: the summed loss of pairs, in nats."""

    beta: float
    reference: Reference

    def __call__(self, model: GPT | FusedGPT, batch: Batch) -> Float[Tensor, ""]:
        """Return -ln σ(β (ln π(c) - ln π(r) - ln ref(c) + ln ref(r))), summed over pairs."""
        with torch.no_grad():
            before = self.reference(model, batch)
        margins = self.beta * (log_odds(model, batch, Noise(batch.row_keys)) - before)
        return -F.logsigmoid(margins).sum()


def count_pairs(batch: Batch) -> int:
    """Return how many losses `PreferenceLoss` adds up."""
    return len(batch.inputs) // 2
