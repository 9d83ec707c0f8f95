"""Finds out what this machine can do: asks the system, asks torch, and measures.

What a long run would use is asked of `choose_machine`, so that the report cannot say anything
else than training does.
"""

import math
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from bardling.machine.compiling import find_compiler, missing_compiler
from bardling.machine.config import MachineConfig
from bardling.machine.device import (
    available_devices,
    cpu_instructions,
    cpu_model,
    short_name,
)
from bardling.machine.facts import MachineFacts
from bardling.machine.machine import Machine, choose_machine
from bardling.machine.measure import SECONDS, copy_rate, elementwise_rate, matmul_rate
from bardling.machine.memory import free_bytes, physical_bytes
from bardling.machine.precision import SHORT, cpu_units
from bardling.machine.threads import usable_cores


def gather(
    *,
    version: str,
    runs: Path,
    data: Path | None,
    cache: Path,
    shakespeare: Path | None,
    seconds: float = SECONDS,
    obstacle: Callable[[], str | None],
) -> MachineFacts:
    """Return the facts; `seconds` are taken for each of four measurements.

    `data` is the folder that BARDLING_DATA names, `shakespeare` the place of that text;
    `obstacle` is that of `choose_machine`.
    """
    load = _load()  # before we are the load ourselves
    machine = choose_machine(MachineConfig(), train_seconds=math.inf, obstacle=obstacle)
    device, (products, elementwise, copied) = machine.device, _measure(machine, seconds)
    return MachineFacts(
        **_found_on_disk(runs, data, cache, shakespeare),
        bardling=version,
        python=platform.python_version(),
        torch=torch.__version__,
        system=f"{platform.system()} {platform.machine()}",
        processor=cpu_model(),
        instructions=cpu_instructions(),
        cores=usable_cores(),
        machine_cores=max(usable_cores(), (os.cpu_count() or 1) // 2),
        threads=machine.threads,
        threads_limit=os.environ.get("OMP_NUM_THREADS", ""),
        load=load,
        devices=tuple(available_devices()),
        device=device.type,
        gpu="" if device.type == "cpu" else short_name(device),
        nvidia_driver=bool(shutil.which("nvidia-smi")),
        precision=machine.precision,
        precision_reason=precision_reason(machine),
        flops_per_second=products,
        elementwise_per_second=elementwise,
        copied_per_second=copied,
        compiler=find_compiler(device),
        compiler_missing=missing_compiler(device),
        memory_bytes=physical_bytes(),
        free_memory_bytes=free_bytes(),
        used=machine.describe(),
    )


def _found_on_disk(
    runs: Path, data: Path | None, cache: Path, shakespeare: Path | None
) -> dict[str, Any]:
    return {
        "runs": str(runs),
        "free_disk_bytes": shutil.disk_usage(_standing(runs)).free,
        "data": None if data is None else str(data),
        "data_found": data is not None and data.is_dir(),
        "cache": str(cache),
        "shakespeare": None if shakespeare is None else str(shakespeare),
    }


def precision_reason(machine: Machine) -> str:
    """Say why a machine that was asked for nothing multiplies in these numbers."""
    if machine.device.type == "mps":
        return "which every Apple GPU does"
    if machine.device.type == "cpu":
        units = cpu_units()
        if machine.precision == "bf16" and units:
            return f"the processor has units for it ({units[0]})"
        return "the processor has no units for bf16"
    if machine.precision in SHORT:
        return "the GPU has units for it"
    return "the GPU has no units for shorter numbers"


def _measure(machine: Machine, seconds: float) -> tuple[dict[str, float], float, float]:
    """Return the rates of products by precision, of elementwise work and of copies."""
    device, names = machine.device, dict.fromkeys(("fp32", "bf16", machine.precision))
    with _threads(machine.threads):
        products = {
            name: matmul_rate(device, SHORT.get(name, torch.float32), seconds) for name in names
        }
        return products, elementwise_rate(device, seconds), copy_rate(device, seconds)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Compute with as many threads as a run would."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # Windows; a system that does not tell
        return None


def _standing(folder: Path) -> Path:
    """Return the folder, or the nearest above it that is there."""
    path = folder.absolute()
    return next(place for place in (path, *path.parents) if place.exists())
