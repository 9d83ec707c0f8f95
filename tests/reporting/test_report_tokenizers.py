"""The report of a run: with the tokenizers, without them, or with why they are not there."""

import pytest

import bardling
from bardling.evaluation.tokenizers import Comparison
from tiny import SETTINGS

HOSTILE = "The <script>alert(1)</script> & <b>fox</b> has 7 &amp; more.\n"
SMALL = SETTINGS | {"n_layer": 1, "budget": "1steps", "n_embd": 8, "tokenizer": "bpe:280"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    (folder / "text.txt").write_text("".join(f"{n} {HOSTILE}" for n in range(60)))
    return bardling.train(folder / "text.txt", name="r", runs_dir=folder / "runs", **SMALL)


def test_tokenizers_are_compared_on_the_run_s_text(run):
    done = bardling.report(run.folder.path, num_samples=1)
    assert isinstance(done.tokenizers, Comparison)
    page = done.path.read_text()
    assert "<h2>Tokenizers</h2>" in page and "this run&#x27;s" in page
    assert "<script" not in page and "<b>fox" not in page


def test_the_page_can_be_without_them(run):
    done = bardling.report(run.folder.path, num_samples=1, tokenizers=False)
    assert done.tokenizers is None and "okenizers" not in done.path.read_text()


def test_too_short_a_text_is_said_in_a_sentence(run, monkeypatch):
    monkeypatch.setattr("bardling.evaluation.run_tokenizers.LEAST_MEASURE_BYTES", 10**6)
    page = bardling.report(run.folder.path, num_samples=1).path.read_text()
    assert "<h2>Tokenizers</h2>" not in page
    assert "are too few to compare tokenizers" in page
