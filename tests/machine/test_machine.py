"""What is asked for becomes what is used, and a resumed run goes on as it began."""

from dataclasses import replace

import pytest
import torch

from bardling.errors import UsageError
from bardling.machine import compiling, device, machine
from bardling.machine.conditions import Conditions
from bardling.machine.config import MachineConfig
from bardling.machine.machine import choose_machine, plain_machine

BEFORE = Conditions(
    device="cpu", processor="AVX2", precision="fp32", compiled=True, threads=3, torch="2.10.0"
)


@pytest.fixture(autouse=True)
def desk(monkeypatch):
    """Pretend four cores with units for bf16, a compiler, and no GPU; a test may add one."""

    def gpu(there: bool) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: there)

    gpu(False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "H200")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(device, "cpu_model", lambda: "Paper 9000")
    monkeypatch.setattr(compiling, "missing_compiler", lambda device: None)
    monkeypatch.setattr(machine, "usable_cores", lambda: 4)
    monkeypatch.setattr("bardling.machine.threads.usable_cores", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return gpu


def choose(before=None, *, seconds=0.0, **wishes):
    return choose_machine(MachineConfig(**wishes), train_seconds=seconds, before=before)


def facts(chosen):
    return chosen.device.type, chosen.precision, chosen.compiled, chosen.threads


def test_the_machine_decides_what_is_left_open(desk):
    assert facts(choose()) == ("cpu", "bf16", False, 4)
    assert facts(choose(seconds=1e6)) == ("cpu", "bf16", True, 4)
    desk(True)
    assert facts(choose()) == ("cuda", "bf16", False, 4)


def test_wishes_are_heeded(desk):
    desk(True)
    wishes = {"device": "cpu", "precision": "fp64", "compile": "on", "threads": 7}
    assert facts(choose(**wishes)) == ("cpu", "fp64", True, 7)
    assert facts(choose(BEFORE, **wishes)) == ("cpu", "fp64", True, 7)
    assert facts(choose(BEFORE, device="cuda")) == ("cuda", "bf16", True, 3)


@pytest.mark.parametrize("compiled", [True, False])
def test_a_resumed_run_keeps_what_its_checkpoint_had(desk, compiled):
    before = replace(BEFORE, compiled=compiled)
    desk(True)  # which was not there before, or not wanted
    assert facts(choose(before, seconds=1e6)) == ("cpu", "fp32", compiled, 3)
    assert facts(choose(before, seconds=0.0)) == ("cpu", "fp32", compiled, 3)
    assert facts(choose(replace(before, device="cuda"))) == ("cuda", "fp32", compiled, 3)


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({"precision": "bf16"}, ("cpu", "bf16", True, 3)),
        ({"compile": "off"}, ("cpu", "fp32", False, 3)),
        ({"threads": 1}, ("cpu", "fp32", True, 1)),
        ({"device": "cpu"}, ("cpu", "fp32", True, 3)),
    ],
)
def test_on_a_resume_one_wish_leaves_the_rest_as_it_was(wish, expected):
    assert facts(choose(BEFORE, **wish)) == expected


def test_what_is_no_longer_there_is_chosen_anew(desk):
    gone = replace(BEFORE, device="cuda", precision="fp16")
    assert facts(choose(gone)) == ("cpu", "bf16", True, 3)
    assert facts(choose(replace(BEFORE, threads=5))) == ("cpu", "fp32", True, 4)
    assert facts(choose(replace(BEFORE, threads=4))) == ("cpu", "fp32", True, 4)
    with pytest.raises(UsageError, match="finds no CUDA GPU"):
        choose(gone, device="cuda")


def test_a_compiler_that_is_gone_is_told_and_done_without(monkeypatch):
    monkeypatch.setattr(compiling, "missing_compiler", lambda device: "no C++ compiler")
    chosen = choose(BEFORE)
    assert (chosen.compiled, chosen.compile_reason) == (False, "no C++ compiler")
    assert "compiled yes before, no now" in BEFORE.changes(chosen.conditions)


def test_a_machine_says_in_one_line_what_it_uses(desk):
    assert choose(threads=2).describe() == (
        "cpu (AVX512-BF16), bf16, not compiled (the run is too short to gain by it), 2 threads"
    )
    desk(True)
    assert choose(compile="on", threads=1).describe() == (
        "cuda (H200), bf16, compiled (as asked), 1 thread"
    )


def test_its_conditions_are_the_facts(desk):
    desk(True)
    assert choose(precision="fp16", compile="on", threads=2).conditions == Conditions(
        device="cuda", processor="H200", precision="fp16", compiled=True, threads=2,
        torch=torch.__version__,
    )  # fmt: skip
    assert choose(device="cpu").conditions.processor == "Paper 9000, AVX512, AVX512-BF16"


def test_changes_are_told_in_words():
    assert BEFORE.changes(BEFORE) == []
    now = Conditions(
        device="cuda", processor="H200", precision="bf16", compiled=False, threads=1,
        torch="2.13.0",
    )  # fmt: skip
    assert BEFORE.changes(now) == [
        "device cpu before, cuda now",
        "processor AVX2 before, H200 now",
        "precision fp32 before, bf16 now",
        "compiled yes before, no now",
        "threads 3 before, 1 now",  # a number, though 1 == True
        "torch 2.10.0 before, 2.13.0 now",
    ]
    assert BEFORE.changes(replace(BEFORE, threads=2)) == ["threads 3 before, 2 now"]


@pytest.mark.parametrize("threads", [1, 2])
def test_its_contexts_hold_precision_and_threads(threads):
    chosen = choose(threads=threads)
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with chosen.exactly(), chosen.autocast():
        assert torch.get_num_threads() == threads
        assert torch.are_deterministic_algorithms_enabled()
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before


def test_the_weights_are_float32_but_for_proofs():
    types = {kind: choose(precision=kind).dtype for kind in ("bf16", "fp16", "fp32", "fp64")}
    assert types.pop("fp64") == torch.float64
    assert set(types.values()) == {torch.float32}


def test_the_plain_machine_is_the_processor_and_nothing_more(desk):
    desk(True)
    assert facts(plain_machine()) == ("cpu", "fp32", False, torch.get_num_threads())
