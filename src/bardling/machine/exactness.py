"""Arithmetic that gives the same bits every time, on this machine with this torch.

torch picks among kernels that round differently unless it is told not to, and cuts sums among as
many threads as it has. Inside `exact_arithmetic()` both are fixed; what held before holds again
afterwards.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def exact_arithmetic(threads: int = 0) -> Iterator[None]:
    """Use deterministic algorithms only, on `threads` threads (0: as many as there were).

    An operation that has no deterministic form raises `RuntimeError`.
    """
    memory: Any = torch.utils.deterministic  # its switch is set on the module itself
    mode, threads_before = torch.get_deterministic_debug_mode(), torch.get_num_threads()
    fill = memory.fill_uninitialized_memory
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # else cuBLAS refuses
    torch.set_num_threads(threads or threads_before)
    torch.use_deterministic_algorithms(True)
    memory.fill_uninitialized_memory = False  # a debugging aid that costs time
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(mode)
        memory.fill_uninitialized_memory = fill
        torch.set_num_threads(threads_before)
