"""A process that has torch warm and forks for each job, so that a run takes a fraction of a second.

    outcome = nursery().run(begin, folder, partial(at, 7, killed))

The job may be killed, or kill itself; what it returns or raises otherwise comes back. Nothing waits
for the disk in these children: a process that is killed leaves what it has handed over, synced or
not. What a power cut leaves is worked out in `faults`.
"""

import atexit
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from faults import Watch, watched

import bardling
from bardling import storage
from bardling.run_folder import RunFolder
from tiny import SETTINGS, Listener, write_text

HERE = Path(__file__).parent
RUN = "demo"
STEPS = 6
DEADLINE = 300  # seconds: a child that hangs is a failure, and not a test that never ends
TINIEST: dict[str, Any] = SETTINGS | {
    "n_layer": 1, "n_embd": 8, "batch_size": 2, "sample_tokens": 1, "keep_last": 1,
    "budget": f"{STEPS}steps", "eval_interval_steps": 2, "device": "cpu", "threads": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """How a job ended."""

    signal: int
    """That has ended it, 0 where none did."""
    value: Any
    """What it has returned."""
    error: str
    """What it has raised."""


@dataclass(frozen=True)
class Told:
    """What a run has said."""

    start: int
    """The step it went on from; -1 where it did not go on."""
    notes: list[str]


def begin(
    folder: Path,
    make_watch: Callable[[], Watch] | None = None,
    watcher: Listener | None = None,
    **overrides: Any,
) -> Told:
    """Train the tiniest run there is, in a folder that has its text."""
    ears = watcher or Listener()
    with watched(make_watch and make_watch()):
        bardling.train(
            folder / "sums.txt", name=RUN, runs_dir=folder, watcher=ears, **TINIEST | overrides
        )
    return _told(ears)


def go_on(folder: Path, make_watch: Callable[[], Watch] | None = None, **overrides: Any) -> Told:
    """Go on with a run, or begin again where it had not begun: its settings are written last."""
    if not RunFolder(folder / RUN).config_path.exists():
        return begin(folder, make_watch, **overrides)
    ears = Listener()
    with watched(make_watch and make_watch()):
        bardling.train_config(None, resume=folder / RUN, watcher=ears)
    return _told(ears)


def _told(ears: Listener) -> Told:
    return Told(ears.facts[0].start_step if ears.facts else -1, ears.notes)


def new_folder(parent: Path, name: str) -> Path:
    """Make a folder that has the text of a run."""
    folder = parent / name
    folder.mkdir()
    write_text(folder, n_lines=40)
    return folder


def strays(folder: Path) -> list[str]:
    """Return what should not be left in the folder of a run."""
    return [p.name for p in folder.rglob("*") if ".tmp-" in p.name or ".damaged-" in p.name]


def remains(folder: Path) -> dict[str, Any]:
    """Return what is to be the same after all that can happen to a run."""
    run = RunFolder(folder / RUN)
    whole = {step: storage.read_folder(path) for step, path in run.folders().items()}
    result = run.result()
    assert result is not None
    return {
        "steps": list(whole),
        "weights": [files["model.safetensors"] for files in whole.values()],
        "optimizer": [files["optimizer.safetensors"] for files in whole.values()],
        "losses": [record["loss"] for record in run.metrics()],
        "result": {**result, "seconds": None},
        "strays": strays(folder),
    }


def surroundings() -> dict[str, str]:
    """Return the environment of a process that has the modules of these tests."""
    folders = [str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(folders), "OMP_NUM_THREADS": "1"}


class Nursery:
    """The process, from here."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "nursery.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=surroundings(),
        )  # fmt: skip

    def try_to(
        self, job: Callable[..., Any], *words: Any, kill_after: float | None = None, **named: Any
    ) -> Outcome:
        """Let a child do a job, and kill it after so many seconds."""
        pickle.dump((partial(job, *words, **named), kill_after), self._process.stdin)
        self._process.stdin.flush()
        return pickle.load(self._process.stdout)

    def run(self, job: Callable[..., Any], *words: Any, **named: Any) -> Any:
        """Let a child do a job that has to succeed."""
        outcome = self.try_to(job, *words, **named)
        assert not outcome.error and not outcome.signal, outcome.error or outcome
        return outcome.value

    def close(self) -> None:
        """Let it end."""
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@cache
def nursery() -> Nursery:
    """Return the nursery of this process."""
    one = Nursery()
    atexit.register(one.close)
    return one


def serve() -> None:
    """Do jobs as they come, each in a child."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a job prints is no answer
    os.fsync = lambda descriptor: None
    with tempfile.TemporaryDirectory() as folder:
        begin(new_folder(Path(folder), "warm"))
    while True:
        try:
            job, kill_after = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(forked(job, kill_after), answers)
        answers.flush()


def forked(job: Callable[[], Any], kill_after: float | None) -> Outcome:
    """Do a job in a child."""
    mine, its = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(mine)
        signal.alarm(DEADLINE)
        value, error = None, ""
        try:
            value = job()
        except BaseException:
            error = traceback.format_exc()
        with os.fdopen(its, "wb") as told:
            pickle.dump((value, error), told)
        os._exit(0)
    os.close(its)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(pid, signal.SIGKILL)
    with os.fdopen(mine, "rb") as told:
        said = told.read()
    _, status = os.waitpid(pid, 0)
    value, error = pickle.loads(said) if said else (None, "")
    return Outcome(os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, value, error)


if __name__ == "__main__":
    from nursery import serve as serve_as_module  # jobs name their functions by it

    serve_as_module()
