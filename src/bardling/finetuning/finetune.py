"""Fine-tuning: a run that begins with the weights of another, and reads another text.

It is a run like any other, with the same loop, checkpoints, resume and report. What differs stands
in its settings: `start` names the run whose weights it begins with, `adapter` what of them is
trained, `task` what is learned.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from bardling import storage
from bardling.api import train_config
from bardling.config import RunConfig
from bardling.data.conversations import is_conversations
from bardling.errors import UsageError
from bardling.fields import read_value
from bardling.finetuning.forgetting import Forgetting, forgetting
from bardling.presets.tuned import tuned_config
from bardling.reporting.watcher import Watcher
from bardling.run_folder import RunFolder, find_run, runs_folder
from bardling.text.chat import PLAIN_CHAT, ChatFormat
from bardling.trained import Run, load
from bardling.training.task import Instruction


def finetune(
    start: str | Path,
    corpus: str | Path,
    *,
    adapter: str = "whole",
    name: str | None = None,
    runs_dir: str | Path | None = None,
    data_dir: str | Path | None = None,
    watcher: Watcher | None = None,
    **overrides: Any,
) -> tuple[Run, Forgetting | None]:
    """Train a run's model on another text; return the new run, and what was forgotten.

    `adapter` is `whole` or `lora`; `overrides` are settings by their own names, such as `rank=4`
    or `lr=1e-4`. The run that it begins with stays as it is.
    """
    folder = find_run(start, runs_folder(None if runs_dir is None else Path(runs_dir)))
    config = finetune_base(folder, str(corpus), adapter).with_overrides(**overrides)
    return finetune_by(config, name=name, runs_dir=runs_dir, data_dir=data_dir, watcher=watcher)


def finetune_base(
    start: RunFolder, corpus: str, adapter: str = "whole", chat_format: Path | None = None
) -> RunConfig:
    """Return the settings that fine-tuning a run begins with, before any is changed.

    A .jsonl file of conversations is learned as such, in the format of the run, of a file, or in
    `PLAIN_CHAT`: what is foretold are the answers.
    """
    config = tuned_config(start.config(), str(start.path.absolute()), corpus, adapter)
    if chat_format is not None:
        config = replace(config, chat=read_format(chat_format))
    if not is_conversations(Path(corpus)):
        return config
    return replace(
        config,
        chat=config.chat or PLAIN_CHAT,
        task=Instruction(),
        data=replace(config.data, order="documents"),
    )


def read_format(path: Path) -> ChatFormat:
    """Return the chat format that a JSON file says."""
    told: ChatFormat = read_value(ChatFormat, storage.read_json(path), str(path))
    return told


def finetune_by(
    config: RunConfig,
    *,
    name: str | None = None,
    runs_dir: str | Path | None = None,
    data_dir: str | Path | None = None,
    watcher: Watcher | None = None,
    began: float | None = None,
) -> tuple[Run, Forgetting | None]:
    """Fine-tune by a whole `RunConfig` that names its start."""
    if not config.start:
        raise UsageError("fine-tuning begins with a run; say which by start")
    tuned = train_config(
        config, name=name, runs_dir=runs_dir, data_dir=data_dir, watcher=watcher, began=began
    )
    found = forgetting(load(config.start), tuned)
    if found is not None:
        told = {"corpus": found.corpus, "before": found.before, "after": found.after}
        tuned.folder.add_to_result(forgetting=told)
    return tuned, found
