"""Folders are whole or not there, and every byte that comes out was vouched for."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bardling import storage
from bardling.errors import StorageError
from bardling.storage import disk

FILES = {"weights": b"\x00\x01\x02" * 100, "state.json": b"{}", "empty": b""}


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "checkpoints" / "step-1"
    storage.publish_folder(folder, FILES)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_published_folder_comes_back_as_it_was(folder):
    assert storage.is_published(folder)
    assert storage.read_folder(folder) == FILES
    assert names(folder.parent) == ["step-1"]


def test_a_published_folder_is_never_overwritten(folder):
    with pytest.raises(StorageError, match="already there"):
        storage.publish_folder(folder, {"other": b""})
    assert storage.read_folder(folder) == FILES


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "a\\b", "nul\0", "manifest.json"])
def test_only_plain_names_are_published(tmp_path, name):
    with pytest.raises(StorageError, match="plain file name"):
        storage.publish_folder(tmp_path / "folder", {name: b""})
    assert names(tmp_path) == []


OPERATIONS = ["create", "write", "fsync_file", "fsync_folder", "rename", "unlink"]
OPERATIONS += ["make_folder", "remove_folder"]


def record(monkeypatch) -> list[str]:
    """Note every operation on the disk, with the name of the file where there is one."""
    order = []

    def note(name, original):
        def noted(*arguments):
            result = original(*arguments)
            path = arguments[0] if isinstance(arguments[0], Path) else None
            order.append(f"{name} {path.name}" if name in ("create", "unlink") else name)
            return result

        return noted

    for name in OPERATIONS:
        monkeypatch.setattr(disk, name, note(name, getattr(disk, name)))
    return order


def test_an_order_that_survives_a_power_cut(tmp_path, monkeypatch):
    order = record(monkeypatch)
    storage.publish_folder(tmp_path / "folder", {"a": b"1", "b": b"2"})
    each = ["write", "fsync_file"]
    files = ["create a", *each, "create b", *each, "create manifest.json", *each]
    assert order == ["make_folder", *files, "fsync_folder", "rename", "fsync_folder"]


def test_removing_takes_the_name_first_and_the_manifest_next(folder, monkeypatch):
    order = record(monkeypatch)
    storage.remove_folder(folder)
    assert order[:2] == ["rename", "unlink manifest.json"]
    assert names(folder.parent) == []


def test_every_flipped_byte_is_found(folder):
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        for position in range(len(whole)):
            path.write_bytes(
                whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :]
            )
            with pytest.raises(StorageError, match="step-1"):
                storage.read_folder(folder)
        path.write_bytes(whole)
    assert storage.read_folder(folder) == FILES


def test_every_truncation_is_found_and_named(folder):
    for path in (folder / "weights", folder / "state.json"):
        whole = path.read_bytes()
        for size in range(len(whole)):
            path.write_bytes(whole[:size])
            with pytest.raises(StorageError, match=f"{path.name} has {size} bytes: {len(whole)} "):
                storage.read_folder(folder)
        path.write_bytes(whole)


def test_what_is_missing_or_too_much_is_named(folder):
    (folder / "weights").write_bytes(FILES["weights"] + b"!")
    with pytest.raises(StorageError, match="weights has 301 bytes: at most 300"):
        storage.read_folder(folder)
    (folder / "weights").unlink()
    with pytest.raises(StorageError, match=r"could not read .*weights: No such file"):
        storage.read_folder(folder)
    (folder / "weights").write_bytes(FILES["weights"])
    (folder / "stray").write_bytes(b"")
    with pytest.raises(StorageError, match=r"stray is not in manifest.json"):
        storage.read_folder(folder)
    (folder / "manifest.json").unlink()
    assert not storage.is_published(folder)
    with pytest.raises(StorageError, match=r"could not read .*manifest.json"):
        storage.read_folder(folder)
    with pytest.raises(StorageError, match="could not read"):
        storage.read_folder(folder / "absent")


ENTRY = {"bytes": 0, "sha256": "0" * 64}


@pytest.mark.parametrize(
    "manifest",
    [
        [],
        {},
        {"files": []},
        {"files": {}, "more": 1},
        {"files": {"a": {"bytes": 0}}},
        {"files": {"a": {**ENTRY, "more": 1}}},
        {"files": {"a": {**ENTRY, "bytes": True}}},
        {"files": {"a": {**ENTRY, "bytes": -1}}},
        {"files": {"a": {**ENTRY, "bytes": 0.0}}},
        {"files": {"a": {**ENTRY, "sha256": "short"}}},
        {"files": {"../a": ENTRY}},
        {"files": {"/etc/passwd": ENTRY}},
    ],
)
def test_a_malformed_manifest_is_refused_before_anything_is_opened(folder, manifest):
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StorageError, match=r"malformed|plain file name"):
        storage.read_folder(folder)


@pytest.mark.parametrize("name", ["fsync", "replace", "mkdir"])
def test_a_full_disk_leaves_no_folder_and_says_what_was_needed(tmp_path, monkeypatch, name):
    def refuse(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, name, refuse)
        with pytest.raises(StorageError, match=r"folder \([0-9]+ bytes needed\): No space left"):
            storage.publish_folder(tmp_path / "folder", FILES)
    assert names(tmp_path) == []
    storage.publish_folder(tmp_path / "folder", FILES)  # and it works once there is room


def test_a_failing_delete_is_a_stated_error_and_leaves_nothing_that_looks_whole(
    folder, monkeypatch
):
    def refuse(path):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(disk, "unlink", refuse)
        with pytest.raises(StorageError, match=r"could not remove .*step-1: Input/output error"):
            storage.remove_folder(folder)
    assert not storage.is_published(folder)
    storage.publish_folder(folder, FILES)
    storage.remove_folder(folder)  # tidies the first attempt, too
    assert names(folder.parent) == []
    with pytest.raises(StorageError, match="could not remove"):
        storage.remove_folder(folder)


def test_a_folder_that_loses_its_name_stays_whole_if_it_cannot(folder, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StorageError, match="Read-only"):
        storage.remove_folder(folder)
    assert storage.read_folder(folder) == FILES


def dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_only_what_the_dead_left_is_tidied(tmp_path):
    dead, ours, alive = dead_pid(), os.getpid(), os.getppid()
    storage.publish_folder(tmp_path / f".step-1.tmp-{dead}", FILES)
    (tmp_path / f".step-2.tmp-{ours}").mkdir()
    (tmp_path / f".link.tmp-{dead}").symlink_to("nowhere")
    keep = [f".step-3.tmp-{alive}", ".step-4.tmp-1", "step-5", f"step-6.tmp-{dead}", ".step-7.tmp-"]
    for name in keep:
        (tmp_path / name).write_bytes(b"")
    assert storage.remove_leftovers(tmp_path) == 3
    assert names(tmp_path) == sorted(keep)
    assert storage.remove_leftovers(tmp_path / "absent") == 0


def test_what_cannot_be_used_is_set_aside_under_a_name_that_is_free(tmp_path):
    for number in (1, 2):
        storage.publish_folder(tmp_path / "step-000001", FILES)
        aside = storage.set_aside(tmp_path / "step-000001")
        assert aside.name == f"step-000001.damaged-{number}"
        assert storage.read_folder(aside) == FILES
    with pytest.raises(StorageError, match="could not set aside"):
        storage.set_aside(tmp_path / "step-000001")


def test_what_is_set_aside_stays_there_after_a_power_cut(folder, monkeypatch):
    order = record(monkeypatch)
    storage.set_aside(folder)
    assert order == ["rename", "fsync_folder"]


def test_a_process_of_someone_else_is_alive(tmp_path, monkeypatch):
    def refuse(pid, number):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    (tmp_path / ".file.tmp-12345").write_bytes(b"")
    monkeypatch.setattr(os, "kill", refuse)
    assert storage.remove_leftovers(tmp_path) == 0


SAVE_AND_DIE = """
import os, signal, sys
from itertools import count
from pathlib import Path
from bardling import storage
from bardling.storage import disk

