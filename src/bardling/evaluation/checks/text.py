"""Checks of what the model reads: the text as tokens, and the tokens as inputs and targets."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from bardling.data.batches import IGNORE, Batch
from bardling.data.tokens import Tokens
from bardling.errors import TokenizerError
from bardling.evaluation.checks.finding import Finding, failed, passed, warned
from bardling.text.tokenizer import Tokenizer, Unknown

ROUND_TRIP, TARGETS = "round trip", "targets"
PART_CHARACTERS = 4096
PART_TOKENS = 2048


def decoded_ends(tokenizer: Tokenizer, tokens: Tokens) -> list[str]:
    """Return the text at the beginning and at the end of tokens, where no corpus is at hand."""
    ends = tokens[:PART_TOKENS], tokens[-PART_TOKENS:]
    return [tokenizer.decode(part) for part in ends]


def round_trip(
    tokenizer: Tokenizer, texts: Sequence[str], *, unknown: Unknown = "error"
) -> Finding:
    """Check that text comes back from its tokens as it was."""
    n_unknown = 0
    for text in texts:
        try:
            back = tokenizer.decode(tokenizer.encode(text, unknown=unknown))
            n_here = tokenizer.count_unknown(text) if unknown == "skip" else 0
        except TokenizerError as error:
            return failed(ROUND_TRIP, str(error))
        n_unknown += n_here
        if n_here and len(back) == len(text) - n_here:
            continue
        if back != text:
            return failed(ROUND_TRIP, _difference(text, back))
    n_characters = sum(map(len, texts))
    if n_unknown:
        return warned(
            ROUND_TRIP,
            f"{n_unknown:,} of {n_characters:,} characters are unknown to the tokenizer and left "
            "out, as configured",
        )
    return passed(
        ROUND_TRIP,
        f"{n_characters:,} characters from two places of the text come back as they were",
    )


def _difference(text: str, back: str) -> str:
    """Say where a text first differs from what came back."""
    pairs = zip(text, back, strict=False)
    place = next((i for i, (one, other) in enumerate(pairs) if one != other), None)
    if place is None:
        return f"{len(text):,} characters went in and {len(back):,} came back"
    return f"character {place:,} of the text is {text[place]!r} and comes back as {back[place]!r}"


def shifted(
    batch: Batch,
    tokens: Tokens,
    starts: Int64[np.ndarray, " rows"],
    *,
    split: str,
) -> Finding:
    """Check that row i holds the tokens from `starts[i]` on, and its targets those one later.

    Padding is left out: where the target is `IGNORE`, and in rows after the last start. `starts`
    come from the caller, so the batch has to agree with another reading of the tokens.
    """
    inputs, targets = batch.inputs.cpu().numpy(), batch.targets.cpu().numpy()
    places = np.arange(inputs.shape[1])
    n_checked = 0
    for row, start in enumerate(starts):
        real = targets[row] != IGNORE
        here = tokens[int(start) : int(start) + len(real) + 1]
        if not np.array_equal(inputs[row][real], here[places[real]]):
            return failed(TARGETS, f"{split}: row {row} does not hold the text from token {start}")
        if not np.array_equal(targets[row][real], here[places[real] + 1]):
            return failed(TARGETS, f"{split}: {_shift(inputs[row][real], targets[row][real], row)}")
        n_checked += int(real.sum())
    if not n_checked:
        return failed(TARGETS, f"{split}: there is not one target")
    return passed(TARGETS, f"{split}: each of {n_checked:,} targets is the token after its input")


def _shift(
    inputs: Int64[np.ndarray, " time"], targets: Int64[np.ndarray, " time"], row: int
) -> str:
    """Say by how much targets are shifted instead of by one, where that can be told."""
    for shift in range(min(len(inputs) - 2, 8) + 1):
        if shift != 1 and np.array_equal(inputs[shift:], targets[: len(targets) - shift]):
            return f"the targets of row {row} are its inputs shifted by {shift} instead of 1"
    return f"the targets of row {row} are not the tokens after its inputs"
