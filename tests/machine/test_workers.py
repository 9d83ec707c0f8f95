"""Processes that work for this one: what is told of one that was killed, and how they end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bardling.errors import UsageError
from bardling.machine.workers import workers


def die(lot):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_is_killed_is_told_in_a_sentence():
    with pytest.raises(UsageError, match="processes was killed"), workers(2) as pool:
        pool.submit(die, None).result()


def test_workers_end_with_their_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    children = [int(word) for word in parent.stdout.readline().split()]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any(map(is_alive, children)):
        time.sleep(0.05)
    assert len(children) == 2 and not any(map(is_alive, children))


PARENT = """
import os, time
from bardling.machine.workers import workers
if __name__ == "__main__":
    with workers(2) as pool:
        found = [pool.submit(time.sleep, 0.5) for _ in range(4)]
        [one.result() for one in found]
        print(*pool._processes, flush=True)
        time.sleep(60)
"""


def is_alive(pid):
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
