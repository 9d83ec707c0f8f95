"""Our writing of texts: GPT-2's block or the modern one, in a form of weights, by greedy choice."""

from collections.abc import Callable

from bardling.benchmarking.generation import writer
from bardling.kernels.weights import WeightForm
from bardling.model.families import classic, modern
from bardling.model.gpt import GPT
from bardling.model.size import count_parameters

FAMILIES = {"classic": classic, "modern": modern}


def step_of(
    family: str, sizes: dict[str, int], sequences: int, n_tokens: int, form: WeightForm
) -> tuple[int, Callable[[], object]]:
    """Return the parameters, and what writes so many tokens of each sequence."""
    config = FAMILIES[family](**sizes)
    write = writer(GPT(config), sequences=sequences, n_tokens=n_tokens, form=form)
    return count_parameters(config).total, write
