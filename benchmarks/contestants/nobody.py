"""Who imports torch, or more, and does nothing: the memory that everyone has."""

from collections.abc import Callable
from importlib import import_module

import torch


def step_of(*modules: str) -> tuple[int, Callable[[], object]]:
    """Import modules; return no parameters, and nothing to do."""
    for module in modules:
        import_module(module)
    return 0, torch.get_num_threads
