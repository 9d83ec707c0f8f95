"""Faults at the operations of `bardling.storage.disk`, and what a power cut leaves of them.

All that is written goes through these functions, so a fault at each of them in turn is a fault at
every moment that a disk knows of. `watched(watch)` lets `watch` do each operation in its own way:

    at(7, killed)                      the process dies by SIGKILL before operation 7 (from 0)
    at(7, torn, killed)                half of the bytes of operation 7 arrive first, if it has any
    at(7, partial(refused, EIO))       operation 7 fails, the others do not
    from_on(7, full, torn)             half of operation 7 arrives, then there is no more room
    from_on(7, partial(refused, EROFS))    from operation 7 on nothing can be changed
    Log(folder)                        all is done, and written down with its bytes

From a log, `after_power_cut` makes the files that are left when the machine stops after the last
of its entries: what was synced, and of the rest nothing, all, or what chance lets through.
"""

import errno
import os
import random
import signal
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from bardling.storage import disk

OPERATIONS = ("open_descriptor", "write", "append", "fsync_file", "fsync_folder", "rename",
              "unlink", "make_folder", "remove_folder")  # fmt: skip
FREEING = ("rename", "unlink", "remove_folder")
"""Operations that a full disk lets through."""
OPEN: dict[int, Path] = {}
"""Files that are open for writing, by descriptor."""


