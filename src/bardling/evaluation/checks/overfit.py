"""Can the model learn one small batch by heart? Whatever is put together wrong, cannot.

How far the loss can fall is counted: where two rows begin alike and go on differently, nobody can
know how. The loss above that floor is driven below 0.01 nats. A model that sees only its last
token has a higher floor, counted in the same way.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable
from copy import deepcopy

import torch

from bardling.data.batches import IGNORE, Batch
from bardling.evaluation.checks.finding import Finding, failed, passed, skipped, warned
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from bardling.training.objective import next_token_loss

ONE_BATCH = "one batch"
ROWS, TOKENS = 4, 64
STEPS, WARMUP = 400, 10
"""The families need 35 to 150 steps (measured from 16 to 384 channels, two to six layers)."""
WIDTH_TIMES_RATE, HIGHEST_RATE = 0.4, 1e-2
"""Wider layers want a lower rate; at 192 channels 2e-3 took 60 steps and 3e-3 took 130."""
REACHED, REACHED_BY_BIGRAM = 0.01, 0.02

HARD: tuple[tuple[str, Callable[[ModelConfig], bool]], ...] = (
    ("equal weights blur the order of tokens", lambda c: c.attention == "uniform"),
    ("without positions the order of tokens is hard to tell", lambda c: c.position == "none"),
    ("without residuals little reaches the lower layers", lambda c: not c.residual),
    ("without norms training is slow", lambda c: c.norm == "none"),
)
"""Why a model may not get there and yet be what was asked for."""

Context = Callable[[tuple[int, ...], int], Hashable]
"""(a row of inputs, a place in it) → what the model knows of it there."""


def what_is_seen(config: ModelConfig) -> tuple[str, Context]:
    """Return in words, and as a function, what a prediction can depend on."""
    if config.attention == "unmasked" and config.n_layer:
        return "the whole row", lambda row, place: (row, place)
    if config.n_layer and config.attention != "none":
        return "all tokens so far", lambda row, place: row[: place + 1]
    if config.position not in ("none", "rotary"):
        return "only a token and its place", lambda row, place: (row[place], place)
    return "only the last token", lambda row, place: row[place]


def floor_of(batch: Batch, context: Context) -> float:
    """Return the lowest mean loss, in nats, of predictions that know no more than `context`."""
    follows: defaultdict[Hashable, Counter[int]] = defaultdict(Counter)
    for inputs, targets in zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True):
        for place, target in enumerate(targets):
            if target != IGNORE:
                follows[context(tuple(inputs), place)][target] += 1
    counts = [(n, sum(after.values())) for after in follows.values() for n in after.values()]
    return sum(n * math.log(total / n) for n, total in counts) / batch.n_targets


def one_batch(model: GPT, batch: Batch, *, steps: int = STEPS) -> Finding:
    """Train a copy of `model` on a corner of `batch`, without dropout, down to what is possible."""
    config = model.config
    small = Batch(
        inputs=batch.inputs[:ROWS, :TOKENS],
        targets=batch.targets[:ROWS, :TOKENS],
        row_keys=batch.row_keys[:ROWS],
    ).to(model.device)
    seen, context = what_is_seen(config)
    floor = floor_of(small, context)
    linear = config.n_layer == 0 or config.attention == config.feedforward == "none"
    if linear and config.tie_embeddings:
        return skipped(
            ONE_BATCH,
            "a tied bigram scores a pair of tokens nearly alike both ways round, so it cannot get "
            f"down to the {floor:.4f} of this batch's pairs",
        )
    reached = REACHED_BY_BIGRAM if linear else REACHED
    loss, step = _train(deepcopy(model), small, floor + reached, steps)
    rows, tokens = small.inputs.shape
    said = f"{rows} rows of {tokens} tokens: {loss:.4f} after {step} steps"
    if floor > 0:
        said += f"; whoever knows {seen} cannot get below {floor:.4f}"
    if loss < floor + reached:
        return passed(ONE_BATCH, said)
    for reason, applies in HARD:
        if applies(config):
            return warned(ONE_BATCH, f"{said}; {reason}")
    return failed(ONE_BATCH, f"{said}; below {floor + reached:.4f} was expected")


def _train(model: GPT, batch: Batch, goal: float, steps: int) -> tuple[float, int]:
    """Take steps on one batch until its loss is below `goal`; return the loss and their number."""
    lr = min(HIGHEST_RATE, WIDTH_TIMES_RATE / model.config.n_embd)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.95), weight_decay=0.0)
    for step in range(steps + 1):
        loss = next_token_loss(model, batch) / batch.n_targets
        if loss.item() < goal or not math.isfinite(loss.item()) or step == steps:
            break
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.param_groups[0]["lr"] = lr * min(1.0, (step + 1) / WARMUP)
        optimizer.step()
    return loss.item(), step
