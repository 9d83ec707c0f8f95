"""The folder of a run: what lies where, read without torch.

    runs/NAME/
        config.json       the run's settings, written last when the folder is set up
        tokenizer.json    and tokenizer_config.json, as Hugging Face has them
        tokens/           train.bin and val.bin, the corpus in the run's own tokens
        metrics.jsonl     one JSON object a line
        samples.md        what the model wrote at each validation
        checkpoints/      step-000200/ and so on; see checkpoint.py
        result.json       the last and the best step, once the run has ended

`RunFolder` knows these places and reads the small files among them; what is in a checkpoint is
left to checkpoint.py.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bardling import storage
from bardling.config import RunConfig
from bardling.errors import CheckpointError, ConfigError, StorageError, UsageError, nearest

_STEP = re.compile(r"step-(\d{6,})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class RunFolder:
    """The paths inside one run's folder, and the facts that can be read from its files."""

    path: Path

    @property
    def name(self) -> str:
        """The run's name, also where the path is a dot."""
        return self.path.absolute().name

    @property
    def config_path(self) -> Path:
        """The settings; there once the folder is set up."""
        return self.path / "config.json"

    @property
    def metrics_path(self) -> Path:
        """The log, one JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def samples_path(self) -> Path:
        """What the model wrote at each validation."""
        return self.path / "samples.md"

    @property
    def result_path(self) -> Path:
        """The outcome; there once the run has ended."""
        return self.path / "result.json"

    @property
    def checkpoints_path(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    def tokens_path(self, split: str) -> Path:
        """Return the token file of a split."""
        return self.path / "tokens" / f"{split}.bin"

    def checkpoint_path(self, step: int) -> Path:
        """Return the folder of one step's checkpoint, whether or not it is there."""
        return self.checkpoints_path / f"step-{step:06d}"

    def steps(self) -> list[int]:
        """Return the steps that have a checkpoint with a manifest, oldest first."""
        if not self.checkpoints_path.is_dir():
            return []
        found = ((_STEP.fullmatch(p.name), p) for p in self.checkpoints_path.iterdir())
        return sorted(int(m[1]) for m, p in found if m and storage.is_published(p))

    def config(self) -> RunConfig:
        """Return the run's settings."""
        try:
            return RunConfig.from_json(storage.read_json(self.config_path))
        except ConfigError as error:
            raise ConfigError(f"{self.config_path}: {error}") from error

    def result(self) -> dict[str, Any] | None:
        """Return what `result.json` says, or None while the run has not ended."""
        if not self.result_path.is_file():
            return None
        match storage.read_json(self.result_path):
            case {"best": {"val_loss": _}, "last": {"step": _}} as result:
                return dict(result)
        raise StorageError(f"{self.result_path} does not say what came out; remove it")

    def metrics(self) -> list[dict[str, Any]]:
        """Return the log; a last line that was cut short by a crash is left out."""
        if not self.metrics_path.is_file():
            return []
        lines = storage.read_text(self.metrics_path).splitlines()
        records = []
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line)
            except ValueError as error:
                if number == len(lines):
                    break
                raise StorageError(f"{self.metrics_path}, line {number}: {error}") from error
            if not isinstance(record, dict) or not isinstance(record.get("step"), int):
                raise StorageError(f"{self.metrics_path}, line {number} has no step")
            records.append(record)
        return records

    def log(self, record: Mapping[str, Any]) -> None:
        """Add one line to the log."""
        storage.append_line(self.metrics_path, json.dumps(record, allow_nan=False))

    def forget_after(self, step: int) -> None:
        """Take out of the log what a run wrote after the checkpoint it now goes on from."""
        self._rewrite([r for r in self.metrics() if r["step"] <= step])

    def _rewrite(self, records: Iterable[Mapping[str, Any]]) -> None:
        storage.write_text(self.metrics_path, "".join(json.dumps(r) + "\n" for r in records))


def runs_folder(chosen: Path | None = None) -> Path:
    """Return where runs live: the folder chosen, else `BARDLING_RUNS`, else `./runs`."""
    return chosen or Path(os.environ.get("BARDLING_RUNS") or "runs")


def list_runs(folder: Path) -> list[RunFolder]:
    """Return the runs of a folder whose set-up is complete, oldest first."""
    if not folder.is_dir():
        return []
    runs = [RunFolder(path) for path in folder.iterdir() if (path / "config.json").is_file()]
    return sorted(runs, key=lambda run: (run.config_path.stat().st_mtime_ns, run.name))


def find_run(word: str | Path, folder: Path) -> RunFolder:
    """Return the run at a path or, failing that, of that name in `folder`."""
    for path in (Path(word), folder / word):
        if storage.exists(path / "config.json"):
            return RunFolder(path)
    known = [run.name for run in list_runs(folder)]
    there = f"; runs in {folder}: {', '.join(known)}" if known else f"; {folder} has no runs yet"
    raise UsageError(f"there is no run '{word}'{nearest(Path(word).name, known)}{there}")


def new_run(name: str | None, corpus: str, folder: Path) -> RunFolder:
    """Return a folder for a new run, not yet made; without a name, corpus and time make one."""
    if name is None:
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(corpus).stem).strip("-.") or "run"
        name = f"{stem[:60]}-{datetime.now():%Y%m%d-%H%M%S}"
        while (folder / name).exists():
            name += "x"
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' is no name for a run; take letters, digits, '.', '_' and '-', at most 100"
        )
    if (folder / name / "config.json").exists():
        raise UsageError(
            f"there is a run '{name}' in {folder} already; choose another --name, "
            f"or go on with it by --resume {name}"
        )
    return RunFolder(folder / name)


def choose_step(run: RunFolder, checkpoint: str) -> int:
    """Return the step that `best`, `last` or a number names; it must have a checkpoint."""
    steps = run.steps()
    if not steps:
        raise CheckpointError(f"{run.path} has no complete checkpoint")
    if checkpoint == "last":
        return steps[-1]
    if checkpoint == "best":
        return best_step(run, steps)
    listed = ", ".join(map(str, steps))
    if not checkpoint.isdecimal():
        raise UsageError(f"'{checkpoint}' names no checkpoint; say best, last or one of {listed}")
    if int(checkpoint) not in steps:
        raise CheckpointError(f"{run.name} has no checkpoint of step {checkpoint}; it has {listed}")
    return int(checkpoint)


def best_step(run: RunFolder, steps: list[int]) -> int:
    """Return the step with the lowest validation loss that the newest checkpoint knows of."""
    for step in reversed(steps):
        try:
            state = storage.read_json(run.checkpoint_path(step) / "state.json")
        except StorageError:
            continue
        best = state.get("best_step") if isinstance(state, dict) else None
        if best in steps:
            return int(best)
    return steps[-1]
