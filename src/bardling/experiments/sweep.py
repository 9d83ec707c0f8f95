"""Sweeps: any settings over any values, every combination of them an ordinary run."""

import json
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import product
from typing import Any

from bardling.config import RunConfig
from bardling.errors import ConfigError, UsageError
from bardling.experiments.cases import Case, without_doubles

Values = Sequence[Any]
LONGEST_NAME = 70  # so that a seed still fits behind it


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
    return without_doubles(
        [
            Case(
                name=plain_name("-".join(f"{name}-{value}" for name, value in point.items())),
                about=", ".join(f"{name} {value}" for name, value in point.items()),
                config=_at(config, point),
                n_seeds=n_seeds,
            )
            for point in points
        ]
    )


def _at(config: RunConfig, point: Mapping[str, Any]) -> RunConfig:
    """Return the config at a point; `none` is a word where a setting has it, and else nothing."""
    return config.with_overrides(
        keep_last=1, **{name: _meant(config, name, value) for name, value in point.items()}
    )


def _meant(config: RunConfig, name: str, value: Any) -> Any:
    if value != "none":
        return value
    try:
        config.with_overrides(**{name: value})
    except ConfigError:
        return None
    return value


def plain_name(word: str, *, always: bool = False) -> str:
    """Return a name that a folder can have, with a hash where it had to be cut or changed much.

    A path gives the name of its file; `always` has the hash in any case.
    """
    end = re.sub(r"[^A-Za-z0-9.-]+", "-", word.rstrip("/").rpartition("/")[2]).strip("-.")
    plain = end.removesuffix(".txt")
    if word.isascii() and len(plain) <= LONGEST_NAME and plain and not always:
        return plain
    return f"{plain[:LONGEST_NAME]}-{sha256(word.encode()).hexdigest()[:6]}".strip("-")
