"""Every pair of switches together, in few combinations.

Faults of switchable parts mostly need two switches to meet (one that breaks alone is found at
once), so the tests build every pair of values at least once instead of the whole product.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from random import Random
from typing import Any

Choice = dict[str, Any]
Pair = tuple[tuple[str, Any], tuple[str, Any]]


def pairwise(
    values: Mapping[str, Sequence[Any]],
    valid: Callable[[Choice], bool] = lambda choice: True,
    *,
    tries: int = 30,
) -> list[Choice]:
    """Return a small list of valid choices, one value per name, that meets every valid pair.

    A pair counts as valid when some completion found by `tries` random ones per missing pair is.
    Greedy: of several random completions of a missing pair, the one that meets most missing
    pairs is taken. Values must be hashable. The result depends on the arguments alone.
    """
    random = Random(0)
    missing = {
        ((a, x), (b, y)): None  # a dict keeps its order, a set of strings does not
        for a, b in combinations(values, 2)
        for x in values[a]
        for y in values[b]
    }
    chosen: list[Choice] = []
    while missing:
        pair = next(iter(missing))
        tried = [_complete(values, pair, random) for _ in range(tries)]
        tried.sort(key=lambda choice: -sum(met in missing for met in _pairs(choice)))
        best = next(filter(valid, tried), None)
        if best is None:
            del missing[pair]
            continue
        for met in _pairs(best):
            missing.pop(met, None)
        chosen.append(best)
    return chosen


def _complete(values: Mapping[str, Sequence[Any]], pair: Pair, random: Random) -> Choice:
    fixed = dict(pair)
    return {name: fixed.get(name, random.choice(options)) for name, options in values.items()}


def _pairs(choice: Choice) -> list[Pair]:
    return list(combinations(choice.items(), 2))
