"""The facts as gathered on the machine that runs the tests, and on pretended ones."""

import json
import math
import os
import platform
import shutil
from dataclasses import asdict
from types import SimpleNamespace

import pytest
import torch

import bardling
from bardling.machine import report
from bardling.machine.config import MachineConfig
from bardling.machine.device import cpu_model
from bardling.machine.kernel import kernel_text
from bardling.machine.machine import Machine, choose_machine
from bardling.machine.memory import free_bytes, physical_bytes
from bardling.machine.report import precision_reason
from bardling.machine.threads import pick_threads

SHORT = 0.01


@pytest.fixture
def quick(monkeypatch):
    """Measure nothing; return the threads that each measurement would have had."""
    threads: list[int] = []

    def rate(*_) -> float:
        threads.append(torch.get_num_threads())
        return 1e9

    for name in ("matmul_rate", "copy_rate", "elementwise_rate"):
        monkeypatch.setattr(report, name, rate)
    return threads


def test_the_facts_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("BARDLING_DATA", str(tmp_path))
    facts = bardling.doctor(runs_dir=tmp_path / "not" / "there" / "yet", seconds=SHORT)
    assert facts.bardling == bardling.__version__
    assert (facts.python, facts.torch) == (platform.python_version(), torch.__version__)
    long = choose_machine(MachineConfig(), train_seconds=math.inf, obstacle=lambda: None)
    assert facts.used == long.describe()
    assert (facts.device, facts.precision) == (long.device.type, long.precision)
    assert facts.threads == pick_threads(0) <= max(facts.cores, 1)
    assert {"fp32", "bf16", facts.precision} == set(facts.flops_per_second)
    rates = (*facts.flops_per_second.values(), facts.elementwise_per_second)
    assert all(0 < rate < math.inf for rate in (*rates, facts.copied_per_second))
    assert (facts.compiler is None) == (facts.compiler_missing is not None)
    assert 0 < facts.free_disk_bytes <= shutil.disk_usage(tmp_path).total
    assert facts.memory_bytes == physical_bytes()
    assert (facts.data, facts.data_found) == (str(tmp_path), True)
    assert facts.processor and facts.instructions
    assert json.loads(json.dumps(asdict(facts), allow_nan=False))["runs"] == facts.runs


def test_it_measures_on_the_threads_of_a_run_and_puts_them_back(quick, monkeypatch):
    monkeypatch.setattr("bardling.machine.machine.pick_threads", lambda wish: 3)
    before = torch.get_num_threads()
    facts = bardling.doctor(seconds=SHORT)
    assert set(quick) == {3} and len(quick) == 2 + len(facts.flops_per_second)
    assert torch.get_num_threads() == before
    monkeypatch.setattr(report, "copy_rate", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        bardling.doctor(seconds=SHORT)
    assert torch.get_num_threads() == before


def test_the_load_is_that_of_the_time_before(quick, monkeypatch):
    loads = iter([(0.25, 0.0, 0.0), (9.0, 0.0, 0.0)])
    monkeypatch.setattr(os, "getloadavg", lambda: next(loads))
    assert bardling.doctor(seconds=SHORT).load == 0.25
    monkeypatch.delattr(os, "getloadavg")
    assert bardling.doctor(seconds=SHORT).load is None


@pytest.mark.parametrize(("processors", "cores"), [(2, 4), (8, 4), (64, 32), (None, 4)])
def test_half_of_all_processors_are_taken_for_cores_of_the_machine(
    quick, monkeypatch, processors, cores
):
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    monkeypatch.setattr(report, "usable_cores", lambda: 4)
    assert bardling.doctor(seconds=SHORT).machine_cores == cores


def test_what_a_system_does_not_tell(quick, monkeypatch):
    monkeypatch.setattr("bardling.machine.device.kernel_text", lambda path: "")
    monkeypatch.setattr("bardling.machine.memory.kernel_text", lambda path: "")
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.delenv("BARDLING_DATA", raising=False)
    facts = bardling.doctor(seconds=SHORT)
    assert facts.processor == platform.machine()
    assert facts.free_memory_bytes is None
    assert (facts.data, facts.data_found) == (None, False)


def test_what_the_kernel_tells(monkeypatch):
    told = {
        "/proc/cpuinfo": "processor\t: 0\nmodel name\t: Paper 9000  \nflags\t: a b\n",
        "/proc/meminfo": "MemTotal:  200 kB\nMemAvailable:      123 kB\nBuffers: 1 kB",
    }
    monkeypatch.setattr("bardling.machine.device.kernel_text", told.get)
    monkeypatch.setattr("bardling.machine.memory.kernel_text", told.get)
    assert cpu_model() == "Paper 9000"
    assert free_bytes() == 123 * 1024


@pytest.mark.skipif(platform.system() != "Linux", reason="needs the files of a Linux kernel")
def test_the_kernels_files_are_read_though_their_size_is_told_wrong():
    assert kernel_text("/proc/sys/kernel/ostype") == "Linux"
    assert 0 < free_bytes() <= physical_bytes()


def test_a_file_that_is_not_there_tells_nothing(tmp_path):
    assert kernel_text(str(tmp_path / "absent")) == ""
    assert kernel_text(str(tmp_path)) == ""


@pytest.mark.parametrize(
    ("device", "precision", "units", "reason"),
    [
        ("cpu", "bf16", ["AMX", "AVX512-BF16"], "the processor has units for it (AMX)"),
        ("cpu", "fp32", [], "the processor has no units for bf16"),
        ("cuda", "bf16", [], "the GPU has units for it"),
        ("cuda", "fp16", [], "the GPU has units for it"),
        ("cuda", "fp32", ["AMX"], "the GPU has no units for shorter numbers"),
        ("mps", "fp32", [], "which every Apple GPU does"),
    ],
)
def test_why_these_numbers(monkeypatch, device, precision, units, reason):
    monkeypatch.setattr(report, "cpu_units", lambda: units)
    machine = Machine(device=torch.device(device), precision=precision, threads=1)
    assert precision_reason(machine) == reason


def test_the_disk_is_that_of_the_nearest_folder_there_is(quick, monkeypatch, tmp_path):
    asked: list = []

    def usage(path):
        asked.append(path)
        return SimpleNamespace(free=7)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    assert bardling.doctor(runs_dir=tmp_path / "a" / "b", seconds=SHORT).free_disk_bytes == 7
    assert bardling.doctor(runs_dir=tmp_path, seconds=SHORT).runs == str(tmp_path)
    assert asked == [tmp_path, tmp_path]
