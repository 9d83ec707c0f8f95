"""Files as bytes, unpacked where they are packed: in a stream, and never more than a limit.

A small file can hold a great deal, so what comes out is counted.
"""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from bardling.errors import CorpusError
from bardling.extras import optional
from bardling.storage import DEFAULT_LIMIT, open_file

_STEP = 2**12  # packed bytes taken at once: at worst, four of them are a block of 128 KiB
CHUNK_BYTES = 2**20


class Damaged(Exception):
    """Packed data are cut short or are not what their name says."""


@contextmanager
def open_plain(path: Path) -> Iterator[BinaryIO]:
    """Open a file to read what it holds, unpacked if its name says that it is packed.

    Raises `CorpusError`, also while it is read, for what is damaged or too much.
    """
    unpack = COMPRESSIONS.get(path.suffix.lower())
    with open_file(path) as file:
        if unpack is None:
            yield file
            return
        try:
            yield io.BufferedReader(_Bounded(unpack(file), path), CHUNK_BYTES)
        except (Damaged, gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise CorpusError(f"{path} cannot be unpacked: {error}") from error


class _Bounded(io.RawIOBase):
    """A stream that ends in an error where it gives more than the limit."""

    def __init__(self, stream: Any, path: Path) -> None:
        self._stream, self._path, self._left = stream, path, DEFAULT_LIMIT

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise CorpusError(
                f"{self._path} unpacks to more than {DEFAULT_LIMIT:,} bytes: cut it into parts"
            )
        buffer[: len(data)] = data
        return len(data)


class _Zstandard:
    """Unpacks Zstandard (RFC 8878), frame by frame."""

    def __init__(self, file: BinaryIO) -> None:
        self._library = optional("zstandard", "data", "a .zst file")
        self._file, self._frame, self._packed, self._plain = file, None, b"", b""

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes; none only at the end."""
        while not self._plain:
            self._packed = self._packed or self._file.read(_STEP)
            if not self._packed:
                if self._frame is not None:
                    raise Damaged("it is cut short")
                return b""
            self._plain = self._unpack()
        found, self._plain = self._plain[:size], self._plain[size:]
        return found

    def _unpack(self) -> bytes:
        frame: Any = self._frame or self._library.ZstdDecompressor().decompressobj()
        try:
            found = frame.decompress(self._packed)
        except self._library.ZstdError as error:
            raise Damaged(str(error)) from error
        self._packed = frame.unused_data if frame.eof else b""
        self._frame = None if frame.eof else frame
        return bytes(found)


def _gzip(file: BinaryIO) -> Any:
    """Unpack gzip (RFC 1952)."""
    return gzip.GzipFile(fileobj=file)


COMPRESSIONS: dict[str, Callable[[BinaryIO], Any]] = {".gz": _gzip, ".zst": _Zstandard}
