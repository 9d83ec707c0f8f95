"""When torch.compile is used, and what is said when it is not; nothing is compiled here."""

import pytest
import torch

from bardling.errors import UsageError
from bardling.machine import compiling
from bardling.machine.compiling import (
    NOMINAL_FLOPS,
    WORTH_SECONDS,
    compiled,
    expected_seconds,
    missing_compiler,
    pick_compile,
)

CPU, MPS, CUDA = (torch.device(kind) for kind in ("cpu", "mps", "cuda"))
LONG = WORTH_SECONDS


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Make an empty PATH, to which a test may add programs."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)

    def add(*names: str) -> None:
        for name in names:
            (tmp_path / name).write_text("#!/bin/sh\n")
            (tmp_path / name).chmod(0o755)

    return add


@pytest.mark.parametrize("device", [CPU, MPS], ids=str)
def test_a_processor_needs_a_cpp_compiler(path, monkeypatch, device):
    path("gcc", "cc")
    assert missing_compiler(device) == "neither g++ nor clang++ is found"
    monkeypatch.setenv("CXX", "g++-13")
    assert missing_compiler(device) is not None
    path("g++-13")
    assert missing_compiler(device) is None


@pytest.mark.parametrize("name", ["g++", "clang++"])
def test_either_of_the_usual_compilers_will_do(path, monkeypatch, name):
    path(name)
    assert missing_compiler(CPU) is None
    monkeypatch.setenv("CXX", "not-installed")
    assert missing_compiler(CPU) is None


def test_a_cuda_gpu_needs_triton_and_no_cpp_compiler(path, monkeypatch):
    monkeypatch.setattr(compiling, "find_spec", lambda name: None)
    assert missing_compiler(CUDA) == "triton is not installed"
    monkeypatch.setattr(compiling, "find_spec", lambda name: name if name == "triton" else None)
    assert missing_compiler(CUDA) is None


@pytest.mark.parametrize("seconds", [0.0, LONG])
def test_wishes_are_heeded(path, seconds):
    path("g++")
    for device in (CPU, MPS):
        for wish in ("on", "autotune"):
            assert pick_compile(wish, device, seconds=seconds) == (True, "as asked")
        assert pick_compile("off", device, seconds=seconds) == (False, "as asked")


@pytest.mark.parametrize("wish", ["on", "auto"])
def test_what_is_missing_is_the_reason_whatever_was_wished(path, wish):
    assert pick_compile(wish, CPU, seconds=LONG) == (False, missing_compiler(CPU))
    assert pick_compile("off", CPU, seconds=LONG) == (False, "as asked")


def test_a_long_run_is_compiled_and_a_short_one_is_not(path):
    path("g++")
    compiles, reason = pick_compile("auto", CPU, seconds=LONG)
    assert compiles and "long enough" in reason
    compiles, reason = pick_compile("auto", CPU, seconds=LONG * 0.999)
    assert not compiles and "too short" in reason


def test_the_young_compiler_for_mps_is_for_those_who_ask(path):
    path("clang++")
    compiles, reason = pick_compile("auto", MPS, seconds=100 * LONG)
    assert not compiles and "mps" in reason


def test_the_length_of_a_run_goes_with_its_arithmetic():
    assert expected_seconds(0) == 0.0
    assert expected_seconds(int(NOMINAL_FLOPS)) == 1.0
    assert expected_seconds(10**18) == 10**18 / NOMINAL_FLOPS


def test_a_function_is_compiled_for_its_exact_shapes(monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "compile", lambda f, **options: asked.append((f, options)) or abs)
    assert compiled(len) is abs
    assert asked == [(len, {"dynamic": False, "mode": None})]


def test_wishes_for_more_are_handed_on_in_torchs_words(monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "compile", lambda f, **options: asked.append(options["mode"]) or f)
    compiled(abs, "autotune")
    compiled(abs, "graphs")
    assert asked == ["max-autotune-no-cudagraphs", "reduce-overhead"]


def test_what_a_graph_returns_outlives_its_next_replay(monkeypatch):
    memory = torch.zeros(())
    begun = []
    monkeypatch.setattr(torch, "compile", lambda f, **_: lambda value: memory.fill_(value))
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: begun.append(True))
    replay = compiled(abs, "graphs")
    first, second = replay(1.0), replay(2.0)
    assert (first.item(), second.item(), len(begun)) == (1.0, 2.0, 2)


def test_graphs_are_for_cuda(monkeypatch):
    monkeypatch.setattr(compiling, "find_spec", lambda name: name)
    assert pick_compile("graphs", CUDA, seconds=0.0) == (True, "as asked")
    with pytest.raises(UsageError, match=r"CUDA graphs are for cuda, not for cpu; leave"):
        pick_compile("graphs", CPU, seconds=LONG)
