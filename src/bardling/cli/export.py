"""`bardling export RUN --to FORMAT`: the model in the files of others, read back and compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import tyro

import bardling
from bardling.cli.options import Folder, Word, parse
from bardling.reporting.screen import Screen, complain
from bardling.run_folder import find_run, runs_folder


@dataclass(frozen=True, kw_only=True)
class ExportArguments:
    """Write a run's model for the ecosystem; each file is run and compared before it is done."""

    run: tyro.conf.Positional[str]
    """A run by name or path."""
    to: str = "huggingface"
    """huggingface, gguf, onnx, peft (of a run with adapters) or all."""
    out: Folder = None
    """The folder that gets a folder for each format; exports in the run's own without it."""
    checkpoint: str = "best"
    """best, last or a step."""
    quantization: Literal["f32", "f16", "q8_0", "q4_0"] = "f32"
    """How GGUF files hold their weights."""
    licence: str = "unknown"
    """What the model card says of its licence, by the hub's words: mit, apache-2.0, cc-by-4.0."""
    push: Word = None
    """Also send the Hugging Face folder to the hub, as owner/name."""
    runs_dir: Folder = None
    """Where runs are looked for by name: else BARDLING_RUNS, else ./runs."""


def run(argv: Sequence[str]) -> int:
    """Parse the options, export, and say what was found."""
    arguments = parse(ExportArguments, argv, prog="bardling export")
    folder = find_run(arguments.run, runs_folder(arguments.runs_dir))
    loaded = bardling.load(folder.path, arguments.checkpoint, note=complain)
    screen = Screen()
    for one in bardling.export(
        loaded,
        arguments.to,
        out=arguments.out,
        licence=arguments.licence,
        quantization=arguments.quantization,
        push=arguments.push,
    ):
        screen.print(f"{one.path}  {one.n_bytes / 2**20:,.1f} MiB")
        for check in one.checks:
            screen.print(f"  {check.told}")
        if one.address:
            screen.print(f"  sent to {one.address}")
    return 0
