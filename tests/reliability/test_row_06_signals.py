"""SIGINT or SIGTERM: the step is finished, the run saved, the process gone, with its code.

Real processes get real signals, at moments that nobody chose, and go on afterwards to the bits of a
run that was left alone. The places of a run one by one (a validation, a save, a slow step, while
something is compiled) are in tests/test_trainer.py and tests/journeys/test_interrupt.py.
"""

import os
import random
import signal
import subprocess
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch
from promises import Protection

from bardling.checkpoint import load_checkpoint
from bardling.machine import stop as stopping
from bardling.run_folder import RunFolder
from tiny import write_text
from together import TINY, children, is_alive, last_step, training, wait_until

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
SECONDS = 10
STEPS = 140
OPTIONS = (
    *(*TINY, "--machine.precision", "fp32", "--accumulate", "2", "--budget", f"{STEPS}steps"),
    *("--eval-interval-steps", "10", "--sample-tokens", "20"),
)

PROTECTIONS = (
    Protection(
        file="trainer.py",
        line="if asked := self.team.most(self.stop.signal_number):",
        broken="if asked := self.stop.signal_number:",
        test="test_two_processes_end_together_and_go_on_exactly[one]",
    ),
    Protection(
        file="machine/stop.py",
        line="if self and now - self._asked_at > ECHO_SECONDS:",
        broken="if self:",
        test="test_in_company_the_same_stop_twice_is_one_and_a_later_one_insists",
    ),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("signals")
    write_text(folder)
    return folder


def start(folder: Path, name: str, *options: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """Begin the run of that name, or go on with it when there is one."""
    if RunFolder(folder / name).is_run():
        return training("--resume", folder / name, *options)
    words = (folder / "sums.txt", "--name", name, "--runs-dir", folder, *OPTIONS)
    return training(*words, *options)


def finish(folder: Path, name: str, *options: str) -> float:
    """Let a run come to its end; return how long that took."""
    began = time.monotonic()
    with start(folder, name, *options) as child:
        _, err = child.communicate(timeout=120)
    assert (child.returncode, err) == (0, "")
    return time.monotonic() - began


def same(folder: Path, name: str, whole: str) -> bool:
    mine, other = (
        load_checkpoint(RunFolder(folder / run).checkpoint_path(STEPS)) for run in (name, whole)
    )
    return all(torch.equal(w, other.weights[k]) for k, w in mine.weights.items()) and all(
        torch.equal(w, other.optimizer[k]) for k, w in mine.optimizer.items()
    )


@pytest.fixture(scope="module")
def seconds(folder) -> float:
    """Return how long the undisturbed run takes."""
    return finish(folder, "whole")


@pytest.mark.parametrize("count", [1, pytest.param(20, marks=pytest.mark.sweep)])
def test_at_any_moment_it_leaves_in_time_and_goes_on_exactly(
    folder, seconds, count, record_property
):
    chance, slowest, exact = random.Random(count), 0.0, 0
    for number in range(count):
        name = f"at-{count}-{number}"
        stop = chance.choice(list(CODES))
        with start(folder, name) as child:
            time.sleep(chance.uniform(0.3, 0.95) * seconds)
            began, ended = time.monotonic(), child.poll()
            child.send_signal(stop)
            _, err = child.communicate(timeout=30)
        took = time.monotonic() - began
        assert ended is not None or child.returncode in (CODES[stop], 0, -stop), err
        assert took < SECONDS
        slowest = max(slowest, took)
        finish(folder, name)
        exact += same(folder, name, "whole")
    assert exact == count
    record_property("measured", f"{exact} of {count} exact, the slowest left after {slowest:.1f} s")


@pytest.fixture(scope="module")
def pair(folder) -> str:
    """Return the name of a run that two processes made undisturbed."""
    finish(folder, "pair", "--nproc", "2")
    return "pair"


@pytest.mark.parametrize("who", ["all", pytest.param("one", marks=pytest.mark.sweep)])
def test_two_processes_end_together_and_go_on_exactly(folder, pair, who, record_property):
    """A terminal sends Ctrl-C to all; a machine may ask one of them only."""
    with start(folder, who, "--nproc", "2") as child:
        wait_until(lambda: last_step(RunFolder(folder / who)) >= 35, child)
        both, began = children(child.pid), time.monotonic()
        if who == "all":
            for pid in (*both, child.pid):
                os.kill(pid, signal.SIGINT)
        else:
            os.kill(both[1], signal.SIGTERM)
        _, err = child.communicate(timeout=30)
    took = time.monotonic() - began
    assert child.returncode == (130 if who == "all" else 143), err
    step = RunFolder(folder / who).steps()[-1]
    assert err == (
        f"bardling: stopped at step {step} of {STEPS}, saved; "
        f"go on with: bardling train --resume {folder / who}\n"
    )
    assert took < SECONDS and not any(map(is_alive, both))
    finish(folder, who, "--nproc", "2")
    assert same(folder, who, pair)
    record_property("measured", f"two processes, {who} asked: left after {took:.1f} s, exact")


@pytest.mark.parametrize("asked", [0, 1])
def test_two_processes_leave_while_one_prepares_the_text(folder, asked, record_property):
    """Process 0 works, the other waits; either may be the one that hears of a stop."""
    name = f"preparing-{asked}"
    words = ("stories", "--max-tokens", "30000000", "--name", name, "--runs-dir", folder, *OPTIONS)
    with training(*words, "--nproc", "2") as child:
        wait_until(lambda: len(children(child.pid)) == 2, child)
        both, run = children(child.pid), RunFolder(folder / name)
        wait_until(lambda: run.tokens_path.is_dir(), child)
        os.kill(both[asked], signal.SIGTERM)
        began = time.monotonic()
        _, err = child.communicate(timeout=30)
    took = time.monotonic() - began
    assert child.returncode == 143, err
    assert err.count("\n") <= 1 and "Traceback" not in err
    assert took < SECONDS and not any(map(is_alive, both))
    assert not run.config_path.exists() or run.config() is not None  # sealed in time, or not
    record_property("measured", f"while the text is prepared: left after {took:.1f} s")


@pytest.mark.parametrize("number", CODES)
def test_in_company_the_same_stop_twice_is_one_and_a_later_one_insists(number, monkeypatch):
    """Ctrl-C reaches every process, and the launcher sends it on."""
    heard, before = [], signal.signal(number, lambda *_: heard.append(number))
    try:
        with stopping.StopRequest(others=True) as stop:
            for _ in range(2):
                os.kill(os.getpid(), number)
                time.sleep(0.01)
                with stop.at_once():  # nobody leaves alone
                    assert stop.signal_number == number and heard == []
            monkeypatch.setattr(stopping, "ECHO_SECONDS", 0.0)
            os.kill(os.getpid(), number)
            time.sleep(0.01)
            assert heard == [number]
    finally:
        signal.signal(number, before)
