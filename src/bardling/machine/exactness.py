"""Arithmetic that gives the same bits every time, on this machine with this torch.

torch picks among kernels that round differently unless it is told not to. Inside
`exact_arithmetic()` it is told; what held before holds again afterwards.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """Use deterministic algorithms only; an operation that has none raises `RuntimeError`."""
    memory: Any = torch.utils.deterministic  # its switch is set on the module itself
    mode = torch.get_deterministic_debug_mode()
    fill = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    memory.fill_uninitialized_memory = False  # a debugging aid that costs time
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(mode)
        memory.fill_uninitialized_memory = fill
