"""How well a model prefers held-out answers as it should, next to the loss that it learns by.

A pair is told right where the chosen answer has gained on the rejected one since the model began:
where its reward margin, β times what was gained, is above 0. A pair on which nothing was gained
counts half, so a model that has learned nothing has an accuracy of 50 %. That says nothing of how
it stood before; so the share of pairs is told, too, whose chosen answer is the likelier one.
"""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor
from torch.nn import functional as F

from bardling.data.config import Split
from bardling.data.pairs import Numbers, Pairs
from bardling.evaluation.loss import Evaluation
from bardling.evaluation.validation import Validation
from bardling.kernels.choice import read_by
from bardling.machine.machine import Machine
from bardling.model.gpt import GPT
from bardling.training.preference import log_odds
from bardling.training.state import finite


@dataclass(frozen=True, kw_only=True)
class PairEvaluation(Evaluation):
    """A loss in nats per pair of answers, and what became of the preferences."""

    margin: float
    """Mean reward margin: β times the nats that chosen answers have gained on rejected ones."""
    accuracy: float
    """Share of pairs whose margin is above 0; one that is 0 counts half."""
    preferred: float
    """Share of pairs whose chosen answer is the likelier one."""

    def to_json(self) -> dict[str, float | int | None]:
        """Return what a log keeps of a validation."""
        return {
            "val_loss": finite(self.loss),
            "val_margin": finite(self.margin),
            "val_accuracy": self.accuracy,
            "val_preferred": self.preferred,
            "val_tokens": self.tokens,
        }


@dataclass(frozen=True, kw_only=True)
class PairValidation(Validation):
    """What to measure of a run that learns from pairs."""

    pairs: Mapping[Split, Pairs]
    beta: float
    reference: Callable[[], GPT]
    """Makes the model that a run began with, where it is to be read."""
    _before: dict[tuple[Split, int, bool], Float64[Tensor, " pairs"]] = field(default_factory=dict)
    """What it says of pairs, which never changes."""

    @property
    def padding(self) -> float:
        """Tokens that are computed for each of the validation split."""
        pairs = self.pairs["val"]
        return 2 * pairs.n_pairs * pairs.width / len(self.val)

    def during_run(self, model: GPT) -> tuple[Evaluation, Evaluation]:
        """Return what holds of training and validation pairs, of equally many."""
        count = self.pairs["val"].n_pairs
        if self.subset_tokens is not None:
            count = max(1, count * self.subset_tokens // len(self.val))
        val = self._measure(model, "val", count, self.machine)
        return self._measure(model, "train", count, self.machine), val

    def whole(self, model: GPT) -> Evaluation:
        """Return what holds of all validation pairs, in the precision of the weights."""
        return self._measure(model, "val", self.pairs["val"].n_pairs, None)

    def _measure(
        self, model: GPT, split: Split, count: int, machine: Machine | None
    ) -> PairEvaluation:
        """Measure a fixed and evenly spaced part of a split; all of a team do."""
        pairs, team = self.pairs[split], self.team
        count = min(count, pairs.n_pairs)
        numbers = (np.arange(count) * pairs.n_pairs // count)[team.rank :: team.size]
        known = (split, count, machine is None)
        if known not in self._before:
            self._before[known], _ = self._odds(self.reference(), pairs, numbers, machine)
        odds, n_tokens = self._odds(model, pairs, numbers, machine)
        gained = odds - self._before[known]
        losses = -F.logsigmoid(self.beta * gained)
        right = (gained > 0).double() + 0.5 * (gained == 0).double()
        return PairEvaluation(
            loss=team.total(losses.sum().item()) / count,
            tokens=team.total(n_tokens),
            margin=team.total(self.beta * gained.sum().item()) / count,
            accuracy=team.total(right.sum().item()) / count,
            preferred=team.total((odds > 0).double().sum().item()) / count,
        )

    @torch.no_grad()
    def _odds(
        self, model: GPT, pairs: Pairs, numbers: Numbers, machine: Machine | None
    ) -> tuple[Float64[Tensor, " pairs"], int]:
        """Return the log odds of some pairs, and the number of their targets."""
        reader, found, n_tokens = read_by(model, machine), [torch.zeros(0).double()], 0
        precision = machine.autocast if machine is not None else nullcontext
        for part in _parts(numbers, self.batch_size):
            batch = pairs.these(part)
            with precision():
                found.append(log_odds(reader, batch.to(model.device)).double().cpu())
            n_tokens += batch.n_targets
        return torch.cat(found), n_tokens


def _parts(numbers: Numbers, size: int) -> list[Int64[np.ndarray, " part"]]:
    """Return numbers, so many at a time."""
    return [numbers[first : first + size] for first in range(0, len(numbers), size)]
