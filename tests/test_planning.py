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
from bardling.presets.table import config_for
from bardling.run_folder import RunFolder

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
    assert config == config_for(str(text), "5m").with_overrides(budget="5m", **expected)
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
    expected = config_for(target, budget).with_overrides(budget=budget)
    assert plan(target, budget, note=told.append) == expected
    assert told == []


class Seen(Exception):
    """Ends a run that would begin."""


@pytest.fixture
def seen(monkeypatch):
    """Call `train` and return the settings that it would begin with."""

    def begun(config, run, **_):
        raise Seen(config)

    monkeypatch.setattr("bardling.api.start_run", begun)

    def train(*arguments, **options) -> RunConfig:
        with pytest.raises(Seen) as found:
            bardling.train(*arguments, **options)
        return found.value.args[0]

    return train


def test_what_is_given_stays(text, seen, tmp_path):
    own = config_for(str(text), "5m").with_overrides(budget="5m")
    where = {"budget": "5m", "runs_dir": tmp_path}
    assert seen(text, n_layer=3, **where) == own.with_overrides(n_layer=3)
    found = seen(text, dropout=0.3, **where)
    assert found == plan(str(text), "5m").with_overrides(dropout=0.3)
    assert found.model.n_embd != own.model.n_embd
    found = seen(text, max_tokens=50, precision="fp32", **where)
    assert (found.data.max_tokens, found.machine.precision) == (50, "fp32")


def test_tokens_that_were_made_before_keep_their_tokenizer(tmp_path, monkeypatch, seen):
    for name in ("train.bin", "val.bin"):
        (tmp_path / name).write_bytes(bytes(400))
    (tmp_path / "readme.md").write_text("these are tokens")
    assert plan(str(tmp_path), "5m") == config_for(str(tmp_path), "5m").with_overrides(budget="5m")


def test_a_planned_run_is_found_again_though_the_machine_has_changed(text, monkeypatch, tmp_path):
    small = {"sample_tokens": 0, "quick_checks": False, "precision": "fp32"}
    settings = {"budget": "5m", "runs_dir": tmp_path / "runs", **small}

    class Killed(Exception):
        pass

    def killed(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("bardling.trainer.Trainer.train", killed)
        with pytest.raises(Killed):
            bardling.train(text, **settings)
    (run,) = (tmp_path / "runs").iterdir()
    monkeypatch.setattr(planning, "matmul_rate", None)  # nothing is measured again
    gone_on = []
    monkeypatch.setattr("bardling.api.resume_run", lambda known, *_, **__: gone_on.append(known))
    monkeypatch.setattr("bardling.api.load", lambda path, **_: RunFolder(path))
    for resume in ("auto", run):
        with pytest.raises(Exception, match="return value"):  # no Run: nothing was trained
            bardling.train(text, resume=resume, **settings)
    assert [known.path for known in gone_on] == [run, run]
