"""Resumed = uninterrupted, bit for bit: in a new process, at five stop points, and twice over.

The run has everything that could lose its place: dropout, accumulation, warm-up and a falling
rate, weight decay, shuffled epochs that end inside a batch, validations and early stopping. It is
taken in three ways: plainly, compiled in bf16 with Muon, and in fp16 with its loss scale.
"""

from pathlib import Path
from typing import Any

import pytest

from bardling.checkpoint import load_checkpoint
from resuming import STOPPED, Sitting, compare_logs, compare_results, compare_weights, sit
from tiny import write_text

STEPS = 24
STOPS = (1, 6, 9, 13, 23)  # first step, at a validation, before and after an epoch's end, last
SETTINGS = {"budget": f"{STEPS}steps", "eval_interval_steps": 6, "patience": 50}
PARTS = {"batch_size": 7, "accumulate": 3}
WAYS: dict[str, dict[str, Any]] = {
    "plain": {"n_layer": 2, "optimizer": "adamw", "precision": "fp32", "compile": "off", **PARTS},
    # two parts alike: every shape is compiled anew
    "fast": {
        "n_layer": 1, "optimizer": "muon", "precision": "bf16", "compile": "on",
        "batch_size": 6, "accumulate": 2,
    },
    "half": {"n_layer": 1, "optimizer": "sgd", "precision": "fp16", "compile": "off", **PARTS},
}  # fmt: skip
NAMES = {f"stop{step}": step for step in STOPS}


@pytest.fixture(scope="module", params=["plain", pytest.param("half", marks=pytest.mark.slow)])
def folder(request, tmp_path_factory) -> Path:
    """Return a folder with runs that were stopped and went on, beside those that were not."""
    folder, settings = tmp_path_factory.mktemp("resume"), SETTINGS | WAYS[request.param]
    text = write_text(folder, n_lines=60)
    stops = {"whole": 0, "twice": 5, **NAMES}
    begin = [Sitting(name=n, stop=stop, settings=settings) for n, stop in stops.items()]
    assert sit(text, folder, begin) == [0] + [STOPPED] * (1 + len(STOPS))
    going_on = [Sitting(name="twice", stop=17), *(Sitting(name=name) for name in NAMES)]
    assert sit(text, folder, going_on) == [STOPPED] + [0] * len(STOPS)
    assert sit(text, folder, [Sitting(name="twice")]) == [0]
    return folder


@pytest.mark.slow
def test_compiled_in_bf16_a_run_is_the_same_bits_however_often_it_is_stopped(tmp_path):
    text, settings = write_text(tmp_path, n_lines=60), SETTINGS | WAYS["fast"]
    first, *later = STOPS

    def compiled(*sittings: Sitting) -> list[int]:
        return sit(text, tmp_path, sittings, compiled=True)

    whole = Sitting(name="whole", settings=settings)
    assert compiled(whole, Sitting(name="stopped", stop=first, settings=settings)) == [0, STOPPED]
    for step in later:  # each in a new process, from where the one before was stopped
        assert compiled(Sitting(name="stopped", stop=step)) == [STOPPED]
    assert compiled(Sitting(name="stopped")) == [0]
    compare_weights(tmp_path, "stopped")
    assert compiled(Sitting(name="again", settings=settings)) == [0]
    compare_weights(tmp_path, "again")  # two whole runs agree
    assert load_checkpoint(tmp_path / "whole/checkpoints/step-000024").state.conditions.compiled
    compare_logs(tmp_path, "stopped")


@pytest.mark.parametrize("name", [*NAMES, "twice"])
def test_weights_and_optimizer_are_the_same_bits(folder: Path, name: str):
    compare_weights(folder, name)


@pytest.mark.parametrize("name", [*NAMES, "twice"])
def test_the_log_reads_as_if_nothing_had_happened(folder: Path, name: str):
    compare_logs(folder, name)


@pytest.mark.parametrize("name", [*NAMES, "twice"])
def test_the_results_agree_and_samples_too(folder: Path, name: str):
    compare_results(folder, name)
