"""The package as Python sees it: train, load, and what a Run can do."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import bardling
from bardling.errors import CheckpointError, CorpusError, TokenizerError, UsageError
from tiny import SETTINGS, Listener, write_text


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    return write_text(tmp_path_factory.mktemp("api"))


@pytest.fixture(scope="module")
def run(text: Path) -> bardling.Run:
    return bardling.train(text, name="demo", runs_dir=text.parent / "runs", **SETTINGS)


def test_train_returns_the_best_step(run, text):
    assert run.folder.path == text.parent / "runs" / "demo"
    assert run.step == run.folder.result()["best"]["step"]
    assert run.config.training.budget == SETTINGS["budget"]
    assert [r["step"] for r in run.metrics() if "val_loss" in r] == [0, 4, 8, 12]


def test_model_takes_ids_and_gives_logits(run):
    ids = torch.tensor([[1, 2, 3], [4, 5, 6]])
    assert run.model(ids).shape == (2, 3, run.tokenizer.vocab_size)


def test_load_by_path_by_name_and_by_checkpoint(run, text, monkeypatch):
    again = bardling.load(run.folder.path, "last")
    assert again.step == 12
    assert bardling.load(str(run.folder.path), "0").step == 0
    monkeypatch.setenv("BARDLING_RUNS", str(text.parent / "runs"))
    assert bardling.load("demo").step == run.step
    with pytest.raises(CheckpointError, match="no checkpoint of step 5"):
        bardling.load("demo", "5")
    with pytest.raises(UsageError, match="no run 'nothing'"):
        bardling.load("nothing")


def test_generate_is_what_the_seed_says(run):
    first = run.generate("one", max_new_tokens=12, seed=5)
    assert first == run.generate("one", max_new_tokens=12, seed=5)
    assert len(first) == 12
    assert first == "".join(run.stream("one", max_new_tokens=12, seed=5))
    several = run.samples("one", 3, max_new_tokens=12, seed=4)
    assert several[1] == first and len(set(several)) == 3
    assert run.generate("one", max_new_tokens=8, temperature=0.0) == run.generate(
        "one", max_new_tokens=8, top_k=1
    )
    assert run.generate("one", max_new_tokens=6, beams=1) == run.generate(
        "one", max_new_tokens=6, temperature=0.0
    )


def test_evaluate_is_ten_independent_lines(run):
    text = "one and two make three.\nfive and one make six.\n"
    ids = torch.tensor(run.tokenizer.encode(text))
    total, block = 0.0, run.config.model.block_size
    for start in range(0, len(ids) - 1, block):
        piece = ids[start : start + block + 1]
        log_p = torch.log_softmax(run.model(piece[None, :-1]).double(), dim=-1)[0]
        total -= log_p[range(len(piece) - 1), piece[1:]].sum().item()
    result = run.evaluate(text)
    assert result.tokens == len(ids) - 1
    assert result.loss == pytest.approx(total / result.tokens, abs=1e-6)
    assert result.perplexity == pytest.approx(math.exp(result.loss))


def test_evaluate_refuses_what_it_cannot_measure(run):
    with pytest.raises(TokenizerError, match="U\\+1F600"):
        run.evaluate("one \N{GRINNING FACE}")
    with pytest.raises(CorpusError, match="1 tokens leave nothing"):
        run.evaluate("o")


def test_validation_loss_is_that_of_the_result(run):
    expected = run.folder.result()["best"]["val_loss"]
    assert run.validation_loss().loss == pytest.approx(expected, abs=1e-6)


def test_prompts_are_read_with_warnings(run):
    prompt = run.prompt("one \N{GRINNING FACE} two" + " and two" * 9)
    assert prompt.warnings[0].startswith("1 character is unknown")
    assert "only the last 16 are seen" in prompt.warnings[1]


def test_same_seed_same_run_and_another_seed_another(run, text):
    folder = text.parent / "seeds"
    runs = [
        bardling.train(text, name=f"s{i}", runs_dir=folder, **(SETTINGS | {"seed": seed}))
        for i, seed in enumerate((0, 1))
    ]
    weights = [dict(r.model.named_parameters()) for r in (run, *runs)]
    assert all(torch.equal(p, weights[1][name]) for name, p in weights[0].items())
    assert not all(torch.equal(p, weights[2][name]) for name, p in weights[0].items())


def test_auto_resume_begins_goes_on_and_knows_the_end(text):
    folder = text.parent / "auto"

    class Quits(Listener):
        def stepped(self, result, tokens_per_second):
            if result.step == 6:
                raise RuntimeError("the power went")

    with pytest.raises(RuntimeError, match="power"):
        bardling.train(text, resume="auto", runs_dir=folder, watcher=Quits(), **SETTINGS)
    listener = Listener()
    bardling.train(text, resume="auto", runs_dir=folder, watcher=listener, **SETTINGS)
    assert [r.step for r in listener.results] == list(range(5, 13))
    assert len(list(folder.iterdir())) == 1
    bardling.train(text, resume="auto", name="named", runs_dir=folder, **SETTINGS)
    listener = Listener()
    bardling.train(text, resume="auto", name="named", runs_dir=folder, watcher=listener, **SETTINGS)
    assert listener.notes == ["named has ended already, at step 12"]


def test_a_resumed_run_keeps_its_settings(run, text):
    with pytest.raises(
        UsageError, match="keeps its settings, but batch_size is 4 here and 8 there"
    ):
        bardling.train(
            text, resume=run.folder.path, runs_dir=text.parent, **(SETTINGS | {"batch_size": 4})
        )
    same = bardling.train_config(None, resume=run.folder.path)
    assert same.step == run.step
    with pytest.raises(UsageError, match="nothing to resume"):
        bardling.train_config(None, resume="auto", runs_dir=text.parent / "nowhere")


def test_a_tokenizer_of_another_run_can_be_used(run, text):
    other = bardling.train(
        text, name="borrows", runs_dir=text.parent / "runs", tokenizer=str(run.folder.path),
        **SETTINGS,
    )  # fmt: skip
    assert other.tokenizer.sha256 == run.tokenizer.sha256


def test_a_folder_of_documents_is_joined_by_end_tokens(tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for i in range(20):
        (corpus / f"{i:02}.txt").write_text(f"one and {i} and two and three and four. " * 3)
    run = bardling.train(corpus, name="docs", runs_dir=tmp_path / "runs", **SETTINGS)
    end = run.tokenizer.end_token
    assert end == run.tokenizer.vocab_size - 1
    from bardling.data.token_folder import open_split

    counts = [
        int(np.sum(open_split(run.folder.tokens_path, split, run.tokenizer)[:] == end))
        for split in ("train", "val")
    ]
    assert counts == [18, 2]


def test_a_damaged_run_is_nobody_s_to_resume(text):
    folder = text.parent / "beside"
    damaged = folder / "damaged"
    damaged.mkdir(parents=True)
    (damaged / "config.json").write_text("{")
    run = bardling.train(text, resume="auto", runs_dir=folder, **SETTINGS)
    assert run.folder.path != damaged


def test_a_run_may_be_called_like_a_tokenizer(text):
    folder = text.parent / "names"
    for name in ("char", "second"):
        run = bardling.train(text, name=name, runs_dir=folder, **SETTINGS)
        assert run.config.data.tokenizer == "char"
    run = bardling.train(text, name="third", tokenizer="second", runs_dir=folder, **SETTINGS)
    assert run.config.data.tokenizer == str(folder / "second")
