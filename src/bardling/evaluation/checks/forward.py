"""Checks that need forward passes only: shapes, devices, the first loss, and who sees whom."""

import math
from copy import deepcopy

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from bardling.data.batches import IGNORE, Batch
from bardling.evaluation.checks.finding import Finding, failed, passed, skipped, warned
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT

SHAPES, DEVICES, FIRST_LOSS, NO_FUTURE = "shapes", "devices", "first loss", "no future"

LEAK_NATS = 0.3
"""So far below what is expected a first loss may lie by chance; the families stay within 0.03."""
LOUD_NATS = {"plain": 1.0, "gpt2": 0.5, "modern": 0.5, "copying": 0.5}
"""So far above; logits of standard deviation 1 add half a nat, and torch's own weights, twelve
layers without a norm, 0.8 (measured on Tiny Shakespeare)."""
LOUD_TIE_NATS = 1.0
"""More than this from a tied output layer alone, and the first steps are spent on unlearning it."""


@torch.no_grad()
def shapes(model: GPT, batch: Batch, *, n_tokens: int) -> Finding:
    """Check ids and logits; `n_tokens` are those that the tokenizer has."""
    vocab = model.config.vocab_size
    if vocab != n_tokens:
        return failed(SHAPES, f"the model knows {vocab:,} tokens, and the tokenizer {n_tokens:,}")
    real = batch.targets[batch.targets != IGNORE]
    ids = torch.cat((batch.inputs.flatten(), real))
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high >= vocab:
        return failed(SHAPES, f"ids lie in {low} to {high}; 0 to {vocab - 1} were expected")
    logits = model(batch.inputs.to(model.device))
    expected = [*batch.inputs.shape, vocab]
    if list(logits.shape) != expected:
        return failed(SHAPES, f"logits have shape {list(logits.shape)}; expected {expected}")
    if not bool(logits.isfinite().all()):
        return failed(SHAPES, "some logits are not finite before the first step")
    return passed(
        SHAPES,
        f"{list(batch.inputs.shape)} ids give {expected} logits; ids lie in {low} to {high}, "
        f"below {vocab}",
    )


def devices(model: GPT, batch: Batch) -> Finding:
    """Check that all parameters, buffers and the batch are in one place."""
    places = {f"parameter {n}": p.device for n, p in model.named_parameters()}
    places |= {f"buffer {name}": buffer.device for name, buffer in model.named_buffers()}
    places |= {
        "the batch's inputs": batch.inputs.device,
        "the batch's targets": batch.targets.device,
        "the batch's row keys": batch.row_keys.device,
    }
    home = model.device
    for name, place in places.items():
        if place != home:
            return failed(DEVICES, f"{name} is on {place}, and the embedding on {home}")
    return passed(DEVICES, f"all {len(places)} tensors, the batch's included, are on {home}")


@torch.no_grad()
def first_loss(model: GPT, batch: Batch) -> Finding:
    """Compare an untrained model's loss with what knowing nothing gives.

    A tied output layer gives the token itself a score of its own; what that adds to ln V is
    worked out from those scores and the repeats in the text, so that only chance is tolerated.
    """
    device, vocab = model.device, model.config.vocab_size
    inputs, targets = batch.inputs.to(device), batch.targets.to(device)
    logits = model(inputs).float()  # an Apple GPU has no float64
    chosen = targets != IGNORE
    loss = F.cross_entropy(logits[chosen], targets[chosen]).item()
    chance = math.log(vocab)
    known = f"ln {vocab} = {chance:.4f}"
    if not math.isfinite(loss):
        return failed(FIRST_LOSS, f"it is {loss}; {known} was expected")
    if bool((logits == logits[..., :1]).all()):
        if abs(loss - chance) > 1e-4:
            return failed(FIRST_LOSS, f"all logits are equal, yet it is {loss:.4f} and not {known}")
        return passed(
            FIRST_LOSS,
            f"{loss:.4f}, which is {known} by construction: all logits start equal, so this shows "
            "nothing about the data",
        )
    tied = model.output.weight is model.embedding.weight
    added = _added_by_tie(logits[chosen], inputs[chosen], targets[chosen]) if tied else 0.0
    noise = _noise(logits[chosen], targets[chosen])
    below = max(LEAK_NATS, noise) + abs(added) / 4
    above = max(LOUD_NATS[model.config.init], noise) + abs(added) / 2
    expected = chance + added
    why = f", {added:+.2f} as a tied output layer predicts the token itself" if tied else ""
    said = f"{loss:.4f}; {expected:.2f} was expected (-{below:.2f} +{above:.2f}): {known}{why}"
    if loss < expected - below:
        return failed(FIRST_LOSS, f"{said}; so low, the targets leak or the weights are not fresh")
    if loss > expected + above:
        return failed(FIRST_LOSS, f"{said}; so high, the output is too loud or not averaged")
    if added > LOUD_TIE_NATS:
        return warned(FIRST_LOSS, f"{said}, which the first steps have to unlearn")
    return passed(FIRST_LOSS, said)


