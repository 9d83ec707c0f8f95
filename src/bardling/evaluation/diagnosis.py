"""What the curves of a run say, in words, and what helps (seed 003, day 35).

The marks are round numbers for losses in nats per token; they name what is plain to see, and keep
silent otherwise.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

RISEN = 0.01
"""Nats above its lowest from which on a loss has risen, not wavered."""
APART = 0.1
"""Nats between training and validation loss that are a gap."""
FALLING = 0.02
"""Nats in the last fifth of a run by which a loss is still falling."""
JUMP = 0.5
"""Nats by which a training loss jumps when training breaks."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A pattern, where it shows, and what helps."""

    pattern: str
    detail: str
    cure: str


def diagnose(records: Sequence[Mapping[str, Any]], *, still_falling_rate: bool) -> list[Reading]:
    """Return what the log of a run shows, most serious first; nothing where all is well.

    `still_falling_rate` tells that the learning rate had not fallen at the end, so that a longer
    run may simply go on.
    """
    validated = [r for r in records if r.get("val_loss") is not None and r["step"] > 0]
    if len(validated) < 3:
        return []
    found = [_diverged(records), _overfitted(validated), _unfinished(validated)]
    readings = [reading for reading in found if reading is not None]
    if not readings and still_falling_rate:
        cure = "let the rate fall to zero (--schedule linear), which ends lower"
        readings.append(Reading(pattern="flat rate", detail="the rate did not fall", cure=cure))
    return readings


def _diverged(records: Sequence[Mapping[str, Any]]) -> Reading | None:
    """Look for losses that were not finite, or jumped up and stayed there."""
    logged = [(r["step"], r["loss"]) for r in records if "loss" in r and r["step"] > 0]
    losses = [(step, math.nan if loss is None else float(loss)) for step, loss in logged]
    broken = [step for step, loss in losses if not math.isfinite(loss)]
    if broken:
        return Reading(
            pattern="divergence",
            detail=f"the loss was not finite in {len(broken)} logged steps, first {broken[0]:,}",
            cure="a third of the rate, a longer warm-up, clipping at 1",
        )
    values = [loss for _, loss in losses]
    lowest = min(values, default=0.0)
    tail = values[-max(1, len(values) // 10) :]
    if tail and min(tail) > lowest + JUMP:
        step = losses[values.index(lowest)][0]
        return Reading(
            pattern="divergence",
            detail=f"the training loss rose by {min(tail) - lowest:.2f} after step {step:,}",
            cure="a third of the rate, a longer warm-up, clipping at 1",
        )
    return None


def _overfitted(validated: Sequence[Mapping[str, Any]]) -> Reading | None:
    """Look for a validation loss that rises while the training loss does not."""
    best = min(validated, key=lambda r: r["val_loss"])
    last = validated[-1]
    risen = last["val_loss"] - best["val_loss"]
    train = last.get("train_loss")
    gap = None if train is None else last["val_loss"] - train
    if risen > RISEN and (gap is None or gap > APART):
        return Reading(
            pattern="overfitting",
            detail=f"since step {best['step']:,} the validation loss rose by {risen:.3f}"
            + ("" if gap is None else f"; it is {gap:.2f} above the training loss"),
            cure="the best step is kept; more dropout, more text, a smaller model, or --patience",
        )
    if gap is not None and gap > 3 * APART:
        return Reading(
            pattern="a wide gap",
            detail=f"the validation loss is {gap:.2f} above the training loss",
            cure="more dropout or more text would close it",
        )
    return None


def _unfinished(validated: Sequence[Mapping[str, Any]]) -> Reading | None:
    """Look for a validation loss that was still falling at the end."""
    last = validated[-1]
    before = [r for r in validated if r["step"] <= 0.8 * last["step"]]
    if not before:
        return None
    fell = before[-1]["val_loss"] - last["val_loss"]
    if fell > FALLING:
        return Reading(
            pattern="underfitting",
            detail=f"the validation loss fell by {fell:.3f} in the last fifth of the run",
            cure="a longer budget; then a larger model",
        )
    return None
