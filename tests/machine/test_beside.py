"""Work beside the caller's own: one piece at a time, and no error of it is lost."""

import os
import subprocess
import sys
import threading
import time

import pytest

from bardling.machine.beside import Beside
from bardling.machine.stop import StopRequest

SECONDS = 30  # of patience; nothing here takes as long


def failing() -> None:
    raise OSError("no room")


def wait_for(beside: Beside) -> None:
    """Let the work end without asking for what came of it."""
    beside._thread.join(SECONDS)


def test_the_caller_goes_on_meanwhile():
    beside, go, done = Beside(), threading.Event(), []
    beside.begin(lambda: done.append(go.wait(SECONDS)))
    beside.look()
    assert done == []
    go.set()
    beside.settle()
    assert done == [True]


def test_what_comes_next_waits_for_what_came_before():
    beside, done = Beside(), []

    def slow() -> None:
        time.sleep(0.05)
        done.append("first")

    beside.begin(slow)
    beside.begin(lambda: done.append("second"))
    beside.settle()
    assert done == ["first", "second"]


@pytest.mark.parametrize("ask", [Beside.look, Beside.settle, lambda b: b.begin(failing)])
def test_an_error_is_raised_once_to_whoever_asks_next(ask):
    beside = Beside()
    beside.begin(failing)
    wait_for(beside)
    with pytest.raises(OSError, match="no room"):
        ask(beside)
    beside.settle()


def test_at_the_end_of_its_context_it_waits_and_raises():
    with pytest.raises(OSError, match="no room"), Beside() as beside:
        beside.begin(failing)


def test_another_error_waits_for_it_and_is_the_one_that_is_told():
    done = []

    def slow() -> None:
        time.sleep(0.05)
        done.append(True)
        failing()

    with pytest.raises(ZeroDivisionError), Beside() as beside:
        beside.begin(slow)
        1 / 0  # noqa: B018
    assert done == [True]


def test_who_insists_on_leaving_does_not_wait(monkeypatch):
    monkeypatch.setattr(StopRequest, "owns_process", True)
    go = threading.Event()
    with pytest.raises(KeyboardInterrupt), Beside() as beside:
        beside.begin(lambda: go.wait(SECONDS) and None)
        raise KeyboardInterrupt
    assert not go.is_set()
    go.set()


def test_where_the_process_goes_on_the_work_is_waited_for():
    """In a notebook, whose next cell may go on with the same run."""
    done = []

    def slow() -> None:
        time.sleep(0.05)
        done.append(True)

    with pytest.raises(KeyboardInterrupt), Beside() as beside:
        beside.begin(slow)
        raise KeyboardInterrupt
    assert done == [True]


def test_a_process_that_ends_does_not_wait_either():
    script = (
        "import time; from bardling.machine.beside import Beside; b = Beside(); "
        "b.begin(lambda: time.sleep(60)); raise KeyboardInterrupt"
    )
    began = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert ended.returncode != 0
    assert time.monotonic() - began < SECONDS


NICENESS = """
import os, sys, threading
from bardling.machine.beside import Beside
os.nice(int(sys.argv[1]))
beside, found = Beside(), []
beside.begin(lambda: found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id())))
beside.settle()
print(found[0], os.getpriority(os.PRIO_PROCESS, 0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness for each thread")
@pytest.mark.parametrize("nice", [0, 15, 19])
def test_it_lets_those_who_compute_go_first(nice):
    command = [sys.executable, "-c", NICENESS, str(nice)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    mine = os.getpriority(os.PRIO_PROCESS, 0) + nice
    assert [*map(int, said)] == [min(mine + 10, 19), min(mine, 19)]


def test_it_works_where_nobody_may_be_nicer(monkeypatch):
    def refused(*given):
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", refused)
    beside, done = Beside(), []
    beside.begin(lambda: done.append(True))
    beside.settle()
    assert done == [True]
