"""`bardling bench`: each of its words, as a page and as JSON."""

import json

import pytest

from bardling.benchmarking import generation, text, training
from bardling.benchmarking.timing import Spread, by_turns, ratio
from bardling.cli import bench

SMALL = (
    *("--model.n-layer", 1, "--model.n-embd", 16, "--model.n-head", 1),
    *("--model.block-size", 16, "--batch-size", 2),
)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Repeat little, and measure the machine for moments."""
    for module in (generation, text, training):
        monkeypatch.setattr(module, "by_turns", lambda works, rounds=0: by_turns(works, rounds=2))
    monkeypatch.setattr(training, "matmul_rate", lambda device, dtype: 1e12)
    for module in (training, generation):
        monkeypatch.setattr(module, "copy_rate", lambda device, n_bytes=0: 2e10)
    monkeypatch.setattr(text, "STORIES", 60)
    monkeypatch.setattr(text, "VOCABULARY", 400)
    monkeypatch.setattr(text, "BATCHES", 3)
    monkeypatch.setattr(bench, "COMPARED_TOKENS", 40)


def test_training(cli):
    done = cli("bench", "train", "shakespeare", *SMALL, "--seconds", 0.01)
    assert done.code == 0
    rows = dict(line.split(maxsplit=1) for line in done.out.splitlines() if line.strip())
    assert rows["model"].startswith("4,448 parameters, context 16, 2 sequences a step")
    assert "tokens/s" in rows["speed"] and "GFLOP/s" in rows["products"]
    found = cli("bench", "train", *SMALL, "--seconds", 0.01, "--json")
    values = json.loads(found.out)
    assert sum(values["parts"].values()) == pytest.approx(1.0)
    assert all(values["parts"][part] > 0 for part in ("products", "attention", "optimizer"))
    assert values["tokens_per_second"]["lowest"] <= values["tokens_per_second"]["median"]
    assert values["utilisation"] == pytest.approx(values["flops_per_second"] / 1e12)


def test_writing_by_a_preset_and_by_a_run(cli, train):
    done = cli("bench", "generate", "demo", "--sequences", 1, "--max-new-tokens", 3, "--json")
    rows = json.loads(done.out)["rows"]
    assert [row["form"] for row in rows] == ["fp32", "bf16", "int8"]
    assert {row["loss_difference"] for row in rows} == {None}
    train("--name", "mine")
    done = cli("bench", "generate", "mine", "--max-new-tokens", 3)
    lines = done.out.splitlines()
    assert lines[0].split() == ["weights", "sequences", "tokens/s", "weights", "read", "of", "a",
                                "copy's", "loss"]  # fmt: skip
    assert len(lines) == 8 and lines[1].split()[-1] == "+0.0000"
    assert lines[-1].startswith("--draft 8 writes ")


@pytest.mark.parametrize("word", ["tokenizer", "data"])
def test_text(cli, word, tmp_path):
    done = cli("bench", word)
    assert done.code == 0 and "bardling" in done.out and "MB/s" in done.out
    path = tmp_path / "mine.txt"
    path.write_text("to be or not to be, that is the question\n" * 400)
    rows = json.loads(cli("bench", word, "--text", path, "--json").out)["rows"]
    assert {row["by"] for row in rows} >= {"bardling"} and all(
        row["rate"]["median"] for row in rows
    )


def test_words_that_mean_nothing(cli):
    done = cli("bench", "trian")
    assert done.code == 2 and "did you mean 'train'?" in done.err
    assert "bardling bench generate" in cli("bench", "--help").out


def test_turns_are_taken_and_ratios_are_of_rounds():
    order = []
    figures = {"a": iter([9, 1, 2, 3]), "b": iter([9, 2, 2, 2])}

    def work(name):
        def measure():
            order.append(name)
            return float(next(figures[name]))

        return measure

    found = by_turns({name: work(name) for name in "ab"}, rounds=3)
    assert "".join(order) == "abababab"
    assert found == {"a": [1, 2, 3], "b": [2, 2, 2]}  # the first round warms up
    assert ratio(found["a"], found["b"]) == Spread(median=1.0, lowest=0.5, highest=1.5)
