"""Single files: read once and bounded, written whole or not at all."""

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bardling import storage
from bardling.errors import StorageError
from bardling.storage import disk

NO_SPACE = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail(monkeypatch, target, name, error=NO_SPACE):
    def refuse(*arguments, **options):
        raise error

    monkeypatch.setattr(target, name, refuse)


def test_bytes_text_and_json_come_back_as_they_were(tmp_path):
    path = tmp_path / "new" / "folder" / "file"
    storage.write_bytes(path, b"\x00\xff")
    assert storage.read_bytes(path) == b"\x00\xff"
    storage.write_text(path, "one\r\ntwo\rthree\n\u2028é")
    assert storage.read_text(path) == "one\r\ntwo\rthree\n\u2028é"
    storage.write_json(path, {"b": [1, 2.5, None, True], "a": "é"})
    assert storage.read_json(path) == {"b": [1, 2.5, None, True], "a": "é"}
    assert names(path.parent) == ["file"]


def test_sha256_is_that_of_hashlib():
    assert storage.sha256(b"bard") == hashlib.sha256(b"bard").hexdigest()


def test_new_files_have_the_mode_that_the_umask_leaves(tmp_path):
    before = os.umask(0o022)
    try:
        storage.write_bytes(tmp_path / "file", b"")
        storage.append_line(tmp_path / "log", "line")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("name", ["absent", "x" * 300, "nul\0byte"])
def test_a_missing_file_is_a_stated_error(tmp_path, name):
    with pytest.raises(StorageError, match="could not read"):
        storage.read_bytes(tmp_path / name)
    assert not storage.exists(tmp_path / name)


def test_pipes_folders_and_devices_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(StorageError, match="folder, pipe or device"):
            storage.read_bytes(path)
    with pytest.raises(StorageError, match="pipe or device"):
        storage.append_line(tmp_path / "pipe", "line")


def test_reading_is_bounded(tmp_path):
    storage.write_bytes(tmp_path / "file", b"12345")
    assert storage.read_bytes(tmp_path / "file", limit_bytes=5) == b"12345"
    with pytest.raises(StorageError, match="5 bytes: at most 4"):
        storage.read_bytes(tmp_path / "file", limit_bytes=4)
    with pytest.raises(StorageError, match="at most"):
        storage.read_json(tmp_path / "file", limit_bytes=4)


def test_a_file_that_grows_while_it_is_read_is_refused():
    with pytest.raises(StorageError, match="changed while it was read"):
        storage.read_bytes(Path("/proc/self/status"))  # says that it has 0 bytes


def test_text_that_is_not_utf8_names_the_byte(tmp_path):
    storage.write_bytes(tmp_path / "file", b"abc\xffdef")
    with pytest.raises(StorageError, match="file is not UTF-8: see its byte 3"):
        storage.read_text(tmp_path / "file")


def test_writing_replaces_the_file_only_at_the_end(tmp_path):
    path = tmp_path / "file"
    storage.write_bytes(path, b"old")
    with storage.atomic_file(path) as file:
        file.write(b"....")
        file.seek(0)
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new."


def test_an_exception_in_the_block_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    storage.write_bytes(path, b"old")
    with pytest.raises(ZeroDivisionError), storage.atomic_file(path) as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_an_order_that_survives_a_power_cut(tmp_path, monkeypatch):
    order = []
    for name in ("write", "fsync_file", "rename", "fsync_folder"):
        original = getattr(disk, name)
        monkeypatch.setattr(
            disk, name, lambda *a, name=name, original=original: (order.append(name), original(*a))
        )
    storage.write_bytes(tmp_path / "file", b"data")
    assert order == ["write", "fsync_file", "rename", "fsync_folder"]


