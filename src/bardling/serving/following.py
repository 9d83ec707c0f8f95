"""Runs for the page to follow: what each is, its log from a place on, what it wrote.

Only runs that are listed are read: a name is compared with theirs and never made into a path.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bardling import storage
from bardling.errors import BardlingError, StorageError, UsageError
from bardling.fields import show
from bardling.model.size import count_parameters
from bardling.run_folder import RunFolder, list_runs

LOG_BYTES = 2**20
"""Of a log in one answer at most; a line has a few hundred."""
TAIL_BYTES = 2**16
AWAKE_SECONDS = 120.0
"""A run whose log is older and that has not ended is called stopped."""
MOST_SAMPLES = 200
SAMPLE = "sample"


def listed(folder: Path, served: Iterable[RunFolder] = ()) -> dict[str, RunFolder]:
    """Return the runs of a folder by name, and those that are served from elsewhere.

    One that a link in the folder leads away to is left out, and so is one with the name of one
    that is served.
    """
    home = folder.resolve()
    inside = [run for run in list_runs(folder) if run.path.resolve().is_relative_to(home)]
    known = {run.name: run for run in served}
    return known | {run.name: run for run in inside if run.name not in known}


def chosen(name: str, runs: dict[str, RunFolder]) -> RunFolder:
    """Return the run of a name; raises `UsageError` where there is none."""
    if name not in runs:
        raise UsageError(f"there is no run {show(name)} here")
    return runs[name]


def facts(run: RunFolder) -> dict[str, Any]:
    """Return what a run is and how far it got, from its small files and the end of its log."""
    config = run.known_config()
    if config is None:
        return {"name": run.name, "state": "damaged"}
    last = _last_record(run)
    return {
        "name": run.name,
        "state": _state(run),
        "corpus": Path(config.data.corpus).name,
        "tokenizer": Path(config.data.tokenizer).name,
        "parameters": count_parameters(config.model).total if config.model.vocab_size else None,
        "step": last.get("step", 0),
        "total_steps": config.total_steps,
        "task": type(config.task).__name__.lower(),
        "steps": run.steps(),
    }


def _state(run: RunFolder) -> str:
    """Return `training`, `stopped`, `ended`, `diverged`, `imported` or `damaged`."""
    try:
        result = run.result()
    except StorageError:
        return "damaged"
    if result is not None:
        return "diverged" if result.get("stopped") == "diverged" else "ended"
    if run.is_imported():
        return "imported"
    return "training" if log_age(run) < AWAKE_SECONDS else "stopped"


def log_age(run: RunFolder) -> float:
    """Return the seconds since a run last wrote a line, or was set up."""
    for path in (run.metrics_path, run.config_path):
        changed = storage.changed_ns(path)
        if changed is not None:
            return max(0.0, time.time() - changed / 1e9)
    return float("inf")


def log_from(run: RunFolder, offset: int, file: str = "") -> dict[str, Any]:
    """Return the whole lines of a log from a byte on, and where to go on from.

    `file` is what the answer before called the log. A run that is resumed writes its log anew, and
    then all of it is returned again, and `anew` is true. Samples are left to `samples`.
    """
    if not run.metrics_path.is_file():
        return {"records": [], "next": 0, "file": "", "anew": bool(file), "more": False}
    with storage.open_file(run.metrics_path) as log:
        status = os.fstat(log.fileno())
        found = str(status.st_ino)
        anew = (file not in ("", found)) or offset > status.st_size
        start = 0 if anew else offset
        log.seek(start)
        data = log.read(LOG_BYTES)
    whole = data[: data.rfind(b"\n") + 1]
    if not whole and len(data) == LOG_BYTES:  # a line of that length is none of ours
        whole = data
    return {
        "records": [{k: v for k, v in one.items() if k != SAMPLE} for one in _records(whole)],
        "next": start + len(whole),
        "file": found,
        "anew": anew,
        "more": len(data) == LOG_BYTES,
    }


def samples(run: RunFolder, after: int = -1) -> list[dict[str, Any]]:
    """Return what a run wrote at its validations, those after a step alone."""
    written = [
        {"step": one["step"], "val_loss": one.get("val_loss"), "text": one[SAMPLE]}
        for one in run.metrics()
        if one.get(SAMPLE) and one["step"] > after
    ]
    return written[-MOST_SAMPLES:]


def _last_record(run: RunFolder) -> dict[str, Any]:
    try:
        with storage.open_file(run.metrics_path) as log:
            size = os.fstat(log.fileno()).st_size
            log.seek(max(0, size - TAIL_BYTES))
            found = _records(log.read(TAIL_BYTES))
    except StorageError:  # it has none yet, or is deleted while we look
        return {}
    return found[-1] if found else {}


def _records(data: bytes) -> list[dict[str, Any]]:
    """Return the records of some lines, without those that are damaged."""
    found = []
    for line in data.splitlines():
        try:
            record = storage.parse_json(line, "metrics.jsonl")
        except BardlingError:
            continue
        if isinstance(record, dict) and isinstance(record.get("step"), int):
            found.append(record)
    return found
