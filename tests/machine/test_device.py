"""Which device computes, on machines that only say what they have."""

import platform

import pytest
import torch

from bardling.errors import UsageError
from bardling.machine import device
from bardling.machine.device import (
    available_devices,
    cpu_model,
    pick_device,
    processor_name,
    short_name,
)


@pytest.fixture
def there(monkeypatch):
    """Let torch find these kinds of device and no others."""

    def pretend(*kinds: str) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in kinds)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in kinds)

    return pretend


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ((), ["cpu"]),
        (("mps",), ["mps", "cpu"]),
        (("cuda",), ["cuda", "cpu"]),
        (("cuda", "mps"), ["cuda", "mps", "cpu"]),
    ],
)
def test_the_best_that_is_there_is_taken_and_any_other_may_be_asked_for(there, kinds, expected):
    there(*kinds)
    assert available_devices() == expected
    assert pick_device("auto") == torch.device(expected[0])
    for kind in expected:
        assert pick_device(kind) == torch.device(kind)


@pytest.mark.parametrize(
    ("kinds", "wish", "found"),
    [
        ((), "cuda", "finds no CUDA GPU here; there is cpu"),
        (("mps",), "cuda", "finds no CUDA GPU here; there is mps and cpu"),
        (("cuda",), "mps", r"finds no Apple GPU \(mps\) here; there is cuda and cpu"),
    ],
)
def test_a_device_that_is_not_there_is_refused_in_one_sentence(there, kinds, wish, found):
    there(*kinds)
    with pytest.raises(UsageError, match=f"{found}$") as caught:
        pick_device(wish)
    assert torch.__version__ in str(caught.value) and "\n" not in str(caught.value)


def test_gpus_are_told_apart_by_what_may_change_their_last_bits(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H200")
    assert processor_name(torch.device("cuda")) == short_name(torch.device("cuda")) == "NVIDIA H200"
    assert processor_name(torch.device("mps")) == short_name(torch.device("mps")) == "Apple GPU"


CPU = torch.device("cpu")


@pytest.fixture
def cpu(monkeypatch):
    """Pretend a processor of that name with those units."""

    def pretend(name: str, capability: str = "AVX512", *, amx: bool = False, bf16: bool = False):
        monkeypatch.setattr(device, "kernel_text", lambda path: f"x\t: 1\nmodel name\t: {name} \n")
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bf16, raising=False)

    return pretend


def test_a_processor_is_told_by_its_model_its_instructions_and_its_units(cpu):
    kinds = [
        ({"name": "Paper 9000", "capability": "AVX2"}, "Paper 9000, AVX2", "AVX2"),
        ({"name": "Rival 9000", "capability": "AVX2"}, "Rival 9000, AVX2", "AVX2"),
        ({"name": "Paper 9000"}, "Paper 9000, AVX512", "AVX512"),
        ({"name": "Paper 9000", "bf16": True}, "Paper 9000, AVX512, AVX512-BF16", "AVX512-BF16"),
        (
            {"name": "Paper 9000", "bf16": True, "amx": True},
            "Paper 9000, AVX512, AMX, AVX512-BF16",
            "AMX",
        ),
    ]
    for told, name, short in kinds:
        cpu(**told)
        assert (processor_name(CPU), short_name(CPU)) == (name, short)


def test_a_processor_that_the_kernel_does_not_name(cpu, monkeypatch):
    cpu("Paper 9000")
    assert cpu_model() == "Paper 9000"
    monkeypatch.setattr(device, "kernel_text", lambda path: "")
    monkeypatch.setattr(platform, "processor", lambda: "arm")
    assert cpu_model() == "arm"
    monkeypatch.setattr(platform, "processor", lambda: "")
    assert cpu_model() == platform.machine()
