"""bardling: any text in, a trained, measured, trusted little language model out.

    run = bardling.train("shakespeare", budget="500steps")
    print(run.generate("ROMEO:"))

The names below are loaded when they are first used, because importing torch takes seconds.
"""

import os
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bardling.api import doctor as doctor
    from bardling.api import dry_run as dry_run
    from bardling.api import train as train
    from bardling.api import train_config as train_config
    from bardling.config import RunConfig as RunConfig
    from bardling.errors import BardlingError as BardlingError
    from bardling.evaluation.checks.finding import Finding as Finding
    from bardling.experiments.verbs import exercise as exercise
    from bardling.experiments.verbs import ladder as ladder
    from bardling.experiments.verbs import scale as scale
    from bardling.experiments.verbs import side_by_side as side_by_side
    from bardling.experiments.verbs import story_models as story_models
    from bardling.experiments.verbs import sweep as sweep
    from bardling.finetuning.align import align as align
    from bardling.finetuning.chatting import answer as answer
    from bardling.finetuning.distill import distill as distill
    from bardling.finetuning.distill import distill_by as distill_by
    from bardling.finetuning.finetune import finetune as finetune
    from bardling.finetuning.finetune import finetune_base as finetune_base
    from bardling.finetuning.finetune import finetune_by as finetune_by
    from bardling.interchange.exporting import export as export
    from bardling.interchange.importing import import_adapter as import_adapter
    from bardling.interchange.importing import import_model as import_model
    from bardling.interchange.pickled import unpickle as unpickle
    from bardling.machine.facts import MachineFacts as MachineFacts
    from bardling.machine.launch import launch as launch
    from bardling.model.config import ModelConfig as ModelConfig
    from bardling.model.gpt import GPT as GPT
    from bardling.planning import plan as plan
    from bardling.preflight import check as check
    from bardling.preflight import check_config as check_config
    from bardling.reporting.probe import probe as probe
    from bardling.reporting.report import first_page as first_page
    from bardling.reporting.report import report as report
    from bardling.seen import batch_texts as batch_texts
    from bardling.serving.server import serve as serve
    from bardling.trained import Run as Run
    from bardling.trained import load as load

try:
    __version__ = version("bardling")
except PackageNotFoundError:  # read from its source, and never installed
    __version__ = "0+source"

# Tensors of several MiB in pages of 2 MiB, which torch asks for once, at its first tensor: steps of
# wide models gain 5 to 8 % (docs/performance.md). Whoever has set it is left alone.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

_HOME = {
    "BardlingError": "bardling.errors",
    "Finding": "bardling.evaluation.checks.finding",
    "GPT": "bardling.model.gpt",
    "MachineFacts": "bardling.machine.facts",
    "ModelConfig": "bardling.model.config",
    "Run": "bardling.trained",
    "RunConfig": "bardling.config",
    "align": "bardling.finetuning.align",
    "batch_texts": "bardling.seen",
    "check": "bardling.preflight",
    "check_config": "bardling.preflight",
    "distill": "bardling.finetuning.distill",
    "distill_by": "bardling.finetuning.distill",
    "doctor": "bardling.api",
    "dry_run": "bardling.api",
    "export": "bardling.interchange.exporting",
    "finetune": "bardling.finetuning.finetune",
    "answer": "bardling.finetuning.chatting",
    "finetune_base": "bardling.finetuning.finetune",
    "finetune_by": "bardling.finetuning.finetune",
    "first_page": "bardling.reporting.report",
    "exercise": "bardling.experiments.verbs",
    "import_adapter": "bardling.interchange.importing",
    "import_model": "bardling.interchange.importing",
    "ladder": "bardling.experiments.verbs",
    "launch": "bardling.machine.launch",
    "load": "bardling.trained",
    "page_beside": "bardling.serving.server",
    "plan": "bardling.planning",
    "probe": "bardling.reporting.probe",
    "report": "bardling.reporting.report",
    "scale": "bardling.experiments.verbs",
    "serve": "bardling.serving.server",
    "side_by_side": "bardling.experiments.verbs",
    "story_models": "bardling.experiments.verbs",
    "sweep": "bardling.experiments.verbs",
    "train": "bardling.api",
    "train_config": "bardling.api",
    "unpickle": "bardling.interchange.pickled",
}

__all__ = [*sorted(_HOME), "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'bardling' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
