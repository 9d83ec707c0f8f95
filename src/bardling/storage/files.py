"""Single files: read once and bounded, written whole or not at all.

Writing prepares a hidden sibling, waits until it is on the disk, and only then gives it the
name, so that a reader (or the next start after a power cut) finds the old file or the new one.
Folders of files that belong together are left to `folders`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256 as _sha256
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO
from weakref import finalize

from bardling.errors import StorageError
from bardling.storage import disk
from bardling.storage.strict_json import Json, json_bytes, parse_json

DEFAULT_LIMIT = 8 * 2**30  # guards against accidents; no text or weights of ours are larger
JSON_LIMIT = 16 * 2**20
_PIECE_BYTES = 2**22


def sha256(*pieces: bytes | memoryview) -> str:
    """Return the sha256 of some bytes, one after the other, in hexadecimal."""
    digest = _sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def sha256_in_pieces(file: BinaryIO) -> tuple[int, str]:
    """Return how many bytes are left in a file, and their sha256."""
    digest, n_bytes = _sha256(), 0
    while piece := file.read(_PIECE_BYTES):
        digest.update(piece)
        n_bytes += len(piece)
    return n_bytes, digest.hexdigest()


def exists(path: Path) -> bool:
    """Say whether something is at `path`; a name that no file can have is simply not there."""
    try:
        return path.exists()
    except OSError:  # too long, or behind a folder that may not be entered
        return False


def children(folder: Path) -> list[Path]:
    """Return what lies in a folder; nothing does where there is none."""
    with disk.stating("list", folder):
        try:
            return list(folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []


def changed_ns(path: Path) -> int | None:
    """Return when a file was last written, in nanoseconds; None where there is none to be seen."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


@contextmanager
def open_file(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file for reading; a pipe or device, which could wait for ever, is refused."""
    with disk.stating("read", path):
        descriptor = disk.open_descriptor(path, os.O_RDONLY)
        if not disk.is_regular(descriptor):
            os.close(descriptor)
            raise StorageError(f"{path} is a folder, pipe or device: a file was expected")
        file = os.fdopen(descriptor, "rb")
    with file:
        yield file


class PlacedFile:
    """A regular file of which a few bytes are read here and there; closed when nobody has it."""

    def __init__(self, path: Path) -> None:
        with open_file(path) as file:
            self._path, self._descriptor = path, os.dup(file.fileno())
        finalize(self, os.close, self._descriptor)

    def read(self, place: int, size: int) -> bytes:
        """Return `size` bytes from a place on."""
        try:
            data = os.pread(self._descriptor, size, place)
        except OSError as error:
            raise StorageError(f"could not read {self._path}: {error.strerror}") from error
        if len(data) != size:
            raise StorageError(f"{self._path} became shorter while it was in use: put it back")
        return data


def read_bytes(path: Path, *, limit_bytes: int = DEFAULT_LIMIT, may_grow: bool = False) -> bytes:
    """Read a regular file of at most `limit_bytes` in one go.

    Of a log that `may_grow` meanwhile, what it held at first is returned.
    """
    with open_file(path) as file, disk.stating("read", path):
        size = os.fstat(file.fileno()).st_size
        if size > limit_bytes:
            raise StorageError(f"{path} has {size:,} bytes: at most {limit_bytes:,} were expected")
        data = file.read(size + (not may_grow))  # bounded even if someone still writes to it
    if len(data) != size:
        raise StorageError(f"{path} had {size:,} bytes and changed while it was read: try again")
    return data


def read_text(path: Path, *, limit_bytes: int = DEFAULT_LIMIT) -> str:
    """Read strict UTF-8, with the line ends as they are."""
    data = read_bytes(path, limit_bytes=limit_bytes)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise StorageError(f"{path} is not UTF-8: see its byte {error.start:,}") from error


def read_json(path: Path, *, limit_bytes: int = JSON_LIMIT) -> Json:
    """Read a JSON file as strictly as `parse_json` does."""
    return parse_json(read_bytes(path, limit_bytes=limit_bytes), str(path))


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Give a seekable file that takes the place of `path` when the block ends well.

    If the block raises, the old file stays as it was. Missing parent folders are made.
    """
    with _replacing(path, None) as file:
        yield file


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` as the whole of `path`, or leave `path` as it was."""
    with _replacing(path, len(data)) as file:
        disk.write(file, data)


def write_text(path: Path, text: str) -> None:
    """Write `text` in UTF-8, with the line ends as they are."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: object) -> None:
    """Write `value` as `json_bytes` has it."""
    write_bytes(path, json_bytes(value))


def append_line(path: Path, line: str) -> None:
    """Add one line to a log, in one write and without waiting for the disk.

    A last line that an earlier crash cut short is closed first, so that it stays alone.
    """
    data = line.encode("utf-8") + b"\n"
    with disk.stating("append to", path, len(data)):
        descriptor = disk.open_descriptor(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        try:
            if not disk.is_regular(descriptor):
                raise StorageError(f"{path} is a pipe or device: a file was expected")
            size = os.fstat(descriptor).st_size
            if size > 0 and os.pread(descriptor, 1, size - 1) != b"\n":
                data = b"\n" + data
            n_written = disk.append(descriptor, data)
        finally:
            os.close(descriptor)
    if n_written != len(data):
        raise StorageError(
            f"could append only {n_written} of {len(data)} bytes to {path}: make room on the disk"
        )


def make_folders(folder: Path) -> None:
    """Make `folder` and what is missing above it; each name is on the disk before the next.

    Waiting for the file alone would not do: after a power cut a folder whose own name never
    reached the disk is gone, with everything in it. Another process may make the same folders.
    """
    missing = takewhile(lambda path: not path.is_dir(), (folder, *folder.parents))
    for path in reversed(list(missing)):
        try:
            disk.make_folder(path)
        except FileExistsError:
            if not path.is_dir():
                raise
        disk.fsync_folder(path.parent)


@contextmanager
def _replacing(path: Path, n_bytes: int | None) -> Iterator[BinaryIO]:
    temporary = disk.temporary_name(path)
    with disk.stating("write", path, n_bytes):
        make_folders(path.parent)
        try:
            with disk.create(temporary) as file:
                yield file
                disk.fsync_file(file)
            disk.rename(temporary, path)
        except BaseException:
            with suppress(OSError):  # the first error is the one to tell
                disk.unlink(temporary)
            raise
        disk.fsync_folder(path.parent)
