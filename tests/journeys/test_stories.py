"""From the grammar to a report: a run on stories knows its floor, by its own count and by ours."""

import json
import math

import pytest
import torch

import bardling
from bardling.cli import main
from bardling.data.stories.listening import listen
from bardling.data.token_folder import open_split
from bardling.reporting.watcher import Watcher
from tiny import SETTINGS

TINY = SETTINGS | {
    "n_layer": 1,
    "n_head": 1,
    "n_embd": 8,
    "batch_size": 2,
    "budget": "2steps",
    "block_size": 832,
    "tokenizer": "char",
    "val_fraction": 0.05,
}
N_VAL = 3


class Facts(Watcher):
    def started(self, facts):
        self.facts = facts


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    watcher = Facts()
    run = bardling.train("stories:60", name="tales", runs_dir=folder, watcher=watcher, **TINY)
    return run, watcher.facts


def validation_stories(run):
    """Return the validation stories from the run's own tokens, without anything of `documents`."""
    ids = open_split(run.folder.tokens_path, "val", run.tokenizer)[:].tolist()
    end, texts, text = run.tokenizer.end_token, [], []
    for number in ids:
        if number == end:
            texts.append(run.tokenizer.decode(text))
            text = []
        else:
            text.append(number)
    return texts


def test_loss_and_floor_are_those_of_whole_stories(trained):
    run, facts = trained
    texts = validation_stories(run)
    assert len(texts) == N_VAL
    n_tokens = sum(len(text) + 1 for text in texts)
    floor = sum(listen(text).nats for text in texts) / n_tokens
    end, total = run.tokenizer.end_token, 0.0
    with torch.no_grad():
        for text in texts:  # each alone, from its beginning: what packing them must not change much
            ids = torch.tensor([end, *run.tokenizer.encode(text), end])
            log_p = torch.log_softmax(run.model(ids[None, :-1])[0].double(), dim=-1)
            total -= log_p.gather(1, ids[1:, None]).sum().item()
    result = run.validation_loss()
    assert result.tokens == n_tokens
    assert result.floor == pytest.approx(floor, rel=1e-12) == facts.floor
    assert result.loss == pytest.approx(total / n_tokens, rel=2e-3)
    record = [r for r in run.metrics() if "val_loss" in r][-1]
    assert record["val_floor"] == pytest.approx(floor, rel=1e-12)
    assert record["val_loss"] > record["val_floor"] > 0.25


def test_validation_stories_are_not_among_those_trained_on(trained):
    run, _ = trained
    train = open_split(run.folder.tokens_path, "train", run.tokenizer)[:]
    text = run.tokenizer.decode(train)
    assert not any(story in text for story in validation_stories(run))


def test_evaluate_and_report_say_the_floor(trained, capsys):
    run, facts = trained
    path = str(run.folder.path)
    assert main(["evaluate", path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["floor"] == pytest.approx(facts.floor)
    assert main(["evaluate", path]) == 0
    assert f"= floor {facts.floor:.4f} + " in capsys.readouterr().out
    assert main(["report", path, "--num-samples", "3"]) == 0
    out = capsys.readouterr().out
    for text in ("7-grams", "this model", f"{facts.floor:.4f}", "0 of 3 sampled texts are stories"):
        assert text in out
    page = (run.folder.path / "report.html").read_text()
    assert "0 of 3 sampled texts are stories; the others" in page and f"{facts.floor:.4f}" in page
    assert main(["report", path, "--num-samples", "0"]) == 2


def test_a_context_shorter_than_a_story_has_no_floor(tmp_path):
    settings = {**TINY, "block_size": 64}
    watcher = Facts()
    run = bardling.train("stories:60", runs_dir=tmp_path, watcher=watcher, **settings)
    assert watcher.facts.floor is None and watcher.facts.longest_document > 64
    assert all("val_floor" not in record for record in run.metrics())
    assert math.isfinite(run.validation_loss().loss) and run.validation_loss().floor is None


def test_a_file_of_stories_has_a_floor_too(tmp_path):
    path = tmp_path / "mine.jsonl"
    assert main(["data", "stories", "--documents", "40", "--output", str(path)]) == 0
    run = bardling.train(path, runs_dir=tmp_path, **TINY)
    assert 0.25 < run.validation_loss().floor < 0.36


def test_an_empty_prompt_starts_a_story(trained):
    run, _ = trained
    assert run.prompt("").ids == [run.tokenizer.end_token]


def test_the_floor_is_that_of_any_tokenizer(tmp_path):
    """The same stories in fewer tokens have the same nats, so more to each token."""
    settings = {**TINY, "block_size": 400, "tokenizer": "bpe:600"}
    run = bardling.train("stories:60", runs_dir=tmp_path, **settings)
    result = run.validation_loss()
    nats = sum(listen(text).nats for text in validation_stories(run))
    assert result.floor * result.tokens == pytest.approx(nats)
    assert result.floor > 0.5
