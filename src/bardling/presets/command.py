"""The command line that makes a run again, worked out from its settings."""

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from bardling.config import CHOICES, RunConfig, settings
from bardling.data.corpora import is_corpus
from bardling.fields import KIND, word_for
from bardling.presets.distilled import distilled_config
from bardling.presets.table import PRESETS, config_for
from bardling.presets.tuned import aligned_config, tuned_config
from bardling.run_folder import RunFolder
from bardling.storage import exists
from bardling.training.config import seconds_of_budget
from bardling.training.task import Instruction, Preference

PREFIXES = {"data": "", "training": "", "model": "model.", "optimizer": "optimizer.",
             "machine": "machine.", "adapter": "adapter.", "task": "task."}  # fmt: skip
FOLLOWING = ("vocab_size",)
"""Settings that follow from the text."""
SIZE = "batch_size"
"""One size that is given keeps all from being chosen."""


def training_command(config: RunConfig) -> str:
    """Return the `bardling train` with the fewest options that makes a run by these settings.

    It begins with the corpus, or with the preset that is nearest; that of a run which began with
    another one is a `bardling finetune` or a `bardling align`, that of one which had a teacher a
    `bardling distill`.
    """
    corpus = config.data.corpus
    if config.teacher:
        return shlex.join(["bardling", "distill", config.teacher, *_distilling(config)])
    if config.start:
        before = RunFolder(Path(config.start)).known_config() or config
        adapter = word_for(type(config.adapter))
        aligned = isinstance(config.task, Preference)
        verb, settle = ("align", aligned_config) if aligned else ("finetune", tuned_config)
        base = settle(before, config.start, corpus, adapter)
        if isinstance(config.task, Instruction):  # which its file tells
            base = replace(base, task=config.task, data=replace(base.data, order="documents"))
        chosen = ["--adapter", adapter] if adapter != "whole" else []
        words = [verb, config.start, corpus, *chosen, *_changes(base, config)]
        return shlex.join(["bardling", *words])
    targets = [*([corpus] if _is_there(corpus) else []), *PRESETS]
    lines = [["bardling", "train", target, *_options(target, config)] for target in targets]
    shortest = min(lines, key=len)
    return shlex.join(shortest)


def _distilling(config: RunConfig) -> list[str]:
    """Return the options with which a teacher makes a run by these settings."""
    before = RunFolder(Path(config.teacher)).known_config() or config
    corpus, budget = config.data.corpus, config.training.budget
    other = corpus if corpus != before.data.corpus and _is_there(corpus) else None
    said = [] if other is None else ["--corpus", other]
    if config.start:
        n = config.model.n_layer
        base = distilled_config(before, config.teacher, layers=n, corpus=other, budget=budget)
        return ["--layers", str(n), *said, *_changes(base, config)]
    lines = []
    for name in PRESETS:
        base = distilled_config(before, config.teacher, student=name, corpus=other, budget=budget)
        lines.append(["--student", name, *said, *_changes(base, config)])
    return min(lines, key=len)


def _is_there(corpus: str) -> bool:
    return is_corpus(corpus) or exists(Path(corpus))


def _options(target: str, config: RunConfig) -> Iterator[str]:
    """Yield the options that lead from what a word stands for to a config."""
    yield from _changes(config_for(target, config.training.budget), config)


def _changes(base: RunConfig, config: RunConfig) -> Iterator[str]:
    """Yield the options that lead from one config to another."""
    if base.training.budget != config.training.budget:
        yield from ("--budget", config.training.budget)
        base = base.with_overrides(budget=config.training.budget)
    for part in CHOICES:
        kind = config.to_json()[part][KIND]
        if base.to_json()[part][KIND] != kind:
            yield from (f"--{part}", kind)
            base = base.with_overrides(**{part: kind})
    before, wanted = base.to_json(), config.to_json()
    for part, name in settings(wanted):
        value = wanted[part][name]
        differs = part in PREFIXES and before[part][name] != value and name not in FOLLOWING
        if differs or (name == SIZE and _would_be_planned(config)):
            yield from _option(PREFIXES[part], name.replace("_", "-"), value)


def _would_be_planned(config: RunConfig) -> bool:
    """Tell whether a command with this text and budget chooses sizes where none is given."""
    return seconds_of_budget(config.training.budget) is not None and not is_corpus(
        config.data.corpus
    )


def _option(prefix: str, name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [f"--{prefix}{'' if value else 'no-'}{name}"]
    values = value if isinstance(value, list | tuple) else [value]
    return [f"--{prefix}{name}", *map(str, values)]
