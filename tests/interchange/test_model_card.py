"""A card says what the run was: where it came from, what its loss is, and no folder of anyone's."""

import json

import pytest

import bardling
from bardling.cli import main
from bardling.data.sums import sums
from bardling.finetuning import comparison
from bardling.run import start_run
from bardling.run_folder import RunFolder
from tiny import Listener, tiny_config

STEPS = {"budget": "4steps", "eval_interval_steps": 2, "precision": "fp32", "compile": "off"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    (folder / "other.txt").write_text(sums(9, n_lines=150).replace("\n", " "))
    (folder / "lines").mkdir()
    lines = sums(3, n_lines=120).splitlines()
    for number, line in enumerate(lines):
        (folder / "lines" / f"{number}.txt").write_text(line)
    asked = [line.partition(" ") for line in lines]
    pairs = [{"prompt": a, "chosen": " " + b, "rejected": " " + b[::-1] + "e"} for a, _, b in asked]
    questions = [{"prompt": a, "completion": b} for a, _, b in asked]
    for name, found in (("pairs", pairs), ("questions", questions)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in found))
    config = tiny_config(folder / "lines", budget="4steps", block_size=64)
    start_run(config, RunFolder(folder / "runs" / "base"), data_dir=None, watcher=Listener())
    return folder


def card(home, name, to="huggingface"):
    """Return the card of an exported run, which must not say where anything lies."""
    assert main(["export", name, "--to", to, "--runs-dir", str(home / "runs")]) == 0
    folder = home / "runs" / name / "exports" / to
    cards = [path.read_text() for path in sorted(folder.rglob("README.md"))]
    assert not any(str(home) in said for said in cards)
    return cards[0] if to == "huggingface" else cards


def test_a_run_from_scratch_and_a_fine_tuned_one(home):
    said = card(home, "base")
    assert "Trained from scratch by bardling on `lines`" in said
    assert "bardling train lines" in said and "| loss, nats per token |" in said
    kept = {"runs_dir": home / "runs", **STEPS}
    bardling.finetune(home / "runs" / "base", home / "other.txt", name="tuned", **kept)
    said = card(home, "tuned")
    assert "Fine-tuned from `base` by bardling on `other.txt`" in said
    assert "bardling finetune base other.txt" in said


def test_the_loss_of_answers(home):
    kept = {"runs_dir": home / "runs", **STEPS}
    bardling.finetune(home / "runs" / "base", home / "questions.jsonl", name="chatty", **kept)
    assert "| loss of the answers, nats per token |" in card(home, "chatty")


def test_an_aligned_run_and_its_base(home):
    kept = {"runs_dir": home / "runs", "adapter": "lora", **STEPS}
    run, _ = bardling.align(home / "runs" / "base", home / "pairs.jsonl", name="polite", **kept)
    best = run.folder.result()["best"]
    said = card(home, "polite")
    assert "Aligned by DPO, from `base`, by bardling on `pairs.jsonl`" in said
    assert "bardling align base pairs.jsonl" in said and "nats per token" not in said
    for words in (
        f"| loss of DPO, nats per pair | {best['val_loss']:.4f} |",
        f"| share of pairs told right | {best['val_accuracy']:.4f} |",
        f"| reward margin | {best['val_margin']:.4f} |",
    ):
        assert words in said
    beside, base = card(home, "polite", "peft")
    assert "| loss of DPO, nats per pair |" in beside
    assert "the adapter polite goes with" in base and "for learning" in base
    assert "## Data and losses" in base and "which run it came from" in base


@pytest.mark.parametrize("student", [{"layers": 1}, {"student": "seed-003-tiny"}])
def test_a_distilled_run(home, student, monkeypatch):
    monkeypatch.setattr(comparison, "WRITTEN_TOKENS", 5)
    name = next(iter(student))
    kept = {"runs_dir": home / "runs", **STEPS}
    bardling.distill(home / "runs" / "base", name=name, **student, **kept)
    said = card(home, name)
    assert "Distilled from `base` by bardling on `lines`" in said
    assert "bardling distill base" in said and "scratch" not in said
