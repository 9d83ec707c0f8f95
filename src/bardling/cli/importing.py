"""`bardling import FOLDER|gpt2|hf:owner/name`: what others trained becomes a run of ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

import bardling
from bardling.cli.options import Folder, Word, parse
from bardling.errors import UsageError
from bardling.model.lora_config import adapter_parameters
from bardling.model.size import count_parameters
from bardling.reporting.screen import Screen, complain
from bardling.run_folder import find_run, runs_folder

if TYPE_CHECKING:
    from bardling.trained import Run


@dataclass(frozen=True, kw_only=True)
class ImportArguments:
    """Take in a model of GPT-2's, Llama's or Qwen3's class, or an adapter, from safetensors."""

    source: Annotated[str, tyro.conf.Positional]
    """A folder, gpt2 (-medium, -large, -xl), or hf:owner/name[@revision]."""
    base: Word = None
    """The run whose model an adapter in peft's format goes with; a whole model needs none."""
    name: Word = None
    """Name of the run's folder; without one, source and time make it."""
    block_size: int | None = None
    """Tokens of a context, fewer than the model was made for; none takes up to 4,096 of those."""
    runs_dir: Folder = None
    """Where runs live: else BARDLING_RUNS, else ./runs."""


def run(argv: Sequence[str]) -> int:
    """Parse the options, import, and say what came."""
    arguments = parse(ImportArguments, argv, prog="bardling import")
    imported = _imported(arguments)
    model = imported.config.model
    beside = adapter_parameters(model, imported.config.adapter)
    adapted = f", {beside:,} of an adapter beside them" if beside else ""
    Screen().print(
        f"{imported.folder.path}: {count_parameters(model).total:,} parameters{adapted}, "
        f"{model.n_layer} layers of {model.n_embd}, a context of {model.block_size:,} tokens, "
        f"a vocabulary of {model.vocab_size:,}"
    )
    return 0


def _imported(arguments: ImportArguments) -> "Run":
    """Import a model, or an adapter where there is a base for it."""
    if arguments.base is None:
        return bardling.import_model(
            arguments.source,
            name=arguments.name,
            block_size=arguments.block_size,
            runs_dir=arguments.runs_dir,
            note=complain,
        )
    if arguments.block_size is not None:
        raise UsageError("an adapter has the context of its base; leave --block-size away")
    base = find_run(arguments.base, runs_folder(arguments.runs_dir))
    return bardling.import_adapter(
        arguments.source,
        bardling.load(base.path, note=complain),
        name=arguments.name,
        runs_dir=arguments.runs_dir,
    )
