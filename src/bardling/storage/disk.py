"""One function for each operation on the disk, and one way to say that it was refused.

They are here, in one place and with nothing around them, so that a test can count them, fail
them or kill the process at each. The order in which they are called, which is what survives a
power cut on a POSIX file system, is left to `files` and `folders`.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bardling.errors import StorageError


@contextmanager
def stating(action: str, path: Path, n_bytes: int | None = None) -> Iterator[None]:
    """Turn what the operating system refuses into one sentence with path, size and reason."""
    if "\0" in str(path):
        raise StorageError(f"could not {action} {str(path)!r}: no path can hold a NUL")
    try:
        yield
    except UnicodeEncodeError as error:
        raise StorageError(f"could not {action} {str(path)!r}: no path can be that") from error
    except OSError as error:
        size = "" if n_bytes is None else f" ({n_bytes:,} bytes needed)"
        raise StorageError(f"could not {action} {path}{size}: {error.strerror or error}") from error


def open_descriptor(path: Path, flags: int) -> int:
    """Open `path` without ever waiting; a new file gets the mode that the umask leaves."""
    return os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)


def is_regular(descriptor: int) -> bool:
    """Say whether an open descriptor is a file, not a folder, pipe or device."""
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def create(path: Path) -> BinaryIO:
    """Create or empty `path` for reading and writing."""
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    return os.fdopen(open_descriptor(path, flags), "w+b")


def write(file: BinaryIO, data: bytes | memoryview) -> None:
    """Hand `data` to the operating system."""
    file.write(data)


def append(descriptor: int, data: bytes) -> int:
    """Hand `data` to the operating system in one write, and return how many bytes it took."""
    return os.write(descriptor, data)


def fsync_file(file: BinaryIO) -> None:
    """Wait until the bytes of `file` are on the disk."""
    file.flush()
    os.fsync(file.fileno())


def fsync_folder(folder: Path) -> None:
    """Wait until the names in `folder` are on the disk."""
    descriptor = open_descriptor(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename(source: Path, target: Path) -> None:
    """Give `source` the name `target`, atomically."""
    source.replace(target)


def unlink(path: Path) -> None:
    """Remove a file."""
    path.unlink()


def make_folder(path: Path) -> None:
    """Make one new folder."""
    path.mkdir()


def remove_folder(path: Path) -> None:
    """Remove an empty folder."""
    path.rmdir()


def temporary_name(path: Path) -> Path:
    """Return the hidden sibling under which this process prepares `path`."""
    return path.with_name(f".{path.name}.tmp-{os.getpid()}")
