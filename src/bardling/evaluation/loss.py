"""The loss of a model on a whole split, by one protocol.

Non-overlapping windows of the training `block_size` over all of the text, the shorter tail
included, each token after the first predicted exactly once, without dropout. Where the floor of a
language is known, the windows are made of whole documents, so that the two can be compared. The
sum is kept in float64, so that the order of the windows does not show.

The last window is padded, and targets in the padding are not counted. Causal attention never sees
them; unmasked attention does, one more reason why its losses mean nothing.
"""

import math
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int64

from bardling.data.batches import IGNORE, Counted, evaluation_batches, evenly, side_by_side
from bardling.data.documents import Documents
from bardling.data.tokens import Tokens
from bardling.errors import CorpusError
from bardling.kernels.choice import read_by
from bardling.machine.machine import Machine
from bardling.machine.team import ALONE, Team
from bardling.model.gpt import GPT
from bardling.training.objective import next_token_loss
from bardling.training.state import finite


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A loss and what it was measured on."""

    loss: float
    """Nats per token."""
    tokens: int
    """Tokens predicted."""
    floor: float | None = None
    """The least expected loss on these tokens, in nats per token, where it is known."""
    n_bytes: int | None = None
    """Bytes of UTF-8 that these tokens stand for; the ends of documents have none."""

    @property
    def perplexity(self) -> float:
        """exp(loss): how many equally likely tokens the model hesitates between."""
        return math.exp(min(self.loss, 700.0))

    @property
    def bits_per_byte(self) -> float | None:
        """The loss in bits for each byte of text, which can be compared between tokenizers.

        What it costs to tell where documents end is spread over their bytes.
        """
        return self.loss * self.tokens / self.n_bytes / math.log(2) if self.n_bytes else None

    def to_json(self) -> dict[str, float | int | None]:
        """Return what a log keeps of a validation; a loss that is not finite is None."""
        found: dict[str, float | int | None] = {"val_loss": finite(self.loss)}
        if self.floor is not None:
            found["val_floor"] = self.floor
        if self.bits_per_byte is not None:
            found["val_bits_per_byte"] = finite(self.bits_per_byte)
        return found | {"val_tokens": self.tokens}


@torch.no_grad()
def evaluate(
    model: GPT,
    tokens: Tokens,
    *,
    batch_size: int,
    max_tokens: int | None = None,
    machine: Machine | None = None,
    team: Team = ALONE,
    documents: Documents | None = None,
    token_sizes: Int64[np.ndarray, " vocab"] | None = None,
    counted: Counted | None = None,
) -> Evaluation:
    """Return the mean loss over `tokens`, or over an evenly spaced `max_tokens` of them.

    With `documents`, in windows of whole ones; with `token_sizes`, the bytes of UTF-8 that each id
    stands for, the bytes are counted too; `counted` tells which tokens are foretold. It is done
    where the model is, in the precision of its weights or of `machine`, by all of a `team`. Raises
    `CorpusError` when there are fewer than two tokens, and so nothing to predict.
    """
    if len(tokens) < 2:
        raise CorpusError(f"{len(tokens)} tokens leave nothing to predict: at least 2 are needed")
    block_size = model.config.block_size
    whole = (
        side_by_side(len(tokens), block_size) if documents is None else documents.spans(block_size)
    )
    spans = evenly(whole, None if max_tokens is None else max_tokens // block_size)
    reader, total, n_targets, n_bytes = read_by(model, machine), 0.0, 0, 0
    precision = machine.autocast if machine is not None else nullcontext
    for batch in evaluation_batches(
        tokens,
        block_size=block_size,
        batch_size=batch_size,
        spans=spans[team.rank :: team.size],
        end_token=0 if documents is None else documents.end_token,
        counted=counted,
    ):
        with precision():
            total += next_token_loss(reader, batch.to(model.device)).item()
        n_targets += batch.n_targets
        if token_sizes is not None:
            n_bytes += int(token_sizes[batch.targets[batch.targets != IGNORE].numpy()].sum())
    floor = None if documents is None else documents.floor(spans)
    total = team.total(total)
    n_targets, n_bytes = team.total(n_targets), team.total(n_bytes)
    return Evaluation(
        loss=total / n_targets,
        tokens=n_targets,
        floor=floor,
        n_bytes=None if token_sizes is None else n_bytes,
    )
