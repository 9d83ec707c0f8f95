"""Folders of files that belong together: complete with a manifest, or not there.

`publish_folder` prepares everything under a hidden name, writes the manifest last, and renames;
`remove_folder` goes the other way. So a folder under its own name is always whole, and
`read_folder` proves it, file by file, before anyone parses a byte. Which of several folders is
the newest or the best is left to the caller.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bardling.errors import StorageError
from bardling.storage import disk
from bardling.storage.files import (
    DEFAULT_LIMIT,
    make_folders,
    open_file,
    read_bytes,
    read_json,
    sha256,
    sha256_in_pieces,
)
from bardling.storage.strict_json import Json, json_bytes

MANIFEST = "manifest.json"
_LEFTOVER = re.compile(r"\..+\.tmp-([1-9][0-9]{0,8})")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NO_LIMITS: Mapping[str, int] = {}
_MANIFEST_BYTES = 2**20
Pieces = Sequence[bytes | memoryview]
Contents = bytes | Pieces
"""Of a file, whole or in pieces that follow each other."""
Entry = tuple[int, str]
"""What a manifest says of a file: its size in bytes, and its sha256."""
_NAME = 100  # characters; a file system may allow no more than 255 bytes


def total_bytes(contents: Contents) -> int:
    """Return how many bytes there are."""
    return len(contents) if isinstance(contents, bytes) else sum(map(len, contents))


def publish_folder(folder: Path, files: Mapping[str, Contents]) -> None:
    """Write `files`, by plain name, and their manifest as `folder`, which appears when complete.

    A folder that is already there is never overwritten. Missing parent folders are made.
    """
    for name, data in files.items():
        _require_plain(name, folder)
        if total_bytes(data) > DEFAULT_LIMIT:
            raise StorageError(
                f"{folder / name} would have {total_bytes(data):,} bytes, and no more than "
                f"{DEFAULT_LIMIT:,} are ever read back"
            )
    if folder.exists():
        raise StorageError(f"{folder} is already there and is never overwritten: remove it first")
    pieces = {name: (data,) if isinstance(data, bytes) else data for name, data in files.items()}
    entries = {
        name: {"bytes": total_bytes(data), "sha256": sha256(*data)} for name, data in pieces.items()
    }
    contents = {**pieces, MANIFEST: (json_bytes({"files": entries}),)}
    with disk.stating("write", folder, sum(map(total_bytes, contents.values()))):
        make_folders(folder.parent)
        _write_all(disk.temporary_name(folder), folder, contents)
        disk.fsync_folder(folder.parent)


def _write_all(temporary: Path, folder: Path, contents: Mapping[str, Pieces]) -> None:
    """Write `contents` in order, so the manifest last, under `temporary`, then rename it."""
    try:
        _remove(temporary)  # of an earlier attempt of this process
        disk.make_folder(temporary)
        for name, data in contents.items():
            with disk.create(temporary / name) as file:
                for piece in data:
                    disk.write(file, piece)
                disk.fsync_file(file)
        disk.fsync_folder(temporary)
        disk.rename(temporary, folder)
    except BaseException:
        with suppress(OSError):  # the first error is the one to tell
            _remove(temporary)
        raise


def read_folder(folder: Path, *, limits: Mapping[str, int] = _NO_LIMITS) -> dict[str, bytes]:
    """Read every file of a published folder once, and return only what its manifest vouches for.

    A manifest may vouch for anything, so `limits` are the most bytes of some files by name; others
    have that of `read_bytes`. Raises StorageError that names the file at the first deviation:
    something missing, too much, of another size or of another hash.
    """
    return {
        name: _read_entry(folder / name, entry, limit_bytes=limits.get(name, DEFAULT_LIMIT))
        for name, entry in _entries(folder).items()
    }


def prove_folder(folder: Path) -> None:
    """Read every file of a folder that was just published, and keep nothing in memory."""
    for name, entry in _entries(folder).items():
        path = folder / name
        with open_file(path) as file, disk.stating("read", path):
            _require_entry(path, entry, *sha256_in_pieces(file))


def _entries(folder: Path) -> dict[str, Entry]:
    """Return what the manifest says of each file; no other may be there."""
    entries = _read_manifest(folder)
    with disk.stating("read", folder):
        found = {path.name for path in folder.iterdir()} - {MANIFEST}
    for name in sorted(found - entries.keys()):
        plain = name if name.isprintable() else repr(name)
        listed = ", ".join(sorted(entries)[:9])
        raise StorageError(f"{folder / plain} is not in {MANIFEST}, which lists {listed}")
    return entries


def _read_entry(path: Path, entry: Entry, *, limit_bytes: int) -> bytes:
    data = read_bytes(path, limit_bytes=min(entry[0], limit_bytes))
    _require_entry(path, entry, len(data), sha256(data))
    return data


def _require_entry(path: Path, expected: Entry, n_bytes: int, digest: str) -> None:
    if n_bytes != expected[0]:
        raise StorageError(f"{path} has {n_bytes:,} bytes: {expected[0]:,} were expected")
    if digest != expected[1]:
        raise StorageError(f"{path} is damaged: its sha256 is {digest}, expected {expected[1]}")


def _read_manifest(folder: Path) -> dict[str, Entry]:
    """Return size and sha256 by file name."""
    path = folder / MANIFEST
    match read_json(path, limit_bytes=_MANIFEST_BYTES):
        case {"files": dict(files), **rest} if not rest:
            return {name: _parse_entry(name, entry, path) for name, entry in files.items()}
    raise StorageError(f'{path} is malformed: {{"files": ...}} was expected')


def _parse_entry(name: str, entry: Json, path: Path) -> Entry:
    _require_plain(name, path)
    match entry:
        case {"bytes": int(size), "sha256": str(digest), **rest} if not (
            rest or isinstance(size, bool) or size < 0 or not _SHA256.fullmatch(digest)
        ):
            return size, digest
    raise StorageError(f"{path} is malformed: {name!r} needs its 'bytes' and its 'sha256'")


def _require_plain(name: str, where: Path) -> None:
    plain = name.isprintable() and len(name) <= _NAME and not any(mark in name for mark in "/\\")
    if not plain or name in ("", ".", "..", MANIFEST):
        raise StorageError(f"{where} cannot hold a file named {name[:60]!r}: use a plain file name")


def is_published(folder: Path) -> bool:
    """Say whether `folder` was published, without proving that its files are whole."""
    return (folder / MANIFEST).is_file()


def remove_folder(folder: Path) -> None:
    """Remove a folder of files so that it never looks whole in between.

    It loses its name first and its manifest next, so whatever stops this in the middle leaves
    the whole folder, or a leftover.
    """
    temporary = disk.temporary_name(folder)
    with disk.stating("remove", folder):
        _remove(temporary)
        disk.rename(folder, temporary)
        _remove(temporary)


@contextmanager
def removed_on_error(folder: Path) -> Iterator[None]:
    """Take away what a block has written into a folder if it raises; what was there before stays.

    The first error is the one that is told.
    """
    before = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    try:
        yield
    except BaseException:
        with suppress(OSError):
            for path in folder.iterdir():
                if path.name not in before:
                    _remove(path)
            if not before:
                disk.remove_folder(folder)
        raise


def set_aside(folder: Path) -> Path:
    """Rename a folder that cannot be used, so that its name is free, and return its new path.

    The new name is on the disk before this returns: what is written next under the old one must
    not meet the old folder again after a power cut.
    """
    number = 1
    while (aside := folder.with_name(f"{folder.name}.damaged-{number}")).exists():
        number += 1
    with disk.stating("set aside", folder):
        disk.rename(folder, aside)
        disk.fsync_folder(folder.parent)
    return aside


def remove_leftovers(parent: Path, of: str = "") -> int:
    """Remove what dead processes, or this one, left in `parent`, and return how many.

    With a name, only what would have become the file or folder `of` that name.
    """
    n_removed = 0
    if not parent.is_dir():
        return n_removed
    with disk.stating("tidy", parent):
        for path in sorted(parent.iterdir()):
            match = _LEFTOVER.fullmatch(path.name)
            if of and not path.name.startswith(f".{of}.tmp-"):
                continue
            if match and (int(match[1]) == os.getpid() or not _is_alive(int(match[1]))):
                _remove(path)
                n_removed += 1
    return n_removed


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # alive, and someone else's
        return True
    return True


def _remove(path: Path) -> None:
    """Remove a file, or a folder of files with its manifest first; absent is fine."""
    if path.is_dir() and not path.is_symlink():
        for child in sorted(path.iterdir(), key=lambda child: child.name != MANIFEST):
            disk.unlink(child)
        disk.remove_folder(path)
    elif path.exists() or path.is_symlink():
        disk.unlink(path)
