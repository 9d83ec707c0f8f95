"""torch.compile: when it pays, whether it can work here, and what to do when it does not.

Compiling costs half a minute on a cold cache and some seconds on a warm one, and makes every
later step shorter. Whether that pays is decided by sizes, not by a clock, so that the same run
decides the same way again.
"""

import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch

from bardling.errors import UsageError
from bardling.machine.config import CompileWish

WORTH_SECONDS = 600.0
"""Shortest training, in seconds, that compiling shortens; measured in docs/performance.md."""

NO_GRAPHS = "CUDA graphs hold one gradient: batches in parts are compiled without them"
MODES = {"graphs": "reduce-overhead", "autotune": "max-autotune-no-cudagraphs"}
"""torch.compile's names for the ways it is asked to take more time for faster steps."""

NOMINAL_FLOPS = 3e11
"""Arithmetic per second that a small model gets from two processor cores."""
NO_COMPILER = "neither g++ nor clang++ is found"


def find_compiler(device: torch.device) -> str | None:
    """Return what torch.compile would write kernels for `device` with, or None."""
    if device.type == "cuda":
        return "triton" if find_spec("triton") else None
    names = (os.environ.get("CXX"), "g++", "clang++")
    return next((name for name in names if name and shutil.which(name)), None)


def missing_compiler(device: torch.device) -> str | None:
    """Return what torch.compile lacks to write kernels for `device`, or None."""
    if find_compiler(device) is not None:
        return None
    if device.type == "cuda":
        return "triton is not installed"
    return NO_COMPILER


def pick_compile(wish: CompileWish, device: torch.device, *, seconds: float) -> tuple[bool, str]:
    """Return whether to compile, and why; `seconds` is how long the run is expected to train.

    Raises `UsageError` where CUDA graphs are asked of another device.
    """
    if wish == "graphs" and device.type != "cuda":
        raise UsageError(
            f"CUDA graphs are for cuda, not for {device.type}; leave --machine.compile to auto"
        )
    if wish == "off":
        return False, "as asked"
    missing = missing_compiler(device)
    if missing is not None:
        return False, missing
    if wish != "auto":
        return True, "as asked"
    if device.type == "mps":
        return False, "torch's compiler for mps is young"
    if seconds < WORTH_SECONDS:
        return False, "the run is too short to gain by it"
    return True, "the run is long enough to gain by it"


def expected_seconds(flops: int) -> float:
    """Return roughly how long `flops` of training take a processor: an order of size, no more."""
    return flops / NOMINAL_FLOPS


def compiled(function: Callable[..., Any], wish: CompileWish = "on") -> Callable[..., Any]:
    """Return `function` compiled for the exact shapes it will see, autotuned only where wished.

    What was compiled before is forgotten: after eight models in one process torch would otherwise
    go on uncompiled, with no more than a warning.
    """
    torch.compiler.reset()
    fast: Callable[..., Any] = torch.compile(function, dynamic=False, mode=MODES.get(wish))
    return _replayed(fast) if wish == "graphs" else fast


def _replayed(fast: Callable[..., Any]) -> Callable[..., Any]:
    """Return `fast`, whose result is in memory that its next replay writes over, with a copy."""
    begin: Callable[[], None] = torch.compiler.cudagraph_mark_step_begin

    def call(*given: Any) -> Any:
        begin()
        return fast(*given).clone()

    return call
