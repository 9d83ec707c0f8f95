"""A disk that is full, read-only or not ours ends a run in one sentence and harms nothing.

The disk refuses from every operation of a run on; files are limited in size by the system itself;
folders lose their rights. What was saved before stays whole, nothing stray stays, and with the
fault gone the run ends as if nothing had happened.
"""

import ctypes
import errno
import os
import re
import resource
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from faults import FREEING, Entry, Log, from_on, full, refused, telling, torn, watched
from nursery import RUN, begin, go_on, new_folder, nursery, remains, strays
from promises import Protection

from bardling import storage
from bardling.errors import BardlingError
from bardling.run_folder import RunFolder
from tiny import Listener

PROTECTIONS = (
    Protection(
        file="storage/files.py",
        line="                disk.unlink(temporary)",
        broken="                pass",
        test="test_a_disk_that_becomes_full",
    ),
    Protection(
        file="storage/disk.py",
        line="    except OSError as error:",
        broken="    except FileNotFoundError as error:",
        test="test_a_disk_that_becomes_full",
    ),
    Protection(
        file="storage/files.py",
        line="    if n_written != len(data):",
        broken="    if False:",
        test="test_a_log_whose_line_is_cut_short",
    ),
)
NO_SPACE, READ_ONLY, TOO_LARGE, NOT_ALLOWED = (
    os.strerror(code) for code in (errno.ENOSPC, errno.EROFS, errno.EFBIG, errno.EACCES)
)


def logged(folder: Path) -> list[Entry]:
    log = Log(folder)
    with watched(log):
        begin(folder)
    return log.entries


def said(job, *words, **named) -> str:
    """Return the stated error that a job ends with, or nothing."""
    try:
        job(*words, **named)
    except BardlingError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[list[Entry], dict]:
    """Return the operations of a run that nothing befalls, and what remains of it."""
    folder = new_folder(tmp_path_factory.mktemp("runs"), "whole")
    return nursery().run(logged, folder), remains(folder)


def require_usable(folder: Path) -> None:
    """Every checkpoint that shows itself is whole."""
    for path in RunFolder(folder / RUN).folders().values():
        storage.read_folder(path)


def require_sentence(sentence: str, folder: Path, reason: str) -> None:
    assert str(folder) in sentence and reason in sentence and "\n" not in sentence, sentence


def fill(undisturbed, parent: Path, numbers: Sequence[int]) -> str:
    """Let the disk be full from an operation on, of which half of the bytes arrive."""
    entries, whole = undisturbed
    for number in numbers:
        folder = new_folder(parent, f"full-{number}")
        sentence = nursery().run(said, begin, folder, partial(from_on, number, full, torn))
        require_sentence(sentence, folder, NO_SPACE)
        first = next(entry for entry in entries[number:] if entry.name not in FREEING)
        if first.name not in ("make_folder", "fsync_folder") and ".bin" not in first.path:
            assert re.search(r"\([\d,]+ bytes needed\)", sentence), sentence
        assert strays(folder) == []
        require_usable(folder)
        nursery().run(go_on, folder)
        assert remains(folder) == whole
    return f"full at {len(numbers)} of {len(numbers)} operations"


def protect(undisturbed, parent: Path, numbers: Sequence[int]) -> str:
    """Let the disk be read-only from an operation on; then nothing can be tidied at once."""
    _, whole = undisturbed
    for number in numbers:
        folder = new_folder(parent, f"protected-{number}")
        watch = partial(from_on, number, partial(refused, errno.EROFS))
        require_sentence(nursery().run(said, begin, folder, watch), folder, READ_ONLY)
        require_usable(folder)
        nursery().run(go_on, folder)
        assert remains(folder) == whole
    return f"read-only at {len(numbers)} of {len(numbers)}"