class Operation:
    """One operation that is asked for and not yet done."""

    def __init__(self, name: str, original: Callable[..., Any], arguments: tuple) -> None:
        self.name, self._original, self._arguments = name, original, arguments
        first = arguments[0]
        self.path = first if isinstance(first, Path) else OPEN[_descriptor(first)]
        self.target: Path | None = arguments[1] if name == "rename" else None
        self.data: bytes = arguments[1] if name in ("write", "append") else b""
        if name == "open_descriptor":
            self.name = "create" if arguments[1] & os.O_TRUNC else "open"

    def do(self) -> Any:
        """Do it."""
        result = self._original(*self._arguments)
        if self.name in ("create", "open"):
            OPEN[result] = self.path
        return result

    def half(self) -> Any:
        """Let half of the bytes arrive, as when a disk becomes full or a process dies."""
        file = self._arguments[0]
        if self.name == "append":
            return self._original(file, self.data[: len(self.data) // 2])
        if self.name == "write":
            self._original(file, self.data[: len(self.data) // 2])
            file.flush()
        elif self.name == "fsync_file":
            file.flush()
            os.ftruncate(file.fileno(), os.fstat(file.fileno()).st_size // 2)
        return None

    def spoil(self) -> None:
        """Write the bytes with one bit changed, as a bad disk does."""
        self._original(self._arguments[0], bytes([self.data[0] ^ 1]) + self.data[1:])

    def contents(self) -> bytes:
        """Return all bytes of the file that is written to, as they now are."""
        descriptor = _descriptor(self._arguments[0])
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def _descriptor(file: Any) -> int:
    return file if isinstance(file, int) else file.fileno()


Watch = Callable[[Operation], Any]


@contextmanager
def watched(watch: Watch | None) -> Iterator[None]:
    """Within, `watch` does every operation that changes something."""
    originals = {name: getattr(disk, name) for name in OPERATIONS if watch}

    def seen(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*arguments: Any) -> Any:
            if name == "open_descriptor" and not arguments[1] & os.O_CREAT:
                return original(*arguments)  # for reading, or to sync a folder
            return watch(Operation(name, original, arguments))

        return operation

    for name, original in originals.items():
        setattr(disk, name, seen(name, original))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(disk, name, original)


def at(number: int, *deeds: Watch) -> Watch:
    """Do these instead of operation `number`; what the last one returns is its result."""
    numbers = count()

    def watch(operation: Operation) -> Any:
        if next(numbers) != number:
            return operation.do()
        return [deed(operation) for deed in deeds][-1]

    return watch


def from_on(number: int, deed: Watch, *first: Watch) -> Watch:
    """Do this instead of operation `number` and all after it, and `first` before the first."""
    numbers = count()

    def watch(operation: Operation) -> Any:
        now = next(numbers)
        if now < number:
            return operation.do()
        if now == number:
            for before in first:
                before(operation)
        return deed(operation)

    return watch


def killed(operation: Operation) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def torn(operation: Operation) -> None:
    operation.half()


def spoilt(operation: Operation) -> None:
    operation.spoil()


def refused(code: int, operation: Operation) -> None:
    raise OSError(code, os.strerror(code))


def full(operation: Operation) -> Any:
    if operation.name in FREEING:
        return operation.do()
    return refused(errno.ENOSPC, operation)


@dataclass(frozen=True)
class Entry:
    """One operation that was done, or a word that someone has put between them."""

    name: str
    path: str
    target: str = ""
    data: bytes = b""


class Log:
    """Does all operations and writes them down, with paths below a folder."""

    def __init__(self, folder: Path) -> None:
        self.entries: list[Entry] = []
        self._folder = folder.absolute()

    def __call__(self, operation: Operation) -> Any:
        result = operation.do()
        path = self._below(operation.path)
        target = self._below(operation.target) if operation.target else ""
        is_whole = operation.name == "fsync_file"
        data = operation.contents() if is_whole else operation.data
        self.entries.append(Entry(operation.name, path, target, data))
        return result

    def mark(self, word: str, path: str = "") -> None:
        """Put a word between the operations."""
        self.entries.append(Entry(word, path))

    def _below(self, path: Path) -> str:
        return path.absolute().relative_to(self._folder).as_posix()


def telling(entries: list[Entry]) -> list[int]:
    """Return the numbers of a few operations of a run: one of each kind, from the midst of it.

    Others are just before and after the run is sealed by its settings, and at a file of samples.
    """
    numbers = defaultdict(list)
    for number, entry in enumerate(entries):
        numbers[entry.name].append(number)
    sealed = next(n for n in numbers["rename"] if entries[n].target.endswith("/config.json"))
    sampled = next(n for n in numbers["fsync_file"] if "samples.md" in entries[n].path)
    middles = (each[len(each) // 2] for each in numbers.values())
    return sorted({sealed - 1, sealed + 1, sampled, *middles})


Share = Callable[[], float]
"""How much of the next thing that was not synced arrives: none is 0, all is 1."""


def nothing() -> float:
    return 0.0


def everything() -> float:
    return 1.0


def by_chance(seed: int) -> Share:
    chance = random.Random(seed)
    return lambda: chance.choice((0.0, 0.5, 1.0))


@dataclass
class File:
    """A file: the bytes that are on the disk for certain, and those that may be."""

    synced: bytes = b""
    pieces: list[bytes] = field(default_factory=list)

    def left(self, share: Share) -> bytes:
        arrived = [piece[: round(len(piece) * share())] for piece in self.pieces]
        found = self.synced
        for piece, part in zip(self.pieces, arrived, strict=True):
            found += part.ljust(len(piece), b"\0")  # a hole, if anything arrived behind it
        missing = sum(map(len, self.pieces))
        for piece, part in zip(self.pieces[::-1], arrived[::-1], strict=True):
            missing -= len(piece)
            if part:
                return found[: len(self.synced) + missing + len(part)]
        return self.synced


@dataclass
class Folder:
    """A folder: names on the disk for certain, names as they are now, changes in between."""

    synced: dict[str, "Node"] = field(default_factory=dict)
    names: dict[str, "Node"] = field(default_factory=dict)
    changes: list[tuple[str, str, "Node | None"]] = field(default_factory=list)

    def change(self, gone: str, come: str, node: "Node | None") -> None:
        _apply(self.names, gone, come, node)
        self.changes.append((gone, come, node))

    def sync(self) -> None:
        self.synced, self.changes = dict(self.names), []

    def left(self, share: Share) -> "dict[str, Any]":
        names = dict(self.synced)
        for change in self.changes:
            if share() >= 0.5:
                _apply(names, *change)
        return {name: node.left(share) for name, node in names.items()}


Node = File | Folder
Tree = dict[str, Any]
"""Bytes or another tree, by name."""


def _apply(names: dict[str, Node], gone: str, come: str, node: Node | None) -> None:
    names.pop(gone, None)
    if node is not None:
        names[come] = node


def after_power_cut(entries: Iterable[Entry], share: Share) -> Tree:
    """Return what is left of an empty folder in which all entries were done, and then no more."""
    root = Folder()

    def find(path: str) -> Any:
        node: Any = root
        for part in Path(path).parts:
            node = node.names[part]
        return node

    for entry in entries:
        path = Path(entry.path)
        match entry.name:
            case "create" | "open":
                parent = find(path.parent.as_posix())
                if entry.name == "create" or path.name not in parent.names:
                    parent.change("", path.name, File())
            case "write" | "append":
                find(entry.path).pieces.append(entry.data)
            case "fsync_file":
                file = find(entry.path)
                file.synced, file.pieces = entry.data, []
            case "fsync_folder":
                find(entry.path).sync()
            case "rename":
                target, parent = Path(entry.target), find(path.parent.as_posix())
                assert target.parent == path.parent, "only within a folder is it atomic"
                parent.change(path.name, target.name, parent.names[path.name])
            case "unlink" | "remove_folder":
                find(path.parent.as_posix()).change(path.name, "", None)
            case "make_folder":
                find(path.parent.as_posix()).change("", path.name, Folder())
    return root.left(share)


def write_tree(tree: Tree, folder: Path) -> Path:
    """Make a folder that holds a tree."""
    folder.mkdir()
    for name, found in tree.items():
        if isinstance(found, dict):
            write_tree(found, folder / name)
        else:
            (folder / name).write_bytes(found)
    return folder
