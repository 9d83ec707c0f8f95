"""Resumed = uninterrupted, bit for bit: in a new process, at five stop points, and twice over.

The run has everything that could lose its place: dropout, accumulation, warm-up and a falling
rate, weight decay, shuffled epochs that end inside a batch, validations and early stopping. It is
taken in three ways: plainly, compiled in bf16 with Muon, and in fp16 with its loss scale.
"""

import json
import os
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

text, folder = sys.argv[1], Path(sys.argv[2])
stops, again, settings = map(eval, sys.argv[3:])

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
                n_head=2, n_embd=16, block_size=16,
                dropout=0.2, warmup_fraction=0.3, schedule="cosine", order="shuffled", lr=1e-2,
                eval_interval_steps=6, log_interval_steps=1, patience=50, sample_tokens=5,
                val_fraction=0.2, seed=3, **settings,
            )
    except Interrupted as stopped:
        print(stopped.exit_code)
"""


PARTS = {"batch_size": 7, "accumulate": 3}
WAYS: dict[str, dict] = {
    "plain": {"n_layer": 2, "optimizer": "adamw", "precision": "fp32", "compile": "off", **PARTS},
    # two parts alike: every shape is compiled anew
    "fast": {
        "n_layer": 1, "optimizer": "muon", "precision": "bf16", "compile": "on",
        "batch_size": 6, "accumulate": 2,
    },
    "half": {"n_layer": 1, "optimizer": "sgd", "precision": "fp16", "compile": "off", **PARTS},
}  # fmt: skip
# tracing the compiler for coverage takes longer than compiling
UNTRACED = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}


def child(text: Path, folder: Path, stops: dict[str, int], settings: dict, *, again: bool):
    words = [str(text), str(folder), repr(stops), repr(again), repr(settings)]
    env = os.environ if settings["compile"] == "off" else UNTRACED
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words],
        capture_output=True, text=True, env={**env, "TORCHINDUCTOR_CACHE_DIR": f"{folder}/cache"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture(scope="module", params=["plain", pytest.param("half", marks=pytest.mark.slow)])
def folder(request, tmp_path_factory) -> Path:
    """Return a folder with runs that were stopped and went on, beside those that were not."""
    folder, settings = tmp_path_factory.mktemp("resume"), WAYS[request.param]
    text = write_text(folder, n_lines=60)
    names = {f"stop{step}": step for step in STOPS}
    stopped = child(text, folder, {"whole": 0, "twice": 5, **names}, settings, again=False)
    assert stopped == ["130"] * (1 + len(STOPS))
    going_on = {**dict.fromkeys(names, 0), "twice": 17}
    assert child(text, folder, going_on, settings, again=True) == ["130"]
    assert child(text, folder, {"twice": 0}, settings, again=True) == []
    return folder


@pytest.mark.slow
def test_compiled_in_bf16_a_run_is_the_same_bits_however_often_it_is_stopped(tmp_path):
    text, settings = write_text(tmp_path, n_lines=60), WAYS["fast"]
    first, *later = STOPS
    both = {"whole": 0, "stopped": first}
    assert child(text, tmp_path, both, settings, again=False) == ["130"]
    for step in later:  # each in a new process, from where the one before was stopped
        assert child(text, tmp_path, {"stopped": step}, settings, again=True) == ["130"]
    assert child(text, tmp_path, {"stopped": 0}, settings, again=True) == []
    compare_weights(tmp_path, "stopped")
    assert child(text, tmp_path, {"again": 0}, settings, again=False) == []
    compare_weights(tmp_path, "again")  # two whole runs agree
    assert load_checkpoint(tmp_path / "whole/checkpoints/step-000024").state.conditions.compiled
    compare_logs(tmp_path, "stopped")


def compare_weights(folder: Path, name: str) -> None:
    whole = load_checkpoint(RunFolder(folder / "whole").checkpoint_path(STEPS))
    other = load_checkpoint(RunFolder(folder / name).checkpoint_path(STEPS))
    for mine, theirs in ((whole.weights, other.weights), (whole.optimizer, other.optimizer)):
        assert mine.keys() == theirs.keys()
        for key, tensor in mine.items():
            assert torch.equal(tensor, theirs[key]), key
    assert whole.config == other.config
    assert whole.state.conditions == other.state.conditions
    assert whole.state.loss_scale == other.state.loss_scale


@pytest.mark.parametrize("name", [*(f"stop{step}" for step in STOPS), "twice"])
def test_weights_and_optimizer_are_the_same_bits(folder: Path, name: str):
    compare_weights(folder, name)


@pytest.mark.parametrize("name", [*(f"stop{step}" for step in STOPS), "twice"])
def test_the_log_reads_as_if_nothing_had_happened(folder: Path, name: str):
    compare_logs(folder, name)


def compare_logs(folder: Path, name: str) -> None:
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
