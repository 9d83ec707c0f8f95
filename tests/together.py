"""Several real processes for a test, as torchrun starts them, and those that a launcher started."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bardling.run_folder import RunFolder

# tracing every process for coverage takes longer than what they do
UNTRACED = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
ENVIRONMENT = {**UNTRACED, "OMP_NUM_THREADS": "1"}


def free_port() -> int:
    """Return a port of the loopback address that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def together(script: str, *words: object, processes: int = 2) -> list[tuple[int, str, str]]:
    """Run a script in so many processes that can find each other; return code, output and errors.

    One process alone is told nothing, as without torchrun.
    """
    port, started = str(free_port()), []
    for rank in range(processes):
        seat = {
            "RANK": str(rank), "WORLD_SIZE": str(processes), "LOCAL_RANK": str(rank),
            "LOCAL_WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
            "GLOO_SOCKET_IFNAME": "lo",
        }  # fmt: skip
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", script, *map(str, words)],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                cwd=Path(__file__).parent, env=ENVIRONMENT | (seat if processes > 1 else {}),
            )
        )  # fmt: skip
    try:
        said = [child.communicate(timeout=120) for child in started]
    finally:
        for child in started:
            child.kill()
    return [(child.returncode, *words) for child, words in zip(started, said, strict=True)]


TINY = (
    *("--model.n-layer", "1", "--model.n-head", "2", "--model.n-embd", "16"),
    *("--model.block-size", "16", "--model.dropout", "0.1", "--batch-size", "8"),
    *("--log-interval-steps", "1", "--machine.compile", "off", "--no-quick-checks"),
)
"""A run of the command line whose steps take milliseconds."""


def last_step(run: RunFolder) -> int:
    """Return the last step in a run's log, 0 before there is one."""
    return max((record["step"] for record in run.metrics()), default=0)


@contextmanager
def training(*words: object) -> Iterator[subprocess.Popen[str]]:
    """Run `bardling train` in a child; neither it nor what it starts outlives the block."""
    child = subprocess.Popen(
        [sys.executable, "-m", "bardling", "train", *map(str, words)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    try:
        yield child
    finally:
        with suppress(FileNotFoundError, ProcessLookupError):  # it mostly has ended
            for pid in (*children(child.pid), child.pid):
                os.kill(pid, signal.SIGKILL)
        child.communicate()


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, oldest first."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sorted(map(int, found))


def is_alive(pid: int) -> bool:
    """Tell whether a process still runs; one that only waits to be noticed does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until(
    ready: Callable[[], bool], child: subprocess.Popen[str], seconds: float = 60
) -> None:
    """Wait for something while a child runs."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert child.poll() is None, f"it ended too early: {child.communicate()}"
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.01)
