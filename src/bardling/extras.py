"""Libraries that are loaded when they are needed: some come with an extra, some take long."""

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


def when_needed(module: str) -> Any:
    """Return a module that is always installed and takes long to load."""
    return import_module(module)
