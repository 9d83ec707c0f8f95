"""What has been saved is there after a power cut, whatever the system had not yet written.

The disk is made anew from the log of all operations of a run (see `faults`), as if the machine had
stopped after each of them: what was not synced is lost, or there, or some of it is.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest
from faults import (
    Entry,
    Log,
    after_power_cut,
    by_chance,
    everything,
    nothing,
    watched,
    write_tree,
)
from nursery import RUN, STEPS, begin, go_on, new_folder, nursery, remains, surroundings
from promises import Protection

from bardling import saving
from bardling.checkpoint import load_checkpoint, load_newest
from bardling.run_folder import RunFolder

PROTECTIONS = (
    Protection(
        file="storage/folders.py",
        line="                disk.fsync_file(file)",
        broken="                pass",
        test="test_the_last_that_was_saved_is_there",
    ),
    Protection(
        file="storage/folders.py",
        line="        disk.fsync_folder(temporary)",
        broken="        pass",
        test="test_the_last_that_was_saved_is_there",
    ),
    Protection(
        file="storage/folders.py",
        line="contents)\n        disk.fsync_folder(folder.parent)",
        broken="contents)",
        test="test_the_last_that_was_saved_is_there",
    ),
    Protection(
        file="storage/files.py",
        line="        disk.fsync_folder(path.parent)\n\n\n@",
        broken="\n\n@",
        test="test_the_last_that_was_saved_is_there",
    ),
    Protection(
        file="storage/folders.py",
        line='{**pieces, MANIFEST: (json_bytes({"files": entries}),)}',
        broken='{MANIFEST: (json_bytes({"files": entries}),), **pieces}',
        test="test_a_save_syncs_files_then_manifest_then_name",
    ),
)
N_FILES = 6  # of a checkpoint, and its manifest


def logged(folder: Path) -> list[Entry]:
    """Return all operations of a run, with a mark wherever a checkpoint has been saved."""
    log, save = Log(folder), saving.write_checkpoint

    def marked(path: Path, files: Mapping) -> None:
        save(path, files)
        log.mark("saved", path.name)

    saving.write_checkpoint = marked
    with watched(log):
        begin(folder)
    return log.entries


@pytest.fixture(scope="module")
def entries(tmp_path_factory) -> list[Entry]:
    return nursery().run(logged, new_folder(tmp_path_factory.mktemp("runs"), "whole"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict:
    folder = new_folder(tmp_path_factory.mktemp("runs"), "whole")
    nursery().run(begin, folder)
    return remains(folder)


def saves(entries: list[Entry]) -> Iterator[list[Entry]]:
    """Yield the operations that make each checkpoint."""
    first = 0
    for number, entry in enumerate(entries):
        if entry.name == "make_folder" and "/.step-" in entry.path:
            first = number
        if entry.name == "saved":
            yield entries[first:number]


def test_a_save_syncs_files_then_manifest_then_name(entries):
    found = list(saves(entries))
    assert len(found) == 4
    for made, *written, synced, named, told in found:
        temporary = made.path
        names = [Path(entry.path).name for entry in written]
        assert [e.name for e in written] == ["create", "write", "fsync_file"] * (N_FILES + 1)
        assert {Path(e.path).parent.as_posix() for e in written} == {temporary}
        assert names[-3:] == ["manifest.json"] * 3 and "manifest.json" not in names[:-3]
        assert (synced.name, synced.path) == ("fsync_folder", temporary)
        assert (named.name, named.path) == ("rename", temporary)
        assert (told.name, told.path) == ("fsync_folder", Path(named.target).parent.as_posix())


def cut(entries: list[Entry], n_done: int, share, folder: Path) -> RunFolder:
    """Make the folder of a run anew as it is when the power fails after so many operations."""
    return RunFolder(write_tree(after_power_cut(entries[:n_done], share), folder) / RUN)


def cut_power(entries: list[Entry], folder: Path, numbers: Iterable[int], n_random: int) -> int:
    """Load what is left after so many operations: it is the last that was saved, or a newer one."""
    n_cuts = 0
    for n_done in numbers:
        saved = [entry.path for entry in entries[:n_done] if entry.name == "saved"]
        for share in (nothing, everything, *(by_chance(n_done + i) for i in range(n_random))):
            run = cut(entries, n_done, share, folder)
            found = load_newest(run, [].append) if run.steps() else None
            if saved:
                assert found is not None and found.path.name >= saved[-1], n_done
                assert run.config() == found.config
            n_cuts += 1
            shutil.rmtree(folder)
    return n_cuts


def go_on_after(entries: list[Entry], whole: dict, parent: Path, step: int) -> int:
    """Go on after a power cut to the end, which is the same to the last bit."""
    numbers = range(7, len(entries) + 1, step)
    for n_done in numbers:
        for name, share in (("none", nothing), ("all", everything), ("some", by_chance(n_done))):
            run = cut(entries, n_done, share, parent / f"{n_done}-{name}")
            shutil.copy(parent / "text" / "sums.txt", run.path.parent)
            nursery().run(go_on, run.path.parent)
            last = load_checkpoint(run.checkpoint_path(STEPS))
            assert (last.path / "model.safetensors").read_bytes() == whole["weights"][-1]
            assert (last.path / "optimizer.safetensors").read_bytes() == whole["optimizer"][-1]
    return 3 * len(numbers)


def test_the_last_that_was_saved_is_there(entries, tmp_path):
    just_saved = [n for n, entry in enumerate(entries, start=1) if entry.name == "saved"]
    cut_power(entries, tmp_path / "cut", [*just_saved, *range(0, len(entries), 15)], 1)


def test_a_run_goes_on_after_a_power_cut(entries, whole, tmp_path):
    new_folder(tmp_path, "text")
    go_on_after(entries, whole, tmp_path, 80)


@pytest.mark.sweep
def test_after_every_operation(entries, whole, tmp_path, record_property):
    new_folder(tmp_path, "text")
    n_saves = len(list(saves(entries)))
    n_cuts = cut_power(entries, tmp_path / "cut", range(len(entries) + 1), 8)
    n_gone_on = go_on_after(entries, whole, tmp_path, 4)
    measured = f"{n_saves} of {n_saves} saves in order; the last one loads after {n_cuts} of"
    measured += f" {n_cuts} power cuts; {n_gone_on} of {n_gone_on} runs went on to the same bits"
    record_property("measured", measured)


def test_without_syncing_all_would_be_lost(entries):
    """Or the others would prove nothing."""
    unsynced = [entry for entry in entries if not entry.name.startswith("fsync")]
    assert after_power_cut(unsynced, nothing) == {}
    assert set(after_power_cut(unsynced, everything)) == {RUN}
    emptied = [entry for entry in entries if entry.name != "fsync_file"]
    left = after_power_cut(emptied, nothing)[RUN]["checkpoints"]["step-000006"]
    assert set(left.values()) == {b""}
    some = after_power_cut(entries[:-60], by_chance(1))
    assert some not in (after_power_cut(entries[:-60], share) for share in (nothing, everything))


CALLS = {"mkdir": "make_folder", "rmdir": "remove_folder", "fdatasync": "fsync"}
TRACED = "openat,open,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,fsync,fdatasync"
CHILD = """
import json, sys
from pathlib import Path
from test_row_17_power_cut import logged
found = []
for entry in logged(Path(sys.argv[1])):
    name = "fsync" if entry.name.startswith("fsync") else entry.name
    if name not in ("write", "append", "saved"):
        found.append([name, entry.path, *([entry.target] if entry.target else [])])
