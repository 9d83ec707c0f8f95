"""One thread for each core that may be used, on processors that exist on paper only."""

import os
from pathlib import Path

import pytest

from bardling.machine import threads
from bardling.machine.kernel import kernel_text
from bardling.machine.threads import pick_threads, usable_cores

QUOTA = "/sys/fs/cgroup/cpu.max"
KERNEL_FILE = Path("/proc/sys/kernel/ostype")


@pytest.fixture
def processor(monkeypatch):
    """Build a processor of pairs of siblings, of which some may be used, under a quota."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 16)

    def build(*siblings: tuple[int, ...], allowed=None, quota="max 100000") -> None:
        files = {QUOTA: quota}
        for core in siblings:
            for number in core:
                files[threads._TOPOLOGY.format(number)] = ",".join(map(str, core))
        everyone = {number for core in siblings for number in core}
        monkeypatch.setattr(threads, "kernel_text", lambda path: files.get(path, ""))
        monkeypatch.setattr(threads, "_allowed", lambda: everyone if allowed is None else allowed)

    return build


def test_siblings_of_one_core_count_once(processor):
    processor((0, 4), (1, 5), (2, 6), (3, 7))
    assert usable_cores() == 4
    processor((0,), (1,), (2,))
    assert usable_cores() == 3


@pytest.mark.parametrize(
    ("allowed", "cores"), [({0}, 1), ({0, 4}, 1), ({0, 1}, 2), ({0, 4, 6, 7}, 3), (set(), 1)]
)
def test_only_processors_that_this_process_may_use_count(processor, allowed, cores):
    processor((0, 4), (1, 5), (2, 6), (3, 7), allowed=allowed)
    assert usable_cores() == cores


@pytest.mark.parametrize(
    ("quota", "cores"),
    [
        ("max 100000", 4),
        ("50000 100000", 1),
        ("150000 100000", 1),  # a second thread would wait half of the time
        ("200000 100000", 2),
        ("300000 100000", 3),
        ("800000 100000", 4),
        ("25000 50000", 1),
        ("", 4),
        ("max", 4),
        ("-1 100000", 4),
        ("nonsense", 4),
    ],
)
def test_a_container_is_held_to_its_share(processor, quota, cores):
    processor((0, 4), (1, 5), (2, 6), (3, 7), quota=quota)
    assert usable_cores() == cores


def test_where_nothing_is_known_each_processor_counts(processor, monkeypatch):
    processor(allowed={0, 1, 2}, quota="")
    assert usable_cores() == 3
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1


def test_without_affinity_all_processors_are_allowed(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert threads._allowed() == {0, 1, 2, 3, 4}
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert threads._allowed() == {0}


@pytest.mark.parametrize(
    ("limit", "chosen"),
    [("", 4), ("1", 1), ("3", 3), ("4", 4), ("64", 4), ("0", 4), ("many", 4), ("-2", 4)],
)
def test_the_environment_bounds_what_is_not_asked_for(processor, monkeypatch, limit, chosen):
    processor((0, 4), (1, 5), (2, 6), (3, 7))
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    assert pick_threads(0) == chosen
    for wish in (1, 3, 9):
        assert pick_threads(wish) == wish


def test_a_file_that_cannot_be_read_says_nothing(tmp_path):
    assert kernel_text(str(tmp_path / "absent")) == ""
    assert kernel_text(str(tmp_path)) == ""


def test_a_file_is_read_without_its_line_end(tmp_path):
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert kernel_text(str(tmp_path / "cpu.max")) == "150000 100000"


@pytest.mark.skipif(not KERNEL_FILE.exists(), reason="needs the files of a Linux kernel")
def test_the_kernels_files_which_tell_a_wrong_size_are_read():
    assert KERNEL_FILE.stat().st_size != len("Linux\n")
    assert kernel_text(str(KERNEL_FILE)) == "Linux"
