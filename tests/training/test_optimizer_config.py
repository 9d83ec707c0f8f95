"""Optimizers as values: every number that cannot work is refused in one sentence."""

import math
from typing import get_args

import pytest

from bardling.errors import ConfigError
from bardling.training.optimizer_config import SGD, Adam, AdamW, Muon, OptimizerConfig

KINDS = (AdamW, Muon, Adam, SGD)
LEAST_ZERO = ("lr", "muon_lr", "eps", "weight_decay")
BELOW_ONE = ("beta1", "beta2", "momentum")


def has(kind, name) -> bool:
    return name in kind.__dataclass_fields__


def test_the_choice_is_between_these_and_adamw_comes_first():
    assert get_args(OptimizerConfig) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_every_optimizer_has_a_headline_rate_and_legal_defaults(kind):
    assert kind().lr > 0


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (kind, name, value)
        for names, values in (
            (LEAST_ZERO, (-1.0, math.nan, math.inf)),
            (BELOW_ONE, (-0.1, 1.0, math.nan)),
            (("ns_steps",), (0, 100, -1)),
        )
        for kind in KINDS
        for name in names
        for value in values
        if has(kind, name)
    ],
)
def test_a_number_with_which_it_cannot_work_is_named(kind, name, value):
    with pytest.raises(ConfigError, match=f"^{name} is {value}; it must be"):
        kind(**{name: value})


@pytest.mark.parametrize("kind", [kind for kind in KINDS if has(kind, "eps")])
def test_no_division_by_nothing(kind):
    with pytest.raises(ConfigError, match=r"^eps is 0; .* so give 1e-8$"):
        kind(eps=0.0)


def test_no_looking_ahead_without_momentum():
    with pytest.raises(ConfigError, match="nesterov looks ahead along the momentum, which is 0"):
        SGD(nesterov=True)
    assert SGD(nesterov=True, momentum=0.9).nesterov


@pytest.mark.parametrize("kind", KINDS)
def test_an_optimizer_that_stands_still_is_legal(kind):
    names = (*LEAST_ZERO, *BELOW_ONE)
    kind(**{name: 0.0 for name in names if has(kind, name) and name != "eps"})


def test_the_limits_of_the_iteration_are_legal():
    assert (Muon(ns_steps=1).ns_steps, Muon(ns_steps=99).ns_steps) == (1, 99)


def test_shared_settings_have_the_same_type():
    types = {}
    for kind in KINDS:
        for name, field in kind.__dataclass_fields__.items():
            assert types.setdefault(name, field.type) == field.type
