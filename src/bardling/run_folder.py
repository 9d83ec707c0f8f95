"""The folder of a run: what lies where, read without torch.

    runs/NAME/
        config.json       the run's settings, written last when the folder is set up
        tokenizer.json    and tokenizer_config.json, as Hugging Face has them
        tokens/           the corpus in the run's own tokens, or where it lies
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
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from pathlib import Path
from typing import Any

from bardling import storage
from bardling.config import RunConfig
from bardling.errors import BardlingError, ConfigError, StorageError, UsageError, nearest
from bardling.machine.seat import seat

_STEP = re.compile(r"step-(\d{6,})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
SHOWN_RUNS = 10  # where one is looked for that is not there
_TIME = re.compile(r"-\d{8}-\d{6}x*$")
SETTINGS_BYTES = 2**20
"""Of a config.json at most, and of other small files of a run."""


def checkpoint_name(step: int) -> str:
    """Return the name of the folder of one step's checkpoint."""
    return f"step-{step:06d}"


@dataclass(frozen=True)
class RunFolder:
    """The paths inside one run's folder, and the facts that can be read from its files.

    Where another process `writes` it, what this one would write is left away.
    """

    path: Path
    writes: bool = True

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

    @property
    def tokens_path(self) -> Path:
        """The folder of the corpus in tokens."""
        return self.path / "tokens"

    def checkpoint_path(self, step: int) -> Path:
        """Return the folder of one step's checkpoint, whether or not it is there."""
        return self.checkpoints_path / checkpoint_name(step)

    def folders(self) -> dict[int, Path]:
        """Return the folder of every step that has one, whole or not, oldest first."""
        found = ((_STEP.fullmatch(p.name), p) for p in storage.children(self.checkpoints_path))
        return dict(sorted((int(m[1]), p) for m, p in found if m))

    def steps(self) -> list[int]:
        """Return the steps that have a checkpoint with a manifest, oldest first."""
        return [step for step, path in self.folders().items() if storage.is_published(path)]

    def is_run(self) -> bool:
        """Tell whether there is anything of a run here: settings, or checkpoints that hold them."""
        return storage.exists(self.config_path) or storage.exists(self.checkpoints_path)

    def is_imported(self) -> bool:
        """Tell whether others trained its weights: it has some, and never had steps to take."""
        config = self.known_config()
        return config is not None and config.total_steps == 0 and bool(self.steps())

    def config(self) -> RunConfig:
        """Return the run's settings."""
        try:
            return RunConfig.from_json(
                storage.read_json(self.config_path, limit_bytes=SETTINGS_BYTES)
            )
        except ConfigError as error:
            raise ConfigError(f"{self.config_path}: {error}") from error

    def known_config(self) -> RunConfig | None:
        """Return the run's settings, or None where config.json is lost or damaged."""
        try:
            return self.config()
        except BardlingError:
            return None

    def result(self) -> dict[str, Any] | None:
        """Return what `result.json` says, or None while the run has not ended."""
        if not self.result_path.is_file():
            return None
        match storage.read_json(self.result_path, limit_bytes=SETTINGS_BYTES):
            case {"best": {"val_loss": _}, "last": {"step": _}} as result:
                return dict(result)
        raise StorageError(f"{self.result_path} does not say what came out; remove it")

    def metrics(self) -> list[dict[str, Any]]:
        """Return the log, without lines that a crash cut short or something else damaged."""
        return self.read_log()[0]

    def read_log(self) -> tuple[list[dict[str, Any]], int]:
        """Return the log, and how many of its lines cannot be read."""
        if not self.metrics_path.is_file():
            return [], 0
        lines = storage.read_bytes(self.metrics_path, may_grow=True).splitlines()
        records = [record for record in map(_parse_record, lines) if record is not None]
        return records, len(lines) - len(records)

    def write_config(self, config: RunConfig) -> None:
        """Write the run's settings."""
        if self.writes:
            storage.write_json(self.config_path, config.to_json())

    def write_samples(self, page: str) -> None:
        """Write what the model wrote so far."""
        storage.write_text(self.samples_path, page)

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Write the outcome: the run has ended."""
        if self.writes:
            storage.write_json(self.result_path, result)

    def add_to_result(self, **more: Any) -> None:
        """Add to the outcome what was measured after the end; all of a team know it, one writes."""
        if seat().speaks:
            self.write_result({**(self.result() or {}), **more})

    def log(self, record: Mapping[str, Any]) -> None:
        """Add one line to the log."""
        if self.writes:
            storage.append_line(self.metrics_path, json.dumps(record, allow_nan=False))

    def forget_after(self, step: int) -> int:
        """Take out of the log what a run wrote after the checkpoint it now goes on from.

        Returns how many lines could not be read and are gone too.
        """
        if not self.writes:
            return 0
        records, unreadable = self.read_log()
        kept = [json.dumps(record) + "\n" for record in records if record["step"] <= step]
        storage.write_text(self.metrics_path, "".join(kept))
        return unreadable


def _parse_record(line: bytes) -> dict[str, Any] | None:
    """Return one line of the log, or None where it is damaged."""
    try:
        record = storage.parse_json(line, "metrics.jsonl")
    except StorageError:
        return None
    is_record = isinstance(record, dict) and isinstance(record.get("step"), int)
    return record if is_record else None


def runs_folder(chosen: Path | None = None) -> Path:
    """Return where runs live: the folder chosen, else `BARDLING_RUNS`, else `./runs`."""
    return chosen or Path(os.environ.get("BARDLING_RUNS") or "runs")


def list_runs(folder: Path) -> list[RunFolder]:
    """Return the runs of a folder whose set-up is complete, oldest first.

    One that is deleted meanwhile is left out.
    """
    runs = [RunFolder(path) for path in storage.children(folder)]
    times = {run: storage.changed_ns(run.config_path) for run in runs}
    found = [(time, run.name, run) for run, time in times.items() if time is not None]
    return [run for *_, run in sorted(found, key=itemgetter(0, 1))]


def find_run(word: str | Path, folder: Path) -> RunFolder:
    """Return the run at a path or, failing that, of that name in `folder`.

    A name without the time that `new_run` puts after it means the newest run of that name.
    """
    for path in (Path(word), folder / word):
        if RunFolder(path).is_run():
            return RunFolder(path)
    known = [run.name for run in list_runs(folder)]
    timed = [name for name in known if _TIME.sub("", name) == str(word)]
    if timed:
        return RunFolder(folder / max(timed))
    more = f" and {len(known) - SHOWN_RUNS} older" if len(known) > SHOWN_RUNS else ""
    newest = ", ".join(known[-SHOWN_RUNS:])
    there = f"; runs in {folder}: {newest}{more}" if known else f"; {folder} has no runs yet"
    raise UsageError(f"there is no run '{word}'{nearest(Path(word).name, known)}{there}")


def new_run(name: str | None, corpus: str, folder: Path) -> RunFolder:
    """Return a folder for a new run, not yet made; without a name, corpus and time make one."""
    if name is None:
        plain = unicodedata.normalize("NFKD", Path(corpus).stem).encode("ascii", "ignore").decode()
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-.") or "run"
        name = f"{stem[:60]}-{datetime.now():%Y%m%d-%H%M%S}"
        while (folder / name).exists():
            name += "x"
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name for a run; take letters, digits, '.', '_' and '-', at most 100"
        )
    if RunFolder(folder / name).is_run():
        raise UsageError(
            f"there is a run '{name}' in {folder} already; choose another --name, "
            f"or go on with it by --resume {name}"
        )
    return RunFolder(folder / name)
