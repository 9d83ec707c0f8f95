"""Resumed = uninterrupted, bit for bit: in a new process, at five stop points, and twice over.

The run has everything that could lose its place: dropout, accumulation, warm-up and a falling
rate, weight decay, shuffled epochs that end inside a batch, validations and early stopping.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bardling.checkpoint import load_checkpoint
from bardling.run_folder import RunFolder
from tiny import write_text

STEPS = 24
STOPS = (1, 6, 9, 13, 23)  # first step, at a validation, before and after an epoch's end, last

SCRIPT = """
import os, signal, sys
from pathlib import Path
import bardling
from bardling.errors import Interrupted
from bardling.reporting.watcher import Watcher

text, folder, stops, again = sys.argv[1], Path(sys.argv[2]), eval(sys.argv[3]), eval(sys.argv[4])

class StopsAt(Watcher):
    def __init__(self, step):
        self.step = step
    def stepped(self, result, tokens_per_second):
        if result.step == self.step:
            os.kill(os.getpid(), signal.SIGINT)

for name, stop in stops.items():
    try:
        if again:
            bardling.train_config(None, resume=folder / name, watcher=StopsAt(stop))
        else:
            bardling.train(
                text, name=name, runs_dir=folder, watcher=StopsAt(stop), budget="24steps",
                n_layer=2, n_head=2, n_embd=16, block_size=16, batch_size=7, accumulate=3,
                dropout=0.2, warmup_fraction=0.3, schedule="cosine", order="shuffled", lr=1e-2,
                eval_interval_steps=6, log_interval_steps=1, patience=50, sample_tokens=5,
                val_fraction=0.2, seed=3,
            )
    except Interrupted as stopped:
        print(stopped.exit_code)
"""


def child(text: Path, folder: Path, stops: dict[str, int], *, again: bool) -> list[str]:
    words = [str(text), str(folder), repr(stops), repr(again)]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("resume")
    text = write_text(folder, n_lines=60)
    names = {f"stop{step}": step for step in STOPS}
    stopped = child(text, folder, {"whole": 0, "twice": 5, **names}, again=False)
    assert stopped == ["130"] * (1 + len(STOPS))
    assert child(text, folder, {**dict.fromkeys(names, 0), "twice": 17}, again=True) == ["130"]
    assert child(text, folder, {"twice": 0}, again=True) == []
    return folder


@pytest.mark.parametrize("name", [*(f"stop{step}" for step in STOPS), "twice"])
def test_weights_and_optimizer_are_the_same_bits(folder: Path, name: str):
    whole = load_checkpoint(RunFolder(folder / "whole").checkpoint_path(STEPS))
    resumed = load_checkpoint(RunFolder(folder / name).checkpoint_path(STEPS))
    for mine, theirs in ((whole.weights, resumed.weights), (whole.optimizer, resumed.optimizer)):
        assert mine.keys() == theirs.keys()
        for key, tensor in mine.items():
            assert torch.equal(tensor, theirs[key]), key
    assert whole.config == resumed.config


@pytest.mark.parametrize("name", [*(f"stop{step}" for step in STOPS), "twice"])
def test_the_log_reads_as_if_nothing_had_happened(folder: Path, name: str):
    timing = ("seconds", "tokens_per_second")

    def read(run: str) -> list[dict]:
        lines = (folder / run / "metrics.jsonl").read_text().splitlines()
        return [{k: v for k, v in json.loads(x).items() if k not in timing} for x in lines]

    assert read(name) == read("whole")
    assert [r["step"] for r in read("whole")] == list(range(STEPS + 1))
    assert all(r["loss"] is not None for r in read("whole")[1:])


def test_the_results_agree_and_samples_too(folder: Path):
    def result(run: str) -> dict:
        return {**json.loads((folder / run / "result.json").read_text()), "seconds": 0}

    for name in (f"stop{step}" for step in STOPS):
        assert result(name) == result("whole")
        mine = (folder / name / "samples.md").read_text().replace(name, "whole")
        assert mine == (folder / "whole" / "samples.md").read_text()
