"""Token ids in a file that is memory-mapped, and refused unless it is whole and fits.

A file of bare numbers is silently wrong when it is cut short, made with another tokenizer or
read with another width. So the header names all of that, and holds two hashes:

    bytes   0-7    magic, b"bardling"            32-63   sha256 of the tokenizer
            8-11   version, 1                    64-95   sha256 of the body
            12-15  bytes per id, 2 or 4          96-127  sha256 of bytes 0-95
            16-23  number of ids
            24-31  vocabulary size               128-    the ids, little-endian

What the ids mean is left to the tokenizer, in what order they are read to `batches`.
"""

import struct
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Integer

from bardling.errors import TokenFileError
from bardling.storage import atomic_file, open_file
from bardling.text.tokenizer import Tokenizer

_FIELDS = struct.Struct("<8sIIQQ32s32s")  # everything before the header's own hash
MAGIC = b"bardling"
_VERSION = 1
_HEADER_BYTES = 128
_CHUNK_IDS = 2**20

Ids = Integer[np.ndarray, " _"]


def write_tokens(
    path: Path, ids: Ids | Iterable[Ids], *, vocab_size: int, tokenizer_sha256: str
) -> tuple[int, str]:
    """Write ids, given whole or piece by piece, with two bytes each if the vocabulary allows.

    Only one piece is in memory at a time. Returns how many there are, and the sha256 of the body.
    Raises TokenFileError for an id outside 0 to `vocab_size` - 1; the file that was there before
    then stays.
    """
    dtype = np.dtype("<u2" if vocab_size <= 2**16 else "<u4")
    body_hash = sha256()
    count = 0
    with atomic_file(path) as file:
        file.write(bytes(_HEADER_BYTES))
        for piece in [ids] if isinstance(ids, np.ndarray) else ids:
            _require_in_range(path, piece, vocab_size)
            data = piece.astype(dtype).tobytes()
            body_hash.update(data)
            file.write(data)
            count += len(piece)
        tokenizer_hash = bytes.fromhex(tokenizer_sha256)
        fields = _FIELDS.pack(
            *(MAGIC, _VERSION, dtype.itemsize, count, vocab_size),
            *(tokenizer_hash, body_hash.digest()),
        )
        file.seek(0)
        file.write(fields + sha256(fields).digest())
    return count, body_hash.hexdigest()


def _require_in_range(path: Path, ids: Ids, vocab_size: int) -> None:
    if ids.dtype.kind not in "iu":
        raise TokenFileError(f"{path} holds whole numbers only: found {ids.dtype}")
    if len(ids) and not (int(ids.min()) >= 0 and int(ids.max()) < vocab_size):
        raise TokenFileError(
            f"{path} has ids from {ids.min()} to {ids.max()}: 0 to {vocab_size - 1} were expected; "
            "they belong to another tokenizer, so train anew from the text"
        )


def open_tokens(path: Path, *, tokenizer: Tokenizer | None = None) -> Integer[np.ndarray, " count"]:
    """Map the ids of a file, read-only, after checking every byte of it.

    With a `tokenizer`, the file must have been made with the same one. Raises TokenFileError
    that names the file, what was found and what was expected.
    """
    with open_file(path) as file:
        header = file.read(_HEADER_BYTES)
        magic, version, width, count, vocab_size, tokenizer_hash, body_hash = _unpack(path, header)
        _expect(path, "magic", magic, MAGIC)
        _expect(path, "version", version, _VERSION)
        _expect(path, "sha256 of the header", sha256(header[:-32]).hexdigest(), header[-32:].hex())
        _expect(path, "bytes per id", width, 2 if vocab_size <= 2**16 else 4)
        _expect(path, "number of bytes", file.seek(0, 2), _HEADER_BYTES + count * width)
        if tokenizer is not None:
            _expect(path, "vocabulary size", vocab_size, tokenizer.vocab_size)
            _expect(path, "sha256 of the tokenizer", tokenizer_hash.hex(), tokenizer.sha256)
        if count == 0:  # nothing to map
            _expect(path, "sha256 of the body", sha256().hexdigest(), body_hash.hex())
            return np.zeros(0, dtype=f"<u{width}")
        ids = np.memmap(file, dtype=f"<u{width}", mode="r", offset=_HEADER_BYTES, shape=(count,))
    digest = sha256()
    for start in range(0, count, _CHUNK_IDS):
        piece = ids[start : start + _CHUNK_IDS]
        digest.update(piece.data)
        _require_in_range(path, piece, vocab_size)
    _expect(path, "sha256 of the body", digest.hexdigest(), body_hash.hex())
    return ids


def stored_sha256(path: Path) -> str | None:
    """Return the sha256 that a file says its body has, or None for a file of another kind."""
    with open_file(path) as file:
        header = file.read(_HEADER_BYTES)
    return _unpack(path, header)[-1].hex() if header.startswith(MAGIC) else None


def body_sha256(ids: Ids) -> str:
    """Return the sha256 of ids as they lie in a file."""
    digest = sha256()
    for start in range(0, len(ids), _CHUNK_IDS):
        digest.update(ids[start : start + _CHUNK_IDS].data)
    return digest.hexdigest()


def _unpack(path: Path, header: bytes) -> tuple[Any, ...]:
    if len(header) < _HEADER_BYTES:
        raise TokenFileError(
            f"{path} has {len(header)} bytes: a header of {_HEADER_BYTES} was expected; "
            "the file is damaged, so train anew from the text"
        )
    return _FIELDS.unpack_from(header)


def _expect(path: Path, what: str, found: object, expected: object) -> None:
    if found != expected:
        raise TokenFileError(
            f"{path} does not fit: its {what} is {found!r}, expected {expected!r}; "
            "train anew from the text, which writes the file again"
        )
