"""Values against the types that config classes declare: one strictness for JSON and for Python.

A dataclass does not look at what it is given, and a wrong kind of value fails late and far away:
a misspelt word as a missing key, a fraction of a layer inside torch. So JSON is read by
`read_value`, and every config calls `check_fields` before it checks ranges; both say the same
sentences. Types are the plain ones that configs use: int, float, bool, str, Literal, tuples of
one kind, values by name, optional ones of these, groups of settings, and choices between groups:
JSON says which by the key `kind`, and without it the first is meant. No torch here.
"""

import dataclasses
import math
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from bardling.errors import ConfigError, nearest

_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
_LARGEST = 2**64 - 1  # a seed's; what torch, numpy and JSON readers can hold ends there too
_SHOWN = 60  # characters of a wrong value that a sentence has room for
KIND = "kind"


def kinds(choice: Any) -> dict[str, Any]:
    """Return the groups that a type such as `AdamW | Muon` allows, by the word for each.

    A type that is no such choice allows none.
    """
    types_ = get_args(choice)
    if not types_ or not all(map(dataclasses.is_dataclass, types_)):
        return {}
    return {word_for(kind): kind for kind in types_}


def word_for(kind: type) -> str:
    """Return the word that chooses a type."""
    return kind.__name__.lower()


def write_value(instance: Any) -> dict[str, Any]:
    """Return a dataclass as the JSON values that `read_value` reads."""
    owner: Any = type(instance)
    values: dict[str, Any] = {}
    for name, hint in _hints(owner).items():
        value = getattr(instance, name)
        if dataclasses.is_dataclass(value):
            which = {KIND: word_for(type(value))} if kinds(hint) else {}
            value = which | write_value(value)
        values[name] = value
    return values


def read_value(kind: Any, value: Any, place: str) -> Any:
    """Return `value`, read from JSON, as a value of type `kind`.

    A list becomes a tuple, a whole number may stand for a number, an absent key takes its
    default. Raises ConfigError that names the `place` for anything else.
    """
    if dataclasses.is_dataclass(kind):
        return _read_group(kind, value, place)
    if kinds(kind):
        return _read_one_of(kinds(kind), value, place)
    origin = get_origin(kind)
    if origin is Literal:
        return _read_choice(get_args(kind), value, place)
    if origin in (Union, types.UnionType):
        options = [option for option in get_args(kind) if option is not types.NoneType]
        if value is None and len(options) < len(get_args(kind)):
            return None
        return read_value(type(value) if type(value) in options else options[0], value, place)
    if origin is Mapping:
        if not isinstance(value, dict):
            raise ConfigError(f"{place} is {show(value)}; it must be values by name")
        return {name: read_value(get_args(kind)[1], v, place) for name, v in value.items()}
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{place} is {show(value)}; it must be a list")
        return tuple(read_value(get_args(kind)[0], item, place) for item in value)
    return _read_plain(kind, value, place)


def check_fields(instance: Any) -> None:
    """Raise ConfigError for the first field of a dataclass whose value its type does not allow."""
    owner: Any = type(instance)
    for name, kind in _hints(owner).items():
        value = getattr(instance, name)
        groups = [kind] if dataclasses.is_dataclass(kind) else list(kinds(kind).values())
        if groups:
            if type(value) not in groups:
                raise ConfigError(f"{name} is {show(value)}; it must be a group of settings")
        elif isinstance(read_value(kind, value, name), tuple) and not isinstance(value, tuple):
            raise ConfigError(f"{name} is {show(value)}; in Python it must be a tuple")


def _read_group(kind: Any, value: Any, place: str) -> Any:
    if not isinstance(value, dict):
        raise ConfigError(f"{place} is {show(value)}; it must be a group of settings")
    hints = _hints(kind)
    for name in value:
        if name not in hints:
            raise ConfigError(f"{place} has no setting {show(name)}{nearest(str(name), hints)}")
    for field in dataclasses.fields(kind):
        needed = field.default is field.default_factory is dataclasses.MISSING
        if needed and field.name not in value:
            raise ConfigError(f"{place} does not say its '{field.name}'")
    return kind(
        **{name: read_value(hints[name], v, f"{place}.{name}") for name, v in value.items()}
    )


def _read_one_of(groups: dict[str, Any], value: Any, place: str) -> Any:
    if not isinstance(value, dict):
        raise ConfigError(f"{place} is {show(value)}; it must be a group of settings")
    word = _read_choice(tuple(groups), value.get(KIND, next(iter(groups))), f"{place}.{KIND}")
    rest = {name: setting for name, setting in value.items() if name != KIND}
    for name in rest:
        having = [other for other, group in groups.items() if name in _hints(group)]
        if having and word not in having:
            raise ConfigError(
                f"{place} has no setting {show(name)} when its {KIND} is {word}; "
                f"choose {' or '.join(having)}, or leave it away"
            )
    return _read_group(groups[word], rest, place)


def _read_choice(choices: tuple[str, ...], value: Any, place: str) -> str:
    if isinstance(value, str) and value in choices:
        return value
    raise ConfigError(
        f"{place} is {show(value)}; it must be one of {', '.join(choices)}"
        + nearest(value if isinstance(value, str) else show(value), choices)
    )


def _read_plain(kind: Any, value: Any, place: str) -> Any:
    is_kind = isinstance(value, (int, float) if kind is float else kind)
    if not is_kind or (isinstance(value, bool) and kind is not bool):  # True is an int to Python
        raise ConfigError(f"{place} is {show(value)}; it must be {_WORDS[kind]}")
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise ConfigError(f"{place} is {show(value)}; it must be {_WORDS[kind]} of 64 bits")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{place} is {value}; it must be a finite number")
    return float(value) if kind is float else value


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """Return the type of every field by name."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def show(value: Any, most: int = _SHOWN) -> str:
    """Return `repr(value)`, cut where it would drown the sentence."""
    if isinstance(value, int) and abs(value) > _LARGEST:  # Python refuses to print the longest
        return f"a number of {value.bit_length():,} bits"
    try:
        shown = repr(value)
    except (ValueError, RecursionError):  # such a number somewhere inside, or lists in lists
        return f"a {type(value).__name__} that cannot be shown"
    return shown if len(shown) <= most else f"{shown[:most]}..."
