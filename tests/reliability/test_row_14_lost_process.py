"""A process that is lost ends the job within a minute, and what is started anew goes on.

Every process here is real, and killed for real.
"""

import os
import shutil
import signal
import subprocess
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch
from promises import Protection

import bardling
from bardling.checkpoint import load_checkpoint
from bardling.run_folder import RunFolder
from tiny import write_text
from together import TINY, children, is_alive, last_step, training, wait_until

STEPS = 240
OPTIONS = (
    *(*TINY, "--machine.precision", "fp64", "--budget", f"{STEPS}steps", "--sample-tokens", "0"),
    *("--eval-interval-steps", "40", "--nproc", "2"),
)
TIMES = ("seconds", "tokens_per_second")

PROTECTIONS = (
    Protection(
        file="api.py",
        line='wanted = "auto" if resume is None and restarts else resume',
        broken="wanted = resume",
        test="test_a_restart_goes_on_and_ends_at_the_losses_of_an_undisturbed_run",
    ),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("lost")
    write_text(folder)
    return folder


def start(folder: Path, name: str, *options: str) -> AbstractContextManager[subprocess.Popen[str]]:
    words = (folder / "sums.txt", "--name", name, "--runs-dir", folder, *OPTIONS)
    return training(*words, *options)


def lose_one(folder: Path, name: str, *options: str) -> tuple[int, str, float, list[int]]:
    """Kill one of two processes in mid-step; return code, errors, seconds, and all processes."""
    with start(folder, name, *options) as child:
        wait_until(lambda: last_step(RunFolder(folder / name)) >= 60, child)
        both, began = children(child.pid), time.monotonic()
        assert len(both) == 2
        os.kill(both[1], signal.SIGKILL)
        wait_until(lambda: not is_alive(both[0]), child)
        took = time.monotonic() - began
        _, err = child.communicate(timeout=100)
    return child.returncode, err, took, both


@pytest.fixture(scope="module")
def undisturbed(folder) -> RunFolder:
    with start(folder, "whole") as child:
        _, err = child.communicate(timeout=100)
    assert (child.returncode, err) == (0, "")
    return RunFolder(folder / "whole")


@pytest.fixture(scope="module")
def lost(folder, undisturbed) -> tuple[int, str, float, list[int]]:
    return lose_one(folder, "lost")


def test_the_other_process_ends_and_says_why(lost, record_property):
    code, err, took, both = lost
    assert code == 1
    assert err == (
        "bardling: another process of this run is gone, so this one ends too; the last checkpoint "
        "stands: start all of them again with --resume auto\n"
    )
    assert took < 60 and not any(map(is_alive, both))
    record_property("measured", f"the other of two ends after {took:.1f} s")


def losses(run: RunFolder) -> list[dict]:
    return [{k: v for k, v in line.items() if k not in TIMES} for line in run.metrics()]


def test_a_restart_goes_on_and_ends_at_the_losses_of_an_undisturbed_run(
    folder, undisturbed, record_property
):
    code, err, _, _ = lose_one(folder, "again", "--max-restarts", "1")
    assert code == 0 and err.count("another process of this run is gone") == 1
    again = RunFolder(folder / "again")
    assert losses(again) == losses(undisturbed)
    mine, other = (load_checkpoint(r.checkpoint_path(STEPS)) for r in (again, undisturbed))
    assert all(torch.equal(w, other.weights[name]) for name, w in mine.weights.items())
    record_property("measured", "started anew, all losses and weights are equal bit for bit")


def test_one_process_goes_on_where_two_were(folder, undisturbed, lost, record_property):
    run = RunFolder(shutil.copytree(folder / "lost", folder / "alone"))
    bardling.train_config(None, resume=run.path)
    far = max(
        abs(mine["loss"] - other["loss"])
        for mine, other in zip(losses(run)[1:], losses(undisturbed)[1:], strict=True)
    )
    assert len(losses(run)) == STEPS + 1 and far <= 1e-10
    record_property("measured", f"gone on with by one of two: losses within {far:.0e} in float64")
