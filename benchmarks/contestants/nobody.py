"""Who imports torch and does nothing: the memory that everyone has."""

from collections.abc import Callable

import torch


def step_of() -> tuple[int, Callable[[], object]]:
    """Return no parameters, and nothing to do."""
    return 0, torch.get_num_threads
