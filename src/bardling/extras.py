"""Libraries that only some verbs need: they come with an extra, and are asked for when needed."""

from importlib import import_module
from typing import Any

from bardling.errors import UsageError


def optional(module: str, extra: str, purpose: str) -> Any:
    """Return a module of a library that may not be installed.

    Raises UsageError that says what needs it and how it is installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise UsageError(f"{purpose} needs {library}: pip install 'bardling[{extra}]'") from error
