"""JSON as our files hold it: strict in, plain and readable out.

Python's own parser takes NaN, numbers that overflow to infinity and repeated keys, each of
which lets two readers see different things in one file. What the keys mean is left to others.
"""

import json
import math
from collections import Counter
from typing import Any

from bardling.errors import StorageError

Json = Any  # dict, list, str, int, float, bool or None: whoever reads it checks it

_SHOWN = 60  # characters of a wrong value that a sentence has room for


def parse_json(data: bytes, name: str) -> Json:
    """Parse UTF-8 JSON with finite numbers and each key once; `name` is for the error."""
    try:
        return parse_json_text(data.decode("utf-8"), name)
    except UnicodeDecodeError as error:
        raise StorageError(f"{name} is not strict JSON: {error}") from error


def parse_json_text(text: str, name: str) -> Json:
    """Parse JSON that is decoded already, as strictly."""
    if text.startswith("\ufeff"):
        raise StorageError(f"{name} is not strict JSON: it begins with a byte order mark (BOM)")
    try:
        return _DECODER.decode(text)
    except RecursionError as error:
        raise StorageError(f"{name} is not JSON of ours: it is nested too deeply") from error
    except ValueError as error:
        raise StorageError(f"{name} is not strict JSON: {error}") from error


def json_bytes(value: object) -> bytes:
    """Return `value` with two spaces of indent, its keys in the order given, and a last newline."""
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        return f"{text}\n".encode()
    except ValueError as error:  # not a finite number, or half a surrogate pair
        raise StorageError(f"a value cannot be written as JSON: {error}") from error


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not a number in JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"the number {digits[:_SHOWN]} is too large")
    return number


def _each_key_once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        (key, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key {key[:_SHOWN]!r} appears twice")
    return value


_DECODER = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_each_key_once
)
