"""`bardling unpickle`: weights out of a .pt file of someone trusted, into safetensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

import bardling
from bardling.cli.options import Word, parse
from bardling.reporting.screen import Screen


@dataclass(frozen=True, kw_only=True)
class UnpickleArguments:
    """Take the weights out of a .pt or .bin file, which is a pickle, into a safetensors file.

    Reading a pickle can run code that its maker has put there: bardling reads none anywhere else,
    and here only with --trust.
    """

    source: Annotated[Path, tyro.conf.Positional]
    """The file to read."""
    target: Annotated[Path, tyro.conf.Positional]
    """The safetensors file to write; never one that is there."""
    within: Word = None
    """Which dictionary of tensors, where the file holds several: model in nanoGPT's."""
    trust: bool = False
    """Say that you trust whoever made the file."""


def run(argv: Sequence[str]) -> int:
    """Parse the options, read, write, and say what there was."""
    arguments = parse(UnpickleArguments, argv, prog="bardling unpickle")
    tensors = bardling.unpickle(
        arguments.source, arguments.target, within=arguments.within, trust=arguments.trust
    )
    numbers = sum(tensor.numel() for tensor in tensors.values())
    Screen().print(
        f"{arguments.target}: {len(tensors):,} tensors, {numbers:,} numbers; "
        f"the pickle is not needed any more"
    )
    return 0
