"""The checks at the start of every run: forward passes only, a fraction of a second."""

import numpy as np

from bardling.data.batches import Windows, evaluation_batches
from bardling.data.tokens import Tokens
from bardling.evaluation.checks.finding import Finding, passed
from bardling.evaluation.checks.forward import devices, first_loss, no_future, shapes
from bardling.evaluation.checks.text import TARGETS, decoded_ends, round_trip, shifted
from bardling.model.gpt import GPT
from bardling.text.tokenizer import Tokenizer

LOOK_TOKENS = 1024
"""Tokens of a batch to look at; enough for a first loss to one part in a hundred."""
FUTURE_TOKENS = 64


def quick_checks(
    model: GPT,
    tokenizer: Tokenizer,
    windows: Windows,
    validation_tokens: Tokens,
    *,
    fresh: bool = True,
) -> list[Finding]:
    """Return what can be said at little cost about a run before it goes on.

    A model that is not `fresh` has been trained, so its loss need not be that of knowing nothing.
    """
    n_rows = min(windows.batch_size, max(1, LOOK_TOKENS // windows.block_size))
    batch = windows.batch(0, range(n_rows)).to(model.device)
    one_row = batch.inputs[:1, :FUTURE_TOKENS]
    return [
        round_trip(tokenizer, decoded_ends(tokenizer, windows.tokens)),
        targets(windows, validation_tokens, n_rows=n_rows),
        shapes(model, windows.batch(0, range(1)), n_tokens=tokenizer.vocab_size),
        devices(model, batch),
        *([first_loss(model, batch)] if fresh else []),
        no_future(model, one_row),
    ]


def targets(windows: Windows, validation_tokens: Tokens, *, n_rows: int) -> Finding:
    """Check rows of the first training batch and of the first validation batch."""
    training = shifted(
        windows.batch(0, range(n_rows)),
        windows.tokens,
        windows.starts(0)[:n_rows],
        split="training",
    )
    if training.outcome != "passed":
        return training
    size = windows.block_size
    n_windows = min(n_rows, -(-(len(validation_tokens) - 1) // size))
    validation = shifted(
        next(evaluation_batches(validation_tokens, block_size=size, batch_size=n_rows)),
        validation_tokens,
        np.arange(n_windows) * size,
        split="validation",
    )
    if validation.outcome != "passed":
        return validation
    return passed(TARGETS, f"{training.detail}; {validation.detail}")
