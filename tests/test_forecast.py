"""A run rehearsed: what is told of it is what it turns out to be, and nothing of it stays."""

import pytest

import bardling
from bardling import pacing
from bardling.data.token_folder import open_split
from bardling.run import start_run
from bardling.run_folder import RunFolder
from bardling.text.tokenizer_file import load_tokenizer
from bardling.training import rehearsal
from tiny import Listener, tiny_config, write_text


@pytest.fixture
def text(tmp_path, monkeypatch):
    monkeypatch.setattr(rehearsal, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(pacing, "SLIP", 1e9)
    return write_text(tmp_path, n_lines=60)


def validated(run: RunFolder):
    """Return the validation tokens of a run, all of which its validations read."""
    return open_split(run.tokens_path, "val", load_tokenizer(run.path))


@pytest.mark.parametrize("budget", ["12steps", "3epochs"])
def test_what_is_told_is_what_the_run_will_be(text, tmp_path, budget):
    config = tiny_config(text, budget=budget)
    found = bardling.dry_run(config)
    assert list(tmp_path.iterdir()) == [text]
    listener, run = Listener(), RunFolder(tmp_path / "runs" / "demo")
    start_run(config, run, data_dir=None, watcher=listener)
    facts = listener.facts[-1]
    assert found.config == run.config()
    assert (found.train_tokens, found.val_tokens) == (facts.train_tokens, facts.val_tokens)
    assert found.parameters == facts.parameters
    assert found.tokens == run.result()["tokens"]
    assert found.passes == found.tokens / found.train_tokens
    costs, steps = found.costs, found.config.total_steps
    validations = 1 + -(-steps // found.config.eval_interval)  # one before the first step
    each = 2 * len(validated(run)) * costs.validated_token + costs.sample + costs.save
    expected = found.ready_seconds + steps * costs.step + validations * each + costs.whole
    assert found.seconds == pytest.approx(expected, rel=1e-9)
    assert 50 * 2**20 < found.memory_bytes < found.machine_bytes


def test_a_budget_in_time_becomes_steps(text):
    found = bardling.dry_run(tiny_config(text, budget="20s"))
    assert found.config.total_steps > 10 and found.seconds == 20
