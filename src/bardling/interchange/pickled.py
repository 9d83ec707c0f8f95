"""Weights out of a `.pt` or `.bin` file, which is a pickle, into safetensors, which is not.

Nothing else here reads pickles. `torch.load` with `weights_only` is made to run no code of a file,
and has had faults by which some did (CVE-2025-32434, CVE-2026-24747): only files of people one
trusts are to be read this way, once, and their safetensors from then on.
"""

import warnings
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as tensor_bytes
from torch import Tensor

from bardling import storage
from bardling.errors import StorageError, UsageError
from bardling.fields import show

_MOST_NAMES = 9


RISK = (
    "a .pt file is a pickle: torch reads it without running what it holds, and has had faults by "
    "which a file made for that ran code all the same. Read only files of people you trust"
)


def unpickle(
    source: Path, target: Path, *, within: str | None = None, trust: bool = False
) -> dict[str, Tensor]:
    """Write the tensors of a pickled file as safetensors; return them by name.

    `within` names the dictionary of them where the file holds several, as in nanoGPT's
    `{"model": ..., "optimizer": ...}`. Raises `StorageError` where the file holds anything but
    tensors, numbers, words and dictionaries of them, and `UsageError` where it is not clear which
    tensors are meant, `target` is there already, or nobody says `trust`.
    """
    if not trust:
        raise UsageError(f"{RISK}; if that is so, say --trust (trust=True)")
    if storage.exists(target):
        raise UsageError(f"{target} is already there and is never overwritten: choose another name")
    data = BytesIO(storage.read_bytes(source))
    try:
        with warnings.catch_warnings(action="ignore"):  # of what is refused a line later
            held = torch.load(data, map_location="cpu", weights_only=True)
        tables = _tables(held)
    except Exception as error:  # whatever a reader of pickles comes upon
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise StorageError(f"{source} is no file of tensors alone: {show(first[:150])}") from error
    tensors = _chosen(tables, within, source)
    apart = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
    storage.write_bytes(target, tensor_bytes(apart, metadata={"format": "pt"}))
    return apart


def _chosen(
    found: Mapping[str, Mapping[str, Tensor]], within: str | None, source: Path
) -> Mapping[str, Tensor]:
    """Return the one dictionary of tensors that is meant."""
    if within is None and len(found) == 1:
        return next(iter(found.values()))
    if within is not None and within in found:
        return found[within]
    if not found:
        raise StorageError(f"{source} holds no dictionary of tensors by name")
    names = ", ".join(show(name or "the whole") for name in list(found)[:_MOST_NAMES])
    raise UsageError(f"{source} holds {names}; say which by --within")


def _tables(held: Any) -> dict[str, Mapping[str, Tensor]]:
    """Return what is a dictionary of tensors by name: the whole, or what it holds by name."""
    if _is_table(held):
        return {"": held}
    inner = held.items() if isinstance(held, Mapping) else ()
    return {name: table for name, table in inner if isinstance(name, str) and _is_table(table)}


def _is_table(held: Any) -> bool:
    return (
        isinstance(held, Mapping)
        and len(held) > 0
        and all(
            isinstance(name, str) and isinstance(value, Tensor) and _is_plain(value)
            for name, value in held.items()
        )
    )


def _is_plain(tensor: Tensor) -> bool:
    """Tell a tensor of numbers that lie in memory one by one, each once."""
    is_whole = tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()
    return tensor.layout is torch.strided and not tensor.is_quantized and is_whole
