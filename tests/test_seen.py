"""What a step saw is shown as it was: where each window began, and its text."""

import pytest

import bardling
from bardling.cli import main
from bardling.data.token_folder import open_split
from bardling.errors import UsageError
from bardling.run_folder import RunFolder
from bardling.seen import batch_texts
from bardling.text.tokenizer_file import load_tokenizer
from bardling.training import loop
from tiny import SETTINGS, Listener, write_text


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunFolder:
    folder = tmp_path_factory.mktemp("seen")
    return bardling.train(write_text(folder), name="x", runs_dir=folder, **SETTINGS).folder


def test_it_is_the_text_of_the_batch_that_the_step_took(run, monkeypatch):
    taken, real = [], loop._accumulate

    def accumulate(learner, batches, step, config):
        taken.append(batches(step, range(config.batch_size)).inputs)
        return real(learner, batches, step, config)

    monkeypatch.setattr(loop, "_accumulate", accumulate)
    text = run.path.parent / "sums.txt"
    bardling.train(text, name="again", runs_dir=run.path.parent, **SETTINGS)
    tokenizer = load_tokenizer(run.path)
    for step in (1, 12):
        shown = [text for _, text in batch_texts(run, step)]
        assert shown == [tokenizer.decode(row) for row in taken[step - 1].tolist()]
    assert len({tuple(batch_texts(run, step)) for step in range(1, 13)}) == 12


def test_each_window_begins_where_it_says(run):
    tokenizer = load_tokenizer(run.path)
    tokens = open_split(run.tokens_path, "train", tokenizer)
    for start, text in batch_texts(run, 3):
        assert tokenizer.decode(tokens[start : start + 16].tolist()) == text


@pytest.mark.parametrize("step", [0, 13, -1])
def test_a_step_that_there_is_not_is_refused(run, step):
    with pytest.raises(UsageError, match=f"x has steps 1 to 12, and none is {step}"):
        batch_texts(run, step)


def test_a_jump_of_the_loss_is_told_logged_and_shown(tmp_path, monkeypatch, capsys):
    real, steps = loop._move, iter(range(1, 1000))

    def move(learner, losses, clip_norm):
        figures = real(learner, losses, clip_norm)
        if next(steps) != 63:
            return figures
        loss, *rest = figures()
        return lambda: (loss + 5.0, *rest)

    monkeypatch.setattr(loop, "_move", move)
    ears = Listener()
    settings = SETTINGS | {"budget": "70steps", "log_interval_steps": 50, "eval_interval_steps": 70}
    text = write_text(tmp_path)
    run = bardling.train(text, name="x", runs_dir=tmp_path, watcher=ears, **settings).folder
    (note,) = ears.notes
    assert note.startswith("step 63: the loss jumps to ")
    assert note.endswith(f"its batch: bardling data show {run.path} --step 63")
    (record,) = [line for line in run.metrics() if "usual_loss" in line]
    assert record["step"] == 63 and record["loss"] > record["usual_loss"] + 4
    assert main(["data", "show", str(run.path), "--step", "63", "--rows", "2"]) == 0
    shown = capsys.readouterr().out
    assert f"step 63: loss {record['loss']:.4f}, after about {record['usual_loss']:.4f}" in shown
    assert shown.count("] from token ") == 2 and batch_texts(run, 63)[1][1] in shown
