"""A real run in a real process is stopped by a signal: nothing is lost, and it goes on exactly.

One run is stopped by SIGINT, goes on, is stopped by SIGTERM and goes on to its end, beside one
that nothing disturbs. Another gets a second signal in the middle of a long step.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from bardling.checkpoint import load_checkpoint
from bardling.run_folder import RunFolder
from tiny import write_text

SECONDS_TO_STOP = 10
STEPS = 600
TINY = (
    *("--model.n-layer", "1", "--model.n-head", "2", "--model.n-embd", "16"),
    *("--model.block-size", "16", "--model.dropout", "0.1", "--sample-tokens", "0"),
    *("--log-interval-steps", "1", "--machine.precision", "fp32", "--machine.compile", "off"),
)
OPTIONS = (*TINY, "--batch-size", "8", "--budget", f"{STEPS}steps", "--eval-interval-steps", "300")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Stopped:
    """How a stopped child ended, and the checkpoints it left."""

    code: int
    seconds: float
    err: str
    steps: list[int]


@contextmanager
def training(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Run `bardling train` in a child, which does not outlive the test."""
    child = subprocess.Popen(
        [sys.executable, "-m", "bardling", "train", *words],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def wait_until(ready: Callable[[], bool], child: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        assert child.poll() is None, f"it ended before it could be stopped: {child.stderr.read()}"
        assert time.monotonic() < deadline, "it does not train"
        time.sleep(0.01)


def steps_done(run: RunFolder) -> int:
    return max((record["step"] for record in run.metrics()), default=0)


def stop(words: tuple[str, ...], run: RunFolder, number: int, *, after: int) -> Stopped:
    """Train until a step is done, send a signal, and wait for the end."""
    with training(*words) as child:
        wait_until(lambda: steps_done(run) >= after, child)
        began = time.monotonic()
        child.send_signal(number)
        _, err = child.communicate(timeout=SECONDS_TO_STOP)
    return Stopped(child.returncode, time.monotonic() - began, err, run.steps())


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("interrupt")
    write_text(folder, n_lines=400)
    return folder


def beginning(folder: Path, name: str, options: tuple[str, ...]) -> tuple[str, ...]:
    return (str(folder / "sums.txt"), "--name", name, "--runs-dir", str(folder / "runs"), *options)


@pytest.fixture(scope="module")
def stops(folder: Path) -> list[Stopped]:
    run = RunFolder(folder / "runs" / "stopped")
    first = stop(beginning(folder, "stopped", OPTIONS), run, signal.SIGINT, after=20)
    words = ("--resume", str(run.path))
    return [first, stop(words, run, signal.SIGTERM, after=first.steps[-1] + 20)]


@pytest.mark.parametrize(("which", "code"), [(0, 130), (1, 143)])
def test_it_stops_soon_with_its_code_and_says_how_to_go_on(folder, stops, which, code):
    stopped = stops[which]
    assert stopped.code == code
    assert stopped.seconds < SECONDS_TO_STOP
    assert stopped.err == (
        f"bardling: stopped at step {stopped.steps[-1]} of {STEPS}, saved; "
        f"go on with: bardling train --resume {folder / 'runs' / 'stopped'}\n"
    )


def test_the_step_at_which_it_stopped_was_saved(stops):
    first, second = stops
    assert 20 <= first.steps[-1] < second.steps[-1] < STEPS
    assert first.steps[0] == second.steps[0] == 0


def test_going_on_gives_the_bits_of_an_uninterrupted_run(folder, stops):
    both = (
        "import sys; from bardling.cli import main\n"
        "sys.exit(main(['train', '--resume', sys.argv[1]]) or main(['train', *sys.argv[2:]]))"
    )
    words = (str(folder / "runs" / "stopped"), *beginning(folder, "whole", OPTIONS))
    done = subprocess.run(
        [sys.executable, "-c", both, *words], capture_output=True, text=True, env=ENVIRONMENT
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"goes on from step {stops[-1].steps[-1]}\n" in done.stdout
    whole, resumed = (
        load_checkpoint(RunFolder(folder / "runs" / name).checkpoint_path(STEPS))
        for name in ("whole", "stopped")
    )
    assert whole.config == resumed.config
    for mine, theirs in ((whole.weights, resumed.weights), (whole.optimizer, resumed.optimizer)):
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)


# Step 2 never ends: it says when it has begun, and when the first signal has been heard.
STUCK = """
import signal, sys, time
from bardling import lesson
from bardling.cli import main

real, parts = lesson.pretraining_loss, iter(range(1000))

def stuck_in_step_2(model, batch):
    if next(parts) == 2:
        asked = signal.getsignal(signal.SIGINT)
        print("begun", flush=True)
        for _ in range(500):
            if signal.getsignal(signal.SIGINT) is not asked:
                print("heard", flush=True)
                break
            time.sleep(0.01)
        time.sleep(15)
    return real(model, batch)

lesson.pretraining_loss = stuck_in_step_2
sys.exit(main(["train", *sys.argv[1:]]))
"""


def test_a_second_signal_ends_at_once_and_older_checkpoints_load(folder):
    run = RunFolder(folder / "runs" / "twice")
    options = (*TINY, "--batch-size", "4", "--accumulate", "2", "--budget", "9steps")
    words = beginning(folder, "twice", (*options, "--eval-interval-steps", "1"))
    with subprocess.Popen(
        [sys.executable, "-c", STUCK, *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
    ) as child:  # fmt: skip
        for word in ("begun\n", "heard\n"):
            assert word in iter(child.stdout.readline, ""), "it ended before it could be stopped"
            began = time.monotonic()
            child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=SECONDS_TO_STOP)
    assert time.monotonic() - began < SECONDS_TO_STOP
    assert (child.returncode, err) == (
        130, "bardling: stopped at once; what was saved before stays\n"
    )  # fmt: skip
    assert run.steps() == [0, 1]
    assert [load_checkpoint(run.checkpoint_path(step)).state.step for step in (0, 1)] == [0, 1]