def limit_files(n_bytes: int) -> None:
    """Let no file of this process grow beyond so many bytes."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, most))


def begin_limited(folder: Path, n_bytes: int) -> str:
    limit_files(n_bytes)
    return said(begin, folder)


def begin_with_a_log_that_is_full(folder: Path) -> str:
    """Let a line of the log be cut short by the system, after ten bytes."""

    class Limiter(Listener):
        def stepped(self, result, tokens_per_second):
            if result.step == 3:
                limit_files((folder / RUN / "metrics.jsonl").stat().st_size + 10)

    return said(begin, folder, watcher=Limiter())


def without_powers(job, *words, **named) -> str:
    """Do a job as someone whom rights bind, which root is not."""
    if os.geteuid() == 0:
        version_3, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        assert ctypes.CDLL(None).capset(version_3, none) == 0
    return said(job, *words, **named)


def begin_and_lose_rights(folder: Path, below: str) -> str:
    """Let a folder of the run become one that nobody may write into, at step 4."""

    class Taker(Listener):
        def validated(self, record, *, best):
            if record["step"] == 4:
                (folder / RUN / below).chmod(0o555)

    return without_powers(begin, folder, watcher=Taker())


def test_a_disk_that_becomes_full(undisturbed, tmp_path):
    fill(undisturbed, tmp_path, telling(undisturbed[0]))


def test_a_disk_that_becomes_read_only(undisturbed, tmp_path):
    protect(undisturbed, tmp_path, telling(undisturbed[0])[1::4])


@pytest.mark.sweep
def test_at_every_operation(undisturbed, tmp_path, record_property):
    numbers = range(len(undisturbed[0]))
    filled = fill(undisturbed, tmp_path, numbers)
    protected = protect(undisturbed, tmp_path, numbers[::3])
    record_property("measured", f"{filled}; {protected}")


@pytest.mark.parametrize("name", ["train-00000.bin", "model.safetensors", "optimizer.safetensors"])
def test_files_that_may_not_become_so_large(undisturbed, tmp_path, name):
    """The limit is the system's, and one byte less than the file needs."""
    entries, whole = undisturbed
    sizes = [len(e.data) for e in entries if e.name == "fsync_file" and name in e.path]
    folder = new_folder(tmp_path, "x")
    sentence = nursery().run(begin_limited, folder, max(sizes) - 1)
    require_sentence(sentence, folder, TOO_LARGE)
    assert strays(folder) == []
    require_usable(folder)
    nursery().run(go_on, folder)
    assert remains(folder) == whole


def test_a_log_whose_line_is_cut_short(undisturbed, tmp_path):
    folder = new_folder(tmp_path, "x")
    sentence = nursery().run(begin_with_a_log_that_is_full, folder)
    assert re.search(r"could append only 10 of \d+ bytes to .*metrics.jsonl: make room", sentence)
    assert RunFolder(folder / RUN).read_log()[1] == 1  # the line is there, and cannot be read
    nursery().run(go_on, folder)
    assert remains(folder) == undisturbed[1]


@pytest.mark.parametrize(("below", "last"), [("", 4), ("checkpoints", 2)])
def test_folders_that_lose_their_rights(undisturbed, tmp_path, below, last):
    folder = new_folder(tmp_path, "x")
    sentence = nursery().run(begin_and_lose_rights, folder, below)
    require_sentence(sentence, folder / RUN / below, NOT_ALLOWED)
    require_usable(folder)
    assert RunFolder(folder / RUN).steps()[-1] == last
    again = nursery().run(without_powers, go_on, folder)
    require_sentence(again, folder / RUN / below, NOT_ALLOWED)
    (folder / RUN / below).chmod(0o755)
    nursery().run(go_on, folder)
    assert remains(folder) == undisturbed[1]


def test_a_folder_that_never_was_ours(undisturbed, tmp_path):
    folder = new_folder(tmp_path, "x")
    folder.chmod(0o555)
    sentence = nursery().run(without_powers, begin, folder)
    require_sentence(sentence, folder, NOT_ALLOWED)
    folder.chmod(0o755)
    assert [path.name for path in folder.iterdir()] == ["sums.txt"]
    nursery().run(begin, folder)
    assert remains(folder) == undisturbed[1]
