"""Curves that show one thing each, and one that shows nothing."""

import math

import pytest

from bardling.evaluation.diagnosis import diagnose

STEPS = range(0, 1001, 100)


def log(val, train=None, loss=None):
    train = train or val
    return [
        {"step": s, "val_loss": val(s / 1000), "train_loss": train(s / 1000),
         "loss": (loss or train)(s / 1000) if s else None}
        for s in STEPS
    ]  # fmt: skip


def settled(t):
    return 1.5 + 2 * math.exp(-12 * t)


def patterns(records, **given):
    return [one.pattern for one in diagnose(records, still_falling_rate=False, **given)]


def test_a_healthy_run_is_left_alone():
    assert patterns(log(settled)) == []


def test_overfitting_names_its_step():
    found = diagnose(
        log(lambda t: settled(t) + max(0.0, t - 0.5) * 0.4, lambda t: settled(t) - 0.3 * t),
        still_falling_rate=False,
    )
    assert found[0].pattern == "overfitting" and "since step 500" in found[0].detail


def test_a_gap_that_has_not_opened_further():
    assert patterns(log(settled, lambda t: settled(t) - 0.4 * min(1, 5 * t))) == ["a wide gap"]


def test_what_still_falls_wants_a_longer_run():
    assert patterns(log(lambda t: 3 - t)) == ["underfitting"]


@pytest.mark.parametrize("spoil", [math.inf, math.nan])
def test_divergence(spoil):
    records = log(settled)
    records[5]["loss"] = spoil
    assert patterns(records)[0] == "divergence"
    risen = log(settled, loss=lambda t: settled(t) if t < 0.6 else 4.0)
    assert patterns(risen)[0] == "divergence"
    one_spike = log(settled, loss=lambda t: 4.0 if t == 0.6 else settled(t))
    assert patterns(one_spike) == []


def test_a_flat_rate_is_worth_a_word_only_when_nothing_else_is():
    assert [r.pattern for r in diagnose(log(settled), still_falling_rate=True)] == ["flat rate"]
    assert diagnose(log(settled)[:3], still_falling_rate=True) == []
