"""Sweeps: any settings over any values, every combination of them an ordinary run."""

import json
import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from bardling.config import RunConfig
from bardling.errors import ConfigError, UsageError
from bardling.experiments.cases import Case

Values = Sequence[Any]


def parse_vary(word: str) -> tuple[str, list[Any]]:
    """Return the setting and the values of `model.block-size=64,128`.

    A value is read as JSON where that is possible (`none` is null) and as a word otherwise.
    """
    name, separator, values = word.partition("=")
    field = name.lstrip("-").rpartition(".")[2].replace("-", "_")
    if not field or not separator or not all(values.split(",")):
        raise UsageError(f"'{word}' varies nothing; write it as model.block-size=64,128,256")
    return field, [_read(value) for value in values.split(",")]


def _read(word: str) -> Any:
    try:
        return json.loads(word)
    except ValueError:
        return word


def combinations(config: RunConfig, vary: Mapping[str, Values], *, n_seeds: int = 1) -> list[Case]:
    """Return a case for every combination of the values, the last setting changing fastest.

    Raises `ConfigError` for a setting that there is not, or a value that no run can have, and
    `UsageError` for a value that is there twice.
    """
    points = [dict(zip(vary, values, strict=True)) for values in product(*vary.values())]
    return cases_at(config, points, n_seeds=n_seeds)


def cases_at(
    config: RunConfig, points: Sequence[Mapping[str, Any]], *, n_seeds: int = 1
) -> list[Case]:
    """Return a case for each of some points, which are settings by their own names."""
    cases = [
        Case(
            name=_plain("-".join(f"{name}-{value}" for name, value in point.items())),
            about=", ".join(f"{name} {value}" for name, value in point.items()),
            config=_at(config, point),
            n_seeds=n_seeds,
        )
        for point in points
    ]
    names = [case.name for case in cases]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"'{twice}' is there twice")
    return cases


def _at(config: RunConfig, point: Mapping[str, Any]) -> RunConfig:
    """Return the config at a point; `none` is a word where a setting has it, and else nothing."""
    config = config.with_overrides(keep_last=1)
    try:
        return config.with_overrides(**point)
    except ConfigError:
        if "none" not in point.values():
            raise
    return config.with_overrides(**{k: None if v == "none" else v for k, v in point.items()})


def _plain(name: str) -> str:
    """Return a name that a folder can have."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", name)
