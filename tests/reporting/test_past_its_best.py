"""What the best and the last step of a run write, where it went on past its best."""

import json
import random

import pytest

import bardling
from bardling.data.token_folder import open_split
from bardling.reporting.moments import told_of
from bardling.reporting.past_its_best import MEASURED_SAMPLES, SAMPLE_TOKENS, past_its_best
from bardling.run_folder import RunFolder
from bardling.text.tokenizer_file import load_tokenizer
from tiny import tiny_config


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a run on letters that follow no rule, so that there is nothing to learn but them."""
    folder = tmp_path_factory.mktemp("past")
    text = folder / "letters.txt"
    text.write_text("".join(random.Random(0).choices("abcdef ", k=400)))
    config = tiny_config(
        text,
        n_embd=32,
        lr=2e-2,
        budget="120steps",
        eval_interval_steps=20,
        val_fraction=0.2,
        dropout=0.0,
    )
    bardling.train_config(config, name="past", runs_dir=folder)
    return RunFolder(folder / "past")


def moments(run):
    train = open_split(run.tokens_path, "train", load_tokenizer(run.path))
    return past_its_best(run, train, seed=3, note=pytest.fail)


def test_both_write_by_the_same_draws(run):
    result = run.result()
    assert result["last"]["val_loss"] > result["best"]["val_loss"] + 0.01, "it did not overfit"
    for which, moment in zip(("best", "last"), moments(run), strict=True):
        loaded = bardling.load(run.path, which)
        texts = loaded.samples("", MEASURED_SAMPLES, max_new_tokens=SAMPLE_TOKENS, seed=3)
        assert (moment.step, moment.text) == (loaded.step, texts[0])
        assert moment.val_loss == result[which]["val_loss"]
        assert moment.writing.samples == MEASURED_SAMPLES


def test_a_run_that_ended_at_its_best_has_nothing_to_compare(run):
    told = run.result()
    for last in (told["best"]["val_loss"] + 0.009, None):
        run.result_path.write_text(json.dumps(told | {"last": {**told["last"], "val_loss": last}}))
        assert moments(run) is None
    run.result_path.write_text(json.dumps(told))


def test_what_is_gone_is_not_shown_as_something_else(run):
    told, notes = run.result(), []
    moved = told | {"best": {**told["best"], "step": told["best"]["step"] + 1}}
    run.result_path.write_text(json.dumps(moved))
    train = open_split(run.tokens_path, "train", load_tokenizer(run.path))
    assert past_its_best(run, train, seed=3, note=notes.append) is None
    assert notes == [
        "the best and the last step are not compared: one of them is not there any more"
    ]
    run.result_path.write_text(json.dumps(told))


def test_the_report_has_them(run):
    done = bardling.report(run.path, tokenizers=False)
    page = done.path.read_text()
    assert "Best and last" in page and "Neighbours" not in page
    assert done.moments is not None and f"the last step, {done.moments[1].step}" in page
    line = told_of(done.moments[1], "last")
    assert line.startswith("last step 120: loss ") and line.endswith(" characters at most")
