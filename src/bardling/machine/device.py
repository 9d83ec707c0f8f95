"""Which device computes: a CUDA GPU before an Apple one before the processor."""

import torch

from bardling.errors import UsageError
from bardling.machine.config import DeviceWish

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
    """Return what distinguishes processors whose results may differ in their last bits."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    return torch.backends.cpu.get_cpu_capability()
