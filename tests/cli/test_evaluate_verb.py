"""`bardling evaluate`: the numbers of `Run.evaluate`, as sentences and as JSON."""

import json
import math

import pytest

import bardling.trained as trained_module
from bardling.evaluation.harness import Figure


@pytest.fixture(autouse=True)
def _where_runs_are(monkeypatch, cli, trained):
    monkeypatch.setenv("BARDLING_RUNS", str(trained.folder.path.parent))


def test_the_validation_split(cli, trained):
    expected = trained.validation_loss()
    done = cli("evaluate", "demo")
    assert (done.code, done.err) == (0, "")
    size = trained.tokenizer.vocab_size
    assert done.out.splitlines() == [
        f"demo, step {trained.step}, on the whole validation split: {expected.tokens:,} tokens",
        f"  loss        {expected.loss:.4f} nats per token",
        f"  perplexity  {math.exp(expected.loss):.3f}",
        f"  per byte    {expected.loss / math.log(2):.4f} bits",  # every character here is a byte
        f"  knowing nothing: {math.log(size):.4f} nats, perplexity {size}",
    ]
    assert expected.loss == pytest.approx(trained.folder.result()["best"]["val_loss"], abs=1e-6)


def test_a_text_with_a_name_like_markup(cli, trained, tmp_path):
    text = tmp_path / "[red] :cat: [bold].txt"
    text.write_text("one and [two] make three.\n" * 3)
    expected = trained.evaluate(text.read_text())
    done = cli("evaluate", "demo", "--text", text)
    assert done.code == 0
    assert f"on {text}: 77 tokens" in done.out
    assert f"{expected.loss:.4f} nats per token" in done.out


@pytest.mark.parametrize("checkpoint", ["best", "last", "0"])
def test_json(cli, trained, checkpoint):
    done = cli("evaluate", "demo", "--json", "--checkpoint", checkpoint)
    values = json.loads(done.out)
    assert set(values) == {"run", "step", "tokens", "loss", "perplexity", "bits_per_byte"}
    assert values["run"] == "demo"
    assert values["step"] == {"best": trained.step, "last": 12, "0": 0}[checkpoint]
    assert values["perplexity"] == pytest.approx(math.exp(values["loss"]))
    if checkpoint == "best":
        assert values["loss"] == trained.validation_loss().loss


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "0 tokens leave nothing to predict"),
        (b"o", "1 tokens leave nothing to predict"),
        (b"one \xff", "is not UTF-8: see its byte 4"),
        ("one \N{GRINNING FACE}".encode(), "(U+1F600) at position 4"),
        (None, "could not read"),
    ],
)
def test_texts_that_cannot_be_measured(cli, tmp_path, data, said):
    text = tmp_path / "text.txt"
    if data is not None:
        text.write_bytes(data)
    done = cli("evaluate", "demo", "--text", text)
    assert done.code == 1 and done.out == ""
    assert done.err.startswith("bardling: ") and done.err.count("\n") == 1
    assert said in done.err


def test_tasks_of_the_harness_are_told(trained, cli, monkeypatch):
    """A line for each figure, or one object; the library itself is asked in tests/evaluation."""
    asked = []

    def told(model, tokenizer, tasks, **numbers):
        asked.append((tasks, numbers))
        return [
            Figure(task="one", metric="acc", value=0.25, error=0.1, examples=8),
            Figure(task="two", metric="word_perplexity", value=30.5, error=None, examples=3),
        ]

    monkeypatch.setattr(trained_module, "measure", told)
    found = cli("evaluate", trained.folder.path, "--harness", "one,two", "--limit", 8)
    assert asked == [(["one", "two"], {"limit": 8, "shots": None})]
    assert "one  acc  0.2500 +- 0.1000  (8 examples)" in found.out
    assert "two  word_perplexity  30.5000  (3 examples)" in found.out
    found = cli("evaluate", trained.folder.path, "--harness", "one,two", "--json")
    assert json.loads(found.out)["figures"][0] == {
        "task": "one", "metric": "acc", "value": 0.25, "error": 0.1, "examples": 8
    }  # fmt: skip
