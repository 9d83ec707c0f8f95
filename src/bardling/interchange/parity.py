"""Whether an exported file says what the model says: the same logits, the same greedy text.

The file is run by whatever runs it elsewhere, which is handed in as a `Reader`. It reads random
ids of several lengths, and what our model writes greedily: where the likeliest token is the one
that comes next at every place, the file would have written the same text. Where there is text
that was kept back from training, the losses on it are compared too: what rounding costs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from bardling.data.batches import IGNORE, evaluation_batches, evenly, side_by_side
from bardling.data.tokens import Tokens
from bardling.errors import ExportError
from bardling.generation.decode import decode
from bardling.generation.sampling import Greedy
from bardling.model.gpt import GPT

Reader = Callable[[Int64[Tensor, "batch time"]], Float[Tensor, "batch time vocab"]]
"""Token ids to logits, by an exported file."""

GREEDY_TOKENS = 200
"""Written at most, or as many as the context holds."""
EXACT = 1e-5
"""The bound for files in float32: the largest difference over the largest logit, or over 1."""
LONGEST = 512
"""Tokens of a text that is read."""
LOSS_TOKENS = 4096
"""Tokens on which losses are compared, at most."""


@dataclass(frozen=True, kw_only=True)
class Parity:
    """How far an exported file is from its model."""

    largest: float
    """The largest difference of a logit."""
    scale: float
    """The largest logit of the model."""
    greedy: int
    """Tokens of a greedy text that the file would have written too, before the first other."""
    written: int
    """Tokens of that text."""
    read_by: str
    """What ran the file."""
    loss_difference: float | None = None
    """Its mean loss on a text less the model's, in nats per token, where there was a text."""
    unchecked: str = ""
    """What could not be checked here, and what it would take."""

    @property
    def relative(self) -> float:
        """The largest difference over the largest logit, or over 1 where that is smaller."""
        return self.largest / max(1.0, self.scale)

    @property
    def told(self) -> str:
        """What was found, in a sentence."""
        same = "all" if self.greedy == self.written else f"the first {self.greedy}"
        found = (
            f"read by {self.read_by}: logits differ by up to {self.largest:.1e} "
            f"(of {self.scale:.1f}), {same} of {self.written} greedy tokens are the same"
        )
        if self.loss_difference is not None:
            found = f"{found}, the loss is {self.loss_difference:+.4f}"
        return f"{found}; not checked: {self.unchecked}" if self.unchecked else found


@torch.no_grad()
def compare(
    model: GPT,
    reader: Reader,
    *,
    read_by: str,
    unchecked: str = "",
    tokens: Tokens | None = None,
) -> Parity:
    """Return how far what `reader` says is from what `model` does, in float32 on a CPU.

    With `tokens` of a text that the model has not seen, also how far apart their losses are.
    """
    most = min(LONGEST, model.config.block_size)
    random = torch.Generator().manual_seed(0)
    lengths = sorted({1, min(5, most), -(-most // 2), most})
    texts = [torch.randint(model.config.vocab_size, (2, n), generator=random) for n in lengths]
    greedy = _written(model, texts[0][:1, :1], min(GREEDY_TOKENS, most - 1))
    largest = scale = 0.0
    for ids in (*texts, greedy):
        ours, theirs = model(ids), reader(ids)
        largest = max(largest, float((ours - theirs).abs().max()))
        scale = max(scale, float(ours.abs().max()))
    same = theirs[0, :-1].argmax(dim=-1) == greedy[0, 1:]
    return Parity(
        largest=largest,
        scale=scale,
        greedy=int(same.long().cumprod(dim=0).sum()),
        written=len(same),
        read_by=read_by,
        loss_difference=None if tokens is None else _loss_difference(model, reader, tokens),
        unchecked=unchecked,
    )


def _loss_difference(model: GPT, reader: Reader, tokens: Tokens) -> float | None:
    """Return by how much the loss of what `reader` says is higher; None where there is no text."""
    if len(tokens) < 2:
        return None
    size = min(LONGEST, model.config.block_size)
    return mean_loss(reader, tokens, size) - mean_loss(model, tokens, size)


@torch.no_grad()
def mean_loss(
    reader: Reader, tokens: Tokens, block_size: int, *, max_tokens: int = LOSS_TOKENS
) -> float:
    """Return the loss in nats per token, on evenly spaced windows of about `max_tokens` tokens."""
    spans = evenly(side_by_side(len(tokens), block_size), max_tokens // block_size)
    total, n_targets = 0.0, 0
    for batch in evaluation_batches(tokens, block_size=block_size, batch_size=1, spans=spans):
        logits, targets = reader(batch.inputs)[0], batch.targets[0]
        total += F.cross_entropy(logits, targets, ignore_index=IGNORE, reduction="sum").item()
        n_targets += batch.n_targets
    return total / n_targets


def _written(model: GPT, ids: Int64[Tensor, "1 time"], count: int) -> Int64[Tensor, "1 all_time"]:
    """Return some ids and what the model writes after them, the likeliest token each time."""
    following = decode(model, ids, Greedy(), max_new_tokens=count, seeds=[0])
    return torch.cat((ids, *(tokens[:, None] for tokens in following)), dim=1)


def require_same(parity: Parity, what: str, bound: float = EXACT) -> None:
    """Raise `ExportError` where an exported file's logits are further off than a bound."""
    if not parity.relative <= bound:  # also where it is not a number
        raise ExportError(
            f"{what} was not written: read by {parity.read_by}, its logits differ by up to "
            f"{parity.largest:.2g} (of {parity.scale:.3g}), and {bound:g} of that is the most"
        )
