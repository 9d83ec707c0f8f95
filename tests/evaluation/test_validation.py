"""How much of the text a validation reads, and that both losses follow one protocol."""

from dataclasses import replace

import numpy as np
import pytest

import bardling.evaluation.validation as validation_module
from bardling.evaluation.loss import evaluate
from bardling.evaluation.validation import Validation
from bardling.machine.machine import plain_machine
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT


@pytest.fixture(autouse=True)
def no_least(monkeypatch):
    """Let the splits of these tests be as small as they like."""
    monkeypatch.setattr(validation_module, "LEAST_TOKENS", 0)


MODEL = GPT(ModelConfig(vocab_size=7, block_size=8, n_layer=1, n_head=1, n_embd=8), seed=1)


def tokens(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 7, count, dtype=np.uint16)


def validation(n_val: int, interval_tokens: int, n_train: int = 400) -> Validation:
    return Validation(
        train=tokens(n_train), val=tokens(n_val), batch_size=3, interval_tokens=interval_tokens
    )


@pytest.mark.parametrize(
    ("n_val", "interval_tokens", "expected"),
    [
        # A twentieth of the arithmetic of `interval_tokens` steps at three forward passes each,
        # shared by two losses: 0.05 * 3 / 2 = 0.075 tokens read for each token trained on.
        (100, 1000, 75),
        (75, 1000, None),  # exactly affordable
        (76, 1000, 75),
        (100, 10_000, None),
        (100, 10, 0),
    ],
)
def test_a_twentieth_of_the_arithmetic(n_val, interval_tokens, expected):
    assert validation(n_val, interval_tokens).subset_tokens == expected


def test_the_whole_split_where_it_is_affordable():
    both = validation(75, 1000)
    train, val = both.during_run(MODEL)
    assert val == both.whole(MODEL) == evaluate(MODEL, both.val, batch_size=3)
    assert val.tokens == 74
    # As many training tokens as validation tokens, in whole windows where a subset is taken.
    assert train.tokens == 72


def test_the_whole_split_is_measured_in_the_numbers_of_the_weights():
    short = replace(plain_machine(), precision="bf16")
    both = replace(validation(75, 1000), machine=short)
    exact = evaluate(MODEL, both.val, batch_size=3)
    assert both.whole(MODEL) == exact
    assert both.during_run(MODEL)[1] == evaluate(MODEL, both.val, batch_size=3, machine=short)
    assert both.during_run(MODEL)[1] != exact


def test_a_subset_is_whole_windows_the_same_every_time():
    both = validation(300, 1000)
    (train, val), again = both.during_run(MODEL), both.during_run(MODEL)
    assert (train, val) == again
    assert val.tokens == 72 and train.tokens == 72  # the whole windows of 8 in 75 tokens
    assert both.whole(MODEL).tokens == 299
    assert val == evaluate(MODEL, both.val, batch_size=3, max_tokens=75)
    assert train == evaluate(MODEL, both.train, batch_size=3, max_tokens=72)


def test_at_least_one_window_is_read():
    train, val = validation(100, 10).during_run(MODEL)
    assert val.tokens == train.tokens == 8


def test_a_training_text_shorter_than_the_validation_is_read_whole():
    train, val = validation(75, 1000, n_train=20).during_run(MODEL)
    assert (train.tokens, val.tokens) == (19, 74)


def test_a_subset_is_never_too_small_to_choose_by(monkeypatch):
    monkeypatch.setattr(validation_module, "LEAST_TOKENS", 60)
    assert validation(100, 10).subset_tokens == 60
    assert validation(60, 10).subset_tokens is None
