"""Which device computes, a CUDA GPU before an Apple one before the processor, and its names."""

import platform
import re

import torch

from bardling.errors import UsageError
from bardling.machine.config import DeviceWish
from bardling.machine.kernel import kernel_text
from bardling.machine.precision import cpu_units

PLACES = {"cuda": "CUDA GPU", "mps": "Apple GPU (mps)", "cpu": "processor"}


def available_devices() -> list[str]:
    """Return the kinds of device that this machine has, the best first."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return [kind for kind, found in there.items() if found] + ["cpu"]


def pick_device(wish: DeviceWish) -> torch.device:
    """Return the device that was asked for, or the best there is.

    Raises `UsageError` when this machine or this build of torch does not have it.
    """
    there = available_devices()
    kind = there[0] if wish == "auto" else wish
    if kind not in there:
        raise UsageError(
            f"this torch ({torch.__version__}) finds no {PLACES[kind]} here; "
            f"there is {' and '.join(there)}"
        )
    return torch.device(kind)


def processor_name(device: torch.device) -> str:
    """Return what distinguishes processors whose results may differ in their last bits.

    The libraries of products choose their kernels by the maker, the widest instructions and the
    units for bf16, and cut their sums accordingly.
    """
    if device.type == "cpu":
        return ", ".join((cpu_model(), *cpu_instructions()))
    return short_name(device)


def short_name(device: torch.device) -> str:
    """Return the name of a GPU, or of the processor's best units."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    return (cpu_units() or cpu_instructions())[0]


def cpu_instructions() -> tuple[str, ...]:
    """Return the widest instructions that torch uses, and the units for bf16."""
    return (torch.backends.cpu.get_cpu_capability(), *cpu_units())


def cpu_model() -> str:
    """Return the processor's name as its maker has it, or what the system knows of it."""
    found = re.search(r"^model name\s*:\s*(.+)$", kernel_text("/proc/cpuinfo"), re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()