def test_new_parent_folders_are_on_the_disk_before_what_is_in_them(tmp_path, monkeypatch):
    order = []
    for name in ("make_folder", "fsync_folder", "create"):
        original = getattr(disk, name)

        def noted(path, name=name, original=original):
            order.append((name, path.relative_to(tmp_path).as_posix()))
            return original(path)

        monkeypatch.setattr(disk, name, noted)
    storage.write_bytes(tmp_path / "a" / "b" / "file", b"data")
    temporary = f"a/b/.file.tmp-{os.getpid()}"
    parents = [("make_folder", "a"), ("fsync_folder", "."), ("make_folder", "a/b")]
    parents += [("fsync_folder", "a")]
    assert order == [*parents, ("create", temporary), ("fsync_folder", "a/b")]
    order.clear()
    storage.publish_folder(tmp_path / "c" / "folder", {})
    assert order[:2] == [("make_folder", "c"), ("fsync_folder", ".")]


def test_a_parent_that_someone_else_makes_meanwhile_is_fine(tmp_path, monkeypatch):
    def make_first(path):
        path.mkdir()
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    monkeypatch.setattr(disk, "make_folder", make_first)
    storage.write_bytes(tmp_path / "a" / "b" / "file", b"data")
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"data"


def test_fsync_of_a_file_hands_over_what_python_still_holds(tmp_path, monkeypatch):
    sizes = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: sizes.append(os.fstat(descriptor).st_size))
    with disk.create(tmp_path / "file") as file:
        disk.write(file, b"data")
        disk.fsync_file(file)
    assert sizes == [4]


@pytest.mark.parametrize("target, name", [(os, "fsync"), (os, "replace"), (disk, "write")])
def test_a_full_disk_leaves_the_old_file_and_says_what_was_needed(
    tmp_path, monkeypatch, target, name
):
    path = tmp_path / "file"
    storage.write_bytes(path, b"old")
    with monkeypatch.context() as patch:
        fail(patch, target, name)
        with pytest.raises(StorageError, match=r"file \(5,000 bytes needed\): No space left"):
            storage.write_bytes(path, b"x" * 5000)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_the_first_error_is_told_even_if_tidying_fails_too(tmp_path, monkeypatch):
    fail(monkeypatch, os, "replace")
    fail(monkeypatch, disk, "unlink", PermissionError(errno.EPERM, "not permitted"))
    with pytest.raises(StorageError, match="No space left"):
        storage.write_bytes(tmp_path / "file", b"data")


def test_a_real_limit_on_file_size_leaves_the_old_file(tmp_path):
    code = f"""
import resource, signal
from pathlib import Path
from bardling import storage
from bardling.errors import StorageError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path({str(tmp_path / "file")!r})
storage.write_bytes(path, b"old")
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for attempt in (lambda: storage.write_bytes(path, b"x" * 5000),
                lambda: storage.append_line(path, "x" * 5000)):
    try:
        attempt()
    except StorageError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    written, appended = done.stdout.splitlines()
    assert "(5,000 bytes needed): File too large" in written
    assert "only 1000 of 5002 bytes" in appended or "only 997 of 5002 bytes" in appended
    assert (tmp_path / "file").read_bytes().startswith(b"old\n")
    assert names(tmp_path) == ["file"]


def test_writing_where_a_folder_is_or_none_can_be_is_a_stated_error(tmp_path):
    storage.write_bytes(tmp_path / "file", b"")
    for path in (tmp_path, tmp_path / "file" / "below"):
        with pytest.raises(StorageError, match="could not write"):
            storage.write_bytes(path, b"data")


def test_lines_are_appended_one_by_one(tmp_path):
    for line in ("one", "two é"):
        storage.append_line(tmp_path / "log", line)
    assert (tmp_path / "log").read_text("utf-8") == "one\ntwo é\n"


def test_a_line_cut_short_by_a_crash_stays_alone(tmp_path):
    storage.write_bytes(tmp_path / "log", b'{"step": 1}\n{"st')
    storage.append_line(tmp_path / "log", '{"step": 2}')
    assert (tmp_path / "log").read_text().splitlines() == ['{"step": 1}', '{"st', '{"step": 2}']


def test_existence_of_a_name_behind_a_closed_door_is_not_an_error(tmp_path, monkeypatch):
    fail(monkeypatch, Path, "exists", PermissionError(errno.EACCES, "denied"))
    assert not storage.exists(tmp_path)
