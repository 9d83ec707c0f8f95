"""From a text, a time and a machine to settings: laws of the choice, and what is told."""

from itertools import pairwise

import pytest

import bardling
from bardling import planning
from bardling.config import RunConfig
from bardling.data.sums import sums
from bardling.model.config import ModelConfig
from bardling.model.size import count_parameters
from bardling.planning import OPTIMA, REFERENCE_FLOPS, Text, choose, plan
from bardling.presets import config_for

SHAKESPEARE = Text(n_characters=1_115_394, n_different=65)


def size_of(choice) -> int:
    """Return the parameters of a choice, which has to be one that a run can have."""
    config = RunConfig().with_overrides(**choice.settings)
    return count_parameters(ModelConfig(**{**vars(config.model), "vocab_size": 65})).total


@pytest.mark.parametrize("known", OPTIMA)
def test_measured_budgets_give_what_was_measured(known):
    found = choose(SHAKESPEARE, known.seconds, REFERENCE_FLOPS).settings
    for name in ("n_layer", "n_embd", "block_size", "batch_size"):
        assert found[name] == getattr(known, name)
    assert found["tokenizer"] == "char"


def test_more_time_never_means_a_smaller_model():
    large = Text(n_characters=10**9, n_different=90)
    times = [10 * 1.3**n for n in range(40)]
    sizes = [size_of(choose(large, seconds, REFERENCE_FLOPS)) for seconds in times]
    assert all(a <= b for a, b in pairwise(sizes)) and sizes[-1] > 50 * sizes[0]


def test_a_faster_machine_is_more_time():
    for seconds in (30.0, 200.0, 5000.0):
        faster = choose(SHAKESPEARE, seconds, 2 * REFERENCE_FLOPS).settings
        assert faster == choose(SHAKESPEARE, 2 * seconds, REFERENCE_FLOPS).settings


def test_little_text_means_a_small_model_dropout_and_an_early_end():
    little = Text(n_characters=30_000, n_different=60)
    found, more = (
        choose(little, 600.0, REFERENCE_FLOPS),
        choose(SHAKESPEARE, 600.0, REFERENCE_FLOPS),
    )
    assert size_of(found) < size_of(more) / 5
    assert found.settings["dropout"] == 0.2 and found.settings["patience"] > 0
    assert choose(SHAKESPEARE, 30.0, REFERENCE_FLOPS).settings["dropout"] == 0.0
    assert "patience" not in choose(SHAKESPEARE, 30.0, REFERENCE_FLOPS).settings


@pytest.mark.parametrize(
    ("n_characters", "n_different", "tokenizer"),
    [
        (1_000_000, 90, "char"),
        (1_000_000, 3000, "bpe:4000"),
        (20_000_000, 90, "bpe:4000"),
        (10**9, 90, "bpe:8000"),
    ],
)
def test_the_tokenizer_follows_from_the_text(n_characters, n_different, tokenizer):
    text = Text(n_characters=n_characters, n_different=n_different)
    assert choose(text, 60.0, REFERENCE_FLOPS).settings["tokenizer"] == tokenizer


@pytest.mark.parametrize("seconds", [1.0, 45.0, 100.0, 333.0, 1e4, 1e7])
@pytest.mark.parametrize("n_characters", [100, 10**4, 10**6, 10**10])
def test_every_choice_is_one_that_a_run_can_have(seconds, n_characters):
    size_of(choose(Text(n_characters=n_characters, n_different=50), seconds, REFERENCE_FLOPS))


@pytest.fixture
def text(tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "matmul_rate", lambda device, dtype: REFERENCE_FLOPS)
    path = tmp_path / "mine.txt"
    path.write_text(sums(3, n_lines=900))
    return path


def test_a_text_of_ones_own_is_planned_and_told(text):
    told = []
    config = plan(str(text), "5m", note=told.append)
    n = len(text.read_text())
    expected = choose(Text(n_characters=n, n_different=15), 300.0, REFERENCE_FLOPS).settings
    assert config == config_for(str(text), "5m").with_overrides(**expected)
    first, second = told
    assert first.startswith("planned for 5m: tokenizer char, n_layer ")
    assert f"for {n:,} characters, which the budget passes over about" in first
    assert second.startswith("in 4 times as long: ")


@pytest.mark.parametrize(
    ("target", "budget"), [("shakespeare", "5m"), ("stories", "5m"), ("mine", "200steps")]
)
def test_others_keep_their_sizes(text, target, budget):
    target = str(text) if target == "mine" else target
    told = []
    assert plan(target, budget, note=told.append) == config_for(target, budget)
    assert told == []


def test_a_size_that_is_given_is_no_plan(text, monkeypatch):
    class Seen(Exception):
        pass

    def seen(config, **_):
        raise Seen(config)

    monkeypatch.setattr("bardling.api.train_config", seen)
    with pytest.raises(Seen) as given:
        bardling.train(text, budget="5m", n_layer=3)
    with pytest.raises(Seen) as planned:
        bardling.train(text, budget="5m", dropout=0.3)
    expected = config_for(str(text), "5m").with_overrides(n_layer=3, budget="5m")
    assert given.value.args == (expected,)
    expected = plan(str(text), "5m").with_overrides(dropout=0.3, budget="5m")
    assert planned.value.args == (expected,)
