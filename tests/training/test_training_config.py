"""Budgets become steps, and every value that no run can have is refused in one sentence."""

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bardling.errors import ConfigError, UsageError
from bardling.training.config import TrainingConfig, seconds_of_budget, steps_of_budget


@pytest.mark.parametrize(
    ("budget", "steps"),
    [
        ("1step", 1),
        ("2000steps", 2000),
        ("2ksteps", 2000),
        ("2Ksteps", 2000),
        ("1.5Msteps", 1_500_000),
        ("1Gstep", 1_000_000_000),
        ("2.5steps", 3),
        ("0.001steps", 1),
        (" 10 steps ", 10),
        ("1token", 1),
        ("4096tokens", 1),
        ("4097tokens", 2),
        ("20Mtokens", 4883),
        ("0.1Mtokens", 25),
        ("1epoch", 245),
        ("3epochs", 733),
        ("0.5epochs", 123),
    ],
)
def test_a_budget_in_steps(budget, steps):
    """One step has 4,096 tokens, one epoch 1,000,000: 244.14 steps."""
    assert steps_of_budget(budget, batch_tokens=4096, train_tokens=1_000_000) == steps


@settings(derandomize=True, deadline=None)
@given(
    st.decimals(min_value="0.001", max_value="999999", places=3),
    st.integers(1, 10**7),
    st.integers(1, 10**12),
)
def test_a_budget_buys_enough_and_no_step_too_many(amount, batch_tokens, train_tokens):
    steps = steps_of_budget(f"{amount}epochs", batch_tokens=batch_tokens, train_tokens=train_tokens)
    wanted = Fraction(amount) * train_tokens
    assert (steps - 1) * batch_tokens < wanted <= steps * batch_tokens


@pytest.mark.parametrize(
    "budget",
    ["", "steps", "2000", "-5steps", "1e3steps", "five steps", "5 parsecs", "20mtokens", "5,0steps",
     "10steps more", "nansteps", "infsteps", "9" * 400 + "steps", ".5steps", "5.steps", "2ks",
     "5minutes"],
)  # fmt: skip
def test_what_is_no_budget_is_refused(budget):
    with pytest.raises(UsageError) as caught:
        steps_of_budget(budget, batch_tokens=1, train_tokens=1)
    expected = f"'{budget}' is no budget; write it as 90s, 5m, 2000steps, 20Mtokens or 3epochs"
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("budget", "seconds"), [("90s", 90), ("5m", 300), ("1.5h", 5400), ("5 m", 300), ("0.5s", 0.5)]
)
def test_a_budget_in_time_is_seconds_and_no_steps_yet(budget, seconds):
    assert seconds_of_budget(TrainingConfig(budget=budget).budget) == seconds
    with pytest.raises(UsageError) as caught:
        steps_of_budget(budget, batch_tokens=1, train_tokens=1)
    assert str(caught.value) == f"how many steps '{budget}' are is known when the run has begun"


def test_other_budgets_are_no_time():
    assert seconds_of_budget("5Mtokens") is None


@pytest.mark.parametrize("budget", ["0steps", "0.0Mtokens", "0epochs", "0s"])
def test_a_budget_of_nothing_is_refused(budget):
    with pytest.raises(UsageError, match="buys nothing"):
        TrainingConfig(budget=budget)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 0),
        ("accumulate", 0),
        ("eval_interval_steps", -1),
        ("checkpoint_interval_steps", -1),
        ("patience", -1),
        ("keep_last", 0),
        ("log_interval_steps", 0),
        ("seed", -1),
        ("warmup_fraction", -0.1),
        ("warmup_fraction", 1.1),
        ("warmup_fraction", math.nan),
        ("min_lr_fraction", -0.1),
        ("min_lr_fraction", 1.1),
        ("min_lr_fraction", math.nan),
        ("clip_norm", -1.0),
        ("clip_norm", math.nan),
        ("clip_norm", math.inf),
    ],
)
def test_a_value_out_of_range_is_named(name, value):
    with pytest.raises(ConfigError, match=f"^{name} is {value}; it must be"):
        TrainingConfig(**{name: value})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"schedule": "exponential"}, "an exponential schedule never reaches 0"),
        ({"batch_size": 4, "accumulate": 5}, "batch_size 4 cannot be cut into 5 parts"),
        ({"keep_at": (5, -2)}, "keep_at names step -2"),
    ],
)
def test_values_that_contradict_each_other_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        TrainingConfig(**values)


def test_the_limits_themselves_are_legal():
    TrainingConfig(
        batch_size=1,
        accumulate=1,
        warmup_fraction=1.0,
        min_lr_fraction=1.0,
        clip_norm=0.0,
        keep_at=(0,),
        schedule="exponential",
    )


@pytest.mark.parametrize(
    ("interval", "total", "expected"),
    [(7, 2000, 7), (0, 2000, 200), (0, 19, 1), (0, 5, 1), (0, 0, 1)],
)
def test_steps_between_validations(interval, total, expected):
    config = TrainingConfig(eval_interval_steps=interval)
    assert config.eval_interval(total) == expected