def dying(operation):
    def counted(*arguments):
        if next(counter) == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return operation(*arguments)
    return counted

counter, last, folder = count(), int(sys.argv[1]), Path(sys.argv[2])
for name in sys.argv[3:]:
    setattr(disk, name, dying(getattr(disk, name)))
storage.publish_folder(folder, {"weights": bytes([0, 1, 2]) * 100, "state.json": b"{}"})
"""


def test_a_kill_at_any_operation_leaves_whole_folders_only(tmp_path, monkeypatch):
    files = {"weights": b"\x00\x01\x02" * 100, "state.json": b"{}"}
    parent = tmp_path / "checkpoints"
    storage.publish_folder(parent / "step-1", files)
    with monkeypatch.context() as patch:
        order = record(patch)
        storage.publish_folder(tmp_path / "counted", files)
    published = []
    for last in range(len(order)):
        arguments = [str(last), str(parent / "step-2"), *OPERATIONS]
        child = subprocess.run([sys.executable, "-c", SAVE_AND_DIE, *arguments])
        assert child.returncode == -signal.SIGKILL
        assert storage.read_folder(parent / "step-1") == files
        if (parent / "step-2").exists():
            assert storage.read_folder(parent / "step-2") == files
            storage.remove_folder(parent / "step-2")
            published.append(last)
        storage.remove_leftovers(parent)
        assert names(parent) == ["step-1"]
    assert published == [len(order) - 1]  # between the rename and the fsync after it


def test_what_would_not_be_read_back_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr("bardling.storage.folders.DEFAULT_LIMIT", 10)
    with pytest.raises(StorageError, match="would have 11 bytes, and no more than 10"):
        storage.publish_folder(tmp_path / "x", {"a": b"1", "b": (b"123456", b"78901")})
    assert list(tmp_path.iterdir()) == []
    storage.publish_folder(tmp_path / "x", {"b": (b"123456", b"7890")})
    assert storage.read_folder(tmp_path / "x") == {"b": b"1234567890"}


def test_leftovers_of_others_stay_where_a_name_is_given(tmp_path):
    mine, other = (tmp_path / f".{name}.tmp-{2**22 + 1}" for name in ("mine", "other"))
    for path in (mine, other):
        path.write_bytes(b"")
    assert storage.remove_leftovers(tmp_path, of="mine") == 1
    assert [*tmp_path.iterdir()] == [other]