print(json.dumps(found))
"""


def calls(trace: str, folder: Path) -> Iterator[list[str]]:
    """Yield the system calls that changed or synced something in a folder, as the log has them."""
    for line in trace.splitlines():
        match = re.match(r"(\w+)\((.*)\) += \d+", line)
        if match is None:  # it failed, or is no call
            continue
        name, words = re.sub(r"at2?$", "", match[1]), match[2]
        paths = re.findall(r"<([^<>]*)>" if "sync" in name else r'"(.*?)"', words)
        paths = [os.path.relpath(path, folder) for path in paths]
        if not paths or paths[0].startswith("..") or paths[0].endswith(".lock"):
            continue
        if name == "open":
            if re.search("O_WRONLY|O_RDWR|O_CREAT", words):
                yield ["create" if "O_TRUNC" in words else "open", *paths]
        else:
            yield ["remove_folder" if "AT_REMOVEDIR" in words else CALLS.get(name, name), *paths]


@pytest.mark.sweep
@pytest.mark.skipif(not shutil.which("strace"), reason="what the system sees is told by strace")
def test_the_system_sees_the_same_operations(tmp_path):
    folder = new_folder(tmp_path, "x")
    done = subprocess.run(
        ["strace", "-ff", "-y", "-e", f"trace={TRACED}", "-o", tmp_path / "trace",
         sys.executable, "-c", CHILD, folder],
        capture_output=True, text=True, env=surroundings(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    traces = [list(calls(path.read_text(), folder)) for path in tmp_path.glob("trace.*")]
    (seen,) = (found for found in traces if found)
    assert seen == json.loads(done.stdout)
