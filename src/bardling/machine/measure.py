"""How fast this machine is: products of matrices, work on single numbers, copies in memory.

Each figure is the median of as many repetitions as fit into the seconds given, after a warm-up,
so that a short disturbance does not count. Nothing global is touched: the data come from a
generator of their own, and the number of threads is the caller's business.
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from bardling.errors import UsageError

SECONDS = 0.4
"""For one figure; its warm-up takes about as much again at most."""
SMALLEST, LARGEST = 128, {"cpu": 1024}  # side of the matrices
LARGEST_ON_GPU = 8192  # beyond, it is no faster
LEAST_REPEATS = 3
FLOAT_BYTES = 4

# The processor's copies have to be larger than its caches, its elementwise tensors as large as
# those of a training step; a GPU needs more of both to be busy at all.
COPIED_BYTES = {"cpu": 2**26}
ELEMENTWISE_BYTES = {"cpu": 2**23}
GPU_BYTES = 2**28


def matmul_rate(device: torch.device, dtype: torch.dtype, seconds: float = SECONDS) -> float:
    """Return the floating-point operations per second of a product of square matrices.

    The matrices are as large as lets one product take no more than half of the time. Raises
    `UsageError` for float16 on a processor: many lack units for it and would need minutes.
    """
    if device.type == "cpu" and dtype == torch.float16:
        raise UsageError("fp16 is not measured on a processor, many of which would need minutes")
    size, largest = SMALLEST, LARGEST.get(device.type, LARGEST_ON_GPU)
    once = _once(_product(size, device, dtype), device)
    while size < largest and 8 * once <= seconds / 2:
        size *= 2
        once = _once(_product(size, device, dtype), device)
    return 2 * size**3 / _median(_product(size, device, dtype), device, seconds)


def copy_rate(device: torch.device, seconds: float = SECONDS, n_bytes: int | None = None) -> float:
    """Return the bytes per second that a copy in the device's memory reads and writes, both."""
    size = n_bytes or COPIED_BYTES.get(device.type, GPU_BYTES)
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.ones_like(source)
    return 2 * size / _median(lambda: target.copy_(source), device, seconds)


def elementwise_rate(
    device: torch.device, seconds: float = SECONDS, n_bytes: int | None = None
) -> float:
    """Return the bytes of float32 activations per second that SiLU and a product get through.

    The results have their place beforehand: what new memory costs depends on what a process did
    before.
    """
    size = n_bytes or ELEMENTWISE_BYTES.get(device.type, GPU_BYTES)
    x = _numbers((size // FLOAT_BYTES,), device, torch.float32)
    y = torch.empty_like(x)

    def work() -> None:
        torch.sigmoid(x, out=y)
        torch.mul(y, x, out=y)

    return size / _median(work, device, seconds)


def _product(size: int, device: torch.device, dtype: torch.dtype) -> Callable[[], Tensor]:
    left, right = (_numbers((size, size), device, dtype) for _ in range(2))
    return lambda: left @ right


def _numbers(shape: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return random numbers, since some devices are quicker with constants."""
    generator = torch.Generator(device).manual_seed(0)
    return torch.rand(shape, generator=generator, device=device).to(dtype)


def _once(work: Callable[[], object], device: torch.device) -> float:
    """Return the seconds that `work` takes the second time."""
    for _ in range(2):
        took = _timed(work, device)
    return took


def _median(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Return the median seconds of `work`, repeated for `seconds` and a few times at least."""
    _timed(work, device)
    took: list[float] = []
    end = time.perf_counter() + seconds
    while len(took) < LEAST_REPEATS or time.perf_counter() < end:
        took.append(_timed(work, device))
    return statistics.median(took)


def _timed(work: Callable[[], object], device: torch.device) -> float:
    """Return the seconds that `work` takes, what it leaves to the device included."""
    _wait(device)
    began = time.perf_counter()
    work()
    _wait(device)
    return max(time.perf_counter() - began, 1e-9)


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
