"""One writer for a folder at a time."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from bardling.errors import StorageError
from bardling.storage import disk
from bardling.storage.files import make_folders

LOCK = ".lock"


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold `folder`, which is made if it is missing, against every other process that asks.

    Raises `StorageError` at once when another one holds it. The lock goes with the process, so a
    crash never leaves a folder locked.
    """
    try:
        make_folders(folder)
        lock = FileLock(folder / LOCK, timeout=0)
        lock.acquire()
    except Timeout as error:
        raise StorageError(f"another process is writing {folder}; wait for it to end") from error
    except OSError as error:
        raise StorageError(f"could not write into {folder}: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()
        _leave_nothing_empty(folder)


def _leave_nothing_empty(folder: Path) -> None:
    """Remove a folder that nothing was written into."""
    with suppress(OSError):
        if [path.name for path in folder.iterdir()] == [LOCK]:
            disk.unlink(folder / LOCK)
            disk.remove_folder(folder)
