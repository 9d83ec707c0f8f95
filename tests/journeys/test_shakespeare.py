"""A short run on the real Tiny Shakespeare, through the command line, checked from outside."""

import json
from pathlib import Path

import pytest
import torch

import bardling
from bardling.cli import main

pytestmark = pytest.mark.real_text

OPTIONS = (
    *("--budget", "40steps", "--model.n-layer", "1", "--model.n-embd", "48", "--model.n-head", "2"),
    *("--model.block-size", "64", "--batch-size", "16", "--optimizer.lr", "0.02"),
    *("--sample-tokens", "5", "--eval-interval-steps", "20"),
)


@pytest.fixture
def run(real_text, tmp_path, monkeypatch, capsys) -> bardling.Run:
    monkeypatch.setenv("BARDLING_RUNS", str(tmp_path))
    assert main(["train", "shakespeare", "--name", "will", *OPTIONS]) == 0
    said = capsys.readouterr().out
    assert "shakespeare: 1,003,854 tokens to train on, 111,540 to validate" in said
    assert "ln 65 = 4.1744" in said
    return bardling.load("will")


def recomputed(run: bardling.Run, text: Path) -> float:
    """Return the loss on the last tenth of the text, by torch alone and window by window."""
    whole = text.read_text()
    letters = {letter: number for number, letter in enumerate(sorted(set(whole)))}
    ids = torch.tensor([letters[letter] for letter in whole[int(0.9 * len(whole)) :]])
    total = 0.0
    for x, y in zip(ids[:-1].split(64), ids[1:].split(64), strict=True):
        logits = run.model(x[None])[0].double()
        total += torch.nn.functional.cross_entropy(logits, y, reduction="sum").item()
    return total / (len(ids) - 1)


@torch.no_grad()
def test_shakespeare_from_text_to_text(run, real_text, capsys):
    result = json.loads((run.folder.path / "result.json").read_text())
    losses = [r["val_loss"] for r in run.metrics() if "val_loss" in r]
    assert losses[0] > 4.0 and losses[-1] < 3.0
    assert result["best"]["val_loss"] < 3.0
    mine = recomputed(run, real_text / "tinyshakespeare.txt")
    assert result["best"]["val_loss"] == pytest.approx(mine, abs=1e-3)
    assert main(["evaluate", "will", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["loss"] == pytest.approx(mine, abs=1e-3)
    assert main(["generate", "will", "--prompt", "ROMEO:", "--max-new-tokens", "20"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("ROMEO:") and len(text) == len("ROMEO:") + 20 + 1
    assert set(text) <= set((real_text / "tinyshakespeare.txt").read_text())
