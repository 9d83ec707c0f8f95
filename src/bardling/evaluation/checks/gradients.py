"""Does the loss reach every parameter? All gradients finite, none zero but for stated reasons.

The exceptions were found by training three steps with every switch of `ModelConfig` in turn
(tests/evaluation/test_check_gradients.py does it again) and are exact: where one applies, the
gradient is zero in exact arithmetic, and rounding is all that is left of it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from bardling.data.batches import Batch
from bardling.evaluation.checks.finding import Finding, failed, passed, skipped
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from bardling.training.objective import next_token_loss

GRADIENTS = "gradients"


@dataclass(frozen=True, kw_only=True)
class Exempt:
    """Parameters whose gradient is zero whatever the weights are."""

    endings: tuple[str, ...]
    """How their names end."""
    when: Callable[[ModelConfig], bool]
    because: str


_SCORES = ("query.weight", "query.bias", "key.weight", "key.bias")

EXEMPT = (
    Exempt(
        endings=("pattern.key.bias",),
        when=lambda config: config.position != "rotary" and not config.qk_norm,
        because="softmax does not see what is added to all keys alike",
    ),
    Exempt(
        endings=(*_SCORES, "query_norm.weight", "key_norm.weight"),
        when=lambda config: config.block_size == 1,
        because="with one token there is nothing to choose among",
    ),
    Exempt(
        endings=_SCORES,
        when=lambda config: config.qk_norm and config.head_width == 1,
        because="a norm over one channel leaves only its sign",
    ),
)


def exempt(config: ModelConfig, names: list[str]) -> dict[str, str]:
    """Return which of these parameters have no gradient, with the reason."""
    return {
        name: one.because
        for one in reversed(EXEMPT)
        if one.when(config)
        for name in names
        if name.endswith(one.endings)
    }


def gradients(model: GPT, batch: Batch) -> Finding:
    """Check the gradients of a batch's loss; what the parameters hold as theirs stays.

    Wants a model a few steps old: before that, sublayers that start at zero hand none on.
    """
    config = model.config
    if config.vocab_size == 1 or (config.n_embd == 1 and config.norm != "none"):
        return skipped(GRADIENTS, "one token, or a norm over one channel, leaves nothing to learn")
    batch = batch.to(model.device)
    named = dict(model.named_parameters())
    loss = next_token_loss(model, batch) / batch.n_targets
    found = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    spared = exempt(config, list(named))
    zeros = 0
    for name, gradient in zip(named, found, strict=True):
        if gradient is None:
            return failed(GRADIENTS, f"the loss does not depend on {name}")
        if not bool(gradient.isfinite().all()):
            return failed(GRADIENTS, f"that of {name} is not finite")
        if name not in spared and not bool(gradient.any()):
            return failed(GRADIENTS, f"that of {name} is zero everywhere: nothing is learned there")
        zeros += int((gradient == 0).sum())
    lost = _lost_rows(model, batch, dict(zip(named, found, strict=True)))
    if lost:
        return failed(GRADIENTS, lost)
    total = sum(parameter.numel() for parameter in named.values())
    said = f"finite, and zero in none of {len(named)} tensors"
    for because in dict.fromkeys(spared.values()):
        said += f" but {sum(why == because for why in spared.values())}: {because}"
    if zeros:
        said += f"; {zeros:,} of {total:,} single elements are zero (absent tokens, units at rest)"
    return passed(GRADIENTS, said)


def _lost_rows(model: GPT, batch: Batch, gradient: dict[str, Tensor | None]) -> str:
    """Say which token or place occurs in the batch and yet teaches its vector nothing."""
    occurring = torch.zeros(model.config.vocab_size, dtype=torch.bool, device=model.device)
    occurring[batch.inputs.flatten()] = True
    places = torch.arange(model.config.block_size, device=model.device) < batch.inputs.shape[1]
    for name, used in (("embedding.weight", occurring), ("places.weight", places)):
        row = _first_still(gradient.get(name), used)
        if row is not None:
            return f"row {row} of {name} is used by the batch, and its gradient is zero"
    return ""


def _first_still(gradient: Tensor | None, used: Bool[Tensor, " rows"]) -> int | None:
    """Return the first row that is used and has no gradient, or None."""
    if gradient is None:
        return None
    still = used & (gradient == 0).all(dim=1)
    return int(still.int().argmax()) if bool(still.any()) else None
