"""Which device computes, on machines that only say what they have."""

import pytest
import torch

from bardling.errors import UsageError
from bardling.machine.device import available_devices, pick_device, processor_name


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


def test_processors_are_told_apart_by_what_may_change_their_last_bits(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H200")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert processor_name(torch.device("cuda")) == "NVIDIA H200"
    assert processor_name(torch.device("mps")) == "Apple GPU"
    assert processor_name(torch.device("cpu")) == "AVX2"