def _added_by_tie(
    logits: Float[Tensor, "count vocab"],
    inputs: Int64[Tensor, " count"],
    targets: Int64[Tensor, " count"],
) -> float:
    """Return the nats above ln V when every token scores s above all others, and those score alike.

    ln(V - 1 + e^s) - ln V, less s where the next token is the same again.
    """
    vocab = logits.shape[1]
    own = logits.gather(1, inputs[:, None])[:, 0]
    ahead = own - (logits.sum(1) - own) / max(1, vocab - 1)
    others = torch.full_like(ahead, math.log(max(1, vocab - 1)))
    total = torch.logaddexp(others, ahead) - math.log(vocab)
    return (total - ahead * (inputs == targets)).mean().item()


def _noise(logits: Float[Tensor, "count vocab"], targets: Int64[Tensor, " count"]) -> float:
    """Return three standard deviations of a loss by chance, 1 nat at most.

    Each token's score is a draw of its own, so the mean over the text varies the more, the fewer
    tokens make up most of it: the logits' spread times the root of the tokens' squared shares.
    """
    share = targets.bincount(minlength=logits.shape[1]) / len(targets)
    spread = logits.std(dim=1).mean().item() if logits.shape[1] > 1 else 0.0
    return min(1.0, 3.0 * spread * share.square().sum().sqrt().item())


@torch.no_grad()
def no_future(model: GPT, ids: Int64[Tensor, "1 time"]) -> Finding:
    """Change a token and look which logits follow it: none before it may, not by one bit.

    Fresh weights can hide a broken mask (a sublayer that starts at zero passes nothing on), so a
    copy with every matrix drawn anew is looked at.
    """
    n_tokens, vocab = ids.shape[1], model.config.vocab_size
    if n_tokens < 2 or vocab < 2:
        return skipped(NO_FUTURE, "with one token in the context or in all there is no future")
    awake = _awake(model)
    ids = ids.to(model.device)
    before = awake(ids)
    if not bool(before.isfinite().all()):
        return skipped(NO_FUTURE, "logits of a copy with random weights are not finite")
    changed = sorted({1, n_tokens // 2, n_tokens - 1})
    for t in changed:
        other = ids.clone()
        other[:, t] = (ids[:, t] + 1) % vocab
        after = awake(other)
        if not torch.equal(before[:, :t], after[:, :t]):
            return _sees_future(model.config, t)
        if torch.equal(before[:, t], after[:, t]):
            return failed(NO_FUTURE, f"token {t} changes nothing at its own place")
        if _attends(model.config) and torch.equal(before[:, t:][:, -1], after[:, t:][:, -1]):
            return failed(NO_FUTURE, f"token {t} changes nothing after it: attention is cut off")
    listed = ", ".join(map(str, changed[:-1])) + f" or {changed[-1]}" if changed[1:] else "1"
    return passed(
        NO_FUTURE,
        f"changing token {listed} of {n_tokens} leaves every logit before it as it was, bit for "
        "bit (random weights)",
    )


def _sees_future(config: ModelConfig, t: int) -> Finding:
    if config.attention == "unmasked":
        return warned(NO_FUTURE, "sees its future, as configured; its losses mean nothing")
    return failed(NO_FUTURE, f"token {t} changes logits before it: the model sees its future")


def _attends(config: ModelConfig) -> bool:
    return config.n_layer > 0 and config.attention != "none"


def _awake(model: GPT) -> GPT:
    """Return a copy whose matrices are all random, N(0, 1/sqrt(fan_in))."""
    awake, random = deepcopy(model), torch.Generator().manual_seed(0)
    for parameter in awake.parameters():
        if parameter.dim() == 2:
            noise = torch.randn(parameter.shape, generator=random)
            parameter.copy_(noise * parameter.shape[1] ** -0.5)
    return awake
