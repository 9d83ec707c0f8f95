"""Runs that are stopped and gone on with in other processes, and how two runs are compared.

    python tests/resuming.py TEXT FOLDER SITTINGS

takes some sittings one after the other and prints how each ended.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from bardling.api import train, train_config
from bardling.checkpoint import Checkpoint, load_checkpoint
from bardling.errors import Interrupted
from bardling.reporting.watcher import Watcher
from bardling.run_folder import RunFolder
from bardling.training.state import RunState
from bardling.training.step import StepResult

STOPPED = 130
SETTINGS: dict[str, Any] = {
    "n_head": 2, "n_embd": 16, "block_size": 16, "dropout": 0.2, "order": "shuffled", "lr": 1e-2,
    "warmup_fraction": 0.3, "schedule": "cosine", "log_interval_steps": 1, "sample_tokens": 5,
    "val_fraction": 0.2, "seed": 3,
}  # fmt: skip
TIMING = frozenset({"seconds", "tokens_per_second"})


@dataclass(frozen=True, kw_only=True)
class Sitting:
    """A part of a run: up to the step it is stopped after, or to its end."""

    name: str
    stop: int = 0
    settings: Mapping[str, Any] | None = None
    """What a run begins by, besides `SETTINGS`; None goes on with one."""


class StopsAt(Watcher):
    """Presses Ctrl-C during a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def stepped(self, result: StepResult, tokens_per_second: float) -> None:
        if result.step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


def sit(
    text: Path, folder: Path, sittings: Sequence[Sitting], *, compiled: bool = False
) -> list[int]:
    """Take sittings in a new process; return 0 for each that came to its end, 130 for others."""
    words = [str(text), str(folder), json.dumps([asdict(sitting) for sitting in sittings])]
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": f"{folder}/cache"}
    if compiled:  # tracing the compiler for coverage takes longer than compiling
        environment = {k: v for k, v in environment.items() if not k.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, __file__, *words], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return [int(code) for code in done.stdout.split()]


def take(text: str, folder: Path, sitting: Sitting) -> int:
    watcher = StopsAt(sitting.stop)
    try:
        if sitting.settings is None:
            train_config(None, resume=folder / sitting.name, watcher=watcher)
        else:
            settings = SETTINGS | dict(sitting.settings)
            train(text, name=sitting.name, runs_dir=folder, watcher=watcher, **settings)
    except Interrupted as stopped:
        return stopped.exit_code
    return 0


def last(run: RunFolder) -> Checkpoint:
    return load_checkpoint(run.checkpoint_path(run.steps()[-1]))


def place(state: RunState) -> dict[str, Any]:
    """Return where a run stands, without what took time."""
    latest = {name: value for name, value in state.latest.items() if name not in TIMING}
    return {**vars(state), "seconds": 0.0, "latest": latest}


def compare_weights(folder: Path, name: str, whole: str = "whole") -> None:
    """Find the same bits in weights and optimizer of two runs, and the same place."""
    mine, other = (last(RunFolder(folder / run)) for run in (name, whole))
    for one, another in ((mine.weights, other.weights), (mine.optimizer, other.optimizer)):
        assert one.keys() == another.keys()
        for key, tensor in one.items():
            assert torch.equal(tensor, another[key]), key
    assert mine.config == other.config
    assert place(mine.state) == place(other.state)


def compare_logs(folder: Path, name: str, whole: str = "whole") -> None:
    """Find the same lines in two logs, but for times; JSON has every bit of a number."""

    mine, other = (
        [
            {key: value for key, value in json.loads(line).items() if key not in TIMING}
            for line in (folder / run / "metrics.jsonl").read_text().splitlines()
        ]
        for run in (name, whole)
    )
    assert mine == other
    assert [line["step"] for line in other] == list(range(len(other)))
    assert all(line["loss"] is not None for line in other[1:])


def compare_results(folder: Path, name: str, whole: str = "whole") -> None:
    """Find the same outcome and the same samples."""

    def result(run: str) -> dict:
        return {**json.loads((folder / run / "result.json").read_text()), "seconds": 0}

    assert result(name) == result(whole)
    mine = (folder / name / "samples.md").read_text().replace(name, whole)
    assert mine == (folder / whole / "samples.md").read_text()


def main() -> None:
    """Take the sittings that the command line names."""
    text, folder, sittings = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    for sitting in sittings:
        print(take(text, folder, Sitting(**sitting)))


if __name__ == "__main__":
    main()
