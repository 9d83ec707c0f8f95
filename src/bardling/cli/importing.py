"""`bardling import FOLDER|gpt2|hf:owner/name`: a model of others becomes a run of ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

import bardling
from bardling.cli.options import Folder, Word, parse
from bardling.model.size import count_parameters
from bardling.reporting.screen import Screen, complain


@dataclass(frozen=True, kw_only=True)
class ImportArguments:
    """Take in a model of GPT-2's, Llama's or Qwen3's class, from safetensors."""

    source: Annotated[str, tyro.conf.Positional]
    """A folder, gpt2 (-medium, -large, -xl), or hf:owner/name[@revision]."""
    name: Word = None
    """Name of the run's folder; without one, source and time make it."""
    block_size: int | None = None
    """Tokens of a context, fewer than the model was made for; none takes up to 4,096 of those."""
    runs_dir: Folder = None
    """Where runs live: else BARDLING_RUNS, else ./runs."""


def run(argv: Sequence[str]) -> int:
    """Parse the options, import, and say what came."""
    arguments = parse(ImportArguments, argv, prog="bardling import")
    imported = bardling.import_model(
        arguments.source,
        name=arguments.name,
        block_size=arguments.block_size,
        runs_dir=arguments.runs_dir,
        note=complain,
    )
    model = imported.config.model
    Screen().print(
        f"{imported.folder.path}: {count_parameters(model).total:,} parameters, "
        f"{model.n_layer} layers of {model.n_embd}, a context of {model.block_size:,} tokens, "
        f"a vocabulary of {model.vocab_size:,}"
    )
    return 0
