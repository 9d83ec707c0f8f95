"""Distillation: a run whose model learns to foretell as that of another, larger one does.

It is a run like any other. What differs stands in its settings: `teacher` names the run that it
learns from, `task` how, and `start` is the same run where the student begins with its layers.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from bardling.api import train_config
from bardling.config import RunConfig
from bardling.errors import UsageError
from bardling.finetuning.comparison import Comparison, compared
from bardling.presets.distilled import distilled_config
from bardling.reporting.watcher import Watcher
from bardling.run_folder import find_run, runs_folder
from bardling.trained import Run


def distill(
    teacher: str | Path,
    *,
    student: str | None = None,
    layers: int | None = None,
    corpus: str | Path | None = None,
    name: str | None = None,
    runs_dir: str | Path | None = None,
    data_dir: str | Path | None = None,
    watcher: Watcher | None = None,
    **overrides: Any,
) -> tuple[Run, Comparison]:
    """Train a smaller model to foretell as a run's does; return it, and both side by side.

    `student` is a preset, whose model it is; without one it has `layers` of its teacher's, or every
    second. `overrides` are settings by their own names, such as `temperature=2.0` or `n_embd=64`.
    """
    folder = find_run(teacher, runs_folder(None if runs_dir is None else Path(runs_dir)))
    config = distilled_config(
        folder.config(),
        str(folder.path.absolute()),
        student=student,
        layers=layers,
        corpus=None if corpus is None else str(corpus),
        budget=overrides.get("budget"),
    ).with_overrides(**overrides)
    return distill_by(config, name=name, runs_dir=runs_dir, data_dir=data_dir, watcher=watcher)


def distill_by(
    config: RunConfig,
    *,
    name: str | None = None,
    runs_dir: str | Path | None = None,
    data_dir: str | Path | None = None,
    watcher: Watcher | None = None,
    began: float | None = None,
) -> tuple[Run, Comparison]:
    """Distill by a whole `RunConfig` that names its teacher."""
    if not config.teacher:
        raise UsageError("a student learns from a run; say which by teacher")
    student = train_config(
        config, name=name, runs_dir=runs_dir, data_dir=data_dir, watcher=watcher, began=began
    )
    found = compared(student)
    student.folder.add_to_result(distillation=asdict(found))
    return student, found
