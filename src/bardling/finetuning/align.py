"""Alignment: a run that begins with the weights of another, and learns what is preferred.

It is fine-tuning on pairs of answers by another loss (`training/preference.py`); the run that it
begins with is the reference that it stays near.
"""

from pathlib import Path
from typing import Any

from bardling.finetuning.finetune import finetune_by
from bardling.finetuning.forgetting import Forgetting
from bardling.presets.tuned import aligned_config
from bardling.reporting.watcher import Watcher
from bardling.run_folder import find_run, runs_folder
from bardling.trained import Run


def align(
    start: str | Path,
    pairs: str | Path,
    *,
    adapter: str = "whole",
    name: str | None = None,
    runs_dir: str | Path | None = None,
    watcher: Watcher | None = None,
    **overrides: Any,
) -> tuple[Run, Forgetting | None]:
    """Let a run's model prefer the chosen one of two answers; return the new run, and the old loss.

    `pairs` is a .jsonl file of objects with the texts prompt, chosen and rejected; `adapter` is
    `whole` or `lora`; `overrides` are settings by their own names, such as `beta=0.3`.
    `batch_size` counts pairs.
    """
    folder = find_run(start, runs_folder(None if runs_dir is None else Path(runs_dir)))
    config = aligned_config(folder.config(), str(folder.path.absolute()), str(pairs), adapter)
    config = config.with_overrides(**overrides)
    return finetune_by(config, name=name, runs_dir=runs_dir, watcher=watcher)
