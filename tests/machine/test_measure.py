"""Measurements: positive, finite, bounded in time, and without a trace. Speed is never asserted."""

import math
import time

import pytest
import torch

from bardling.errors import UsageError
from bardling.machine import measure
from bardling.machine.measure import copy_rate, elementwise_rate, matmul_rate

CPU = torch.device("cpu")
SHORT = 0.02


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_products_have_a_rate(dtype):
    assert 0 < matmul_rate(CPU, dtype, SHORT) < math.inf


def test_copies_and_elementwise_work_have_a_rate():
    assert 0 < copy_rate(CPU, SHORT, n_bytes=2**20) < math.inf
    assert 0 < elementwise_rate(CPU, SHORT, n_bytes=2**20) < math.inf


def test_float16_is_refused_on_a_processor_before_anything_is_multiplied(monkeypatch):
    monkeypatch.setattr(measure, "_product", lambda *_: pytest.fail("it was multiplied"))
    with pytest.raises(UsageError, match="fp16 is not measured on a processor"):
        matmul_rate(CPU, torch.float16)


def test_nothing_global_changes():
    def state() -> tuple:
        return (
            torch.get_num_threads(),
            torch.get_rng_state().tolist(),
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.get_deterministic_debug_mode(),
        )

    before = state()
    matmul_rate(CPU, torch.bfloat16, SHORT)
    copy_rate(CPU, SHORT, n_bytes=2**16)
    elementwise_rate(CPU, SHORT, n_bytes=2**16)
    assert state() == before


class Clock:
    """A clock that only moves when something is said to take time."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", clock.perf_counter)
    return clock


@pytest.mark.parametrize(
    ("flops", "largest"),
    [
        (1e12, 1024),  # quick: as large as it gets
        (2 * 1024**3 / 0.2, 1024),  # one product takes just half of the time
        (2 * 1024**3 / 0.201, 512),
        (1e6, 128),  # hopeless: four seconds for the smallest
    ],
)
def test_the_rate_is_that_of_the_largest_product_there_is_time_for(
    clock, monkeypatch, flops, largest
):
    sizes: list[int] = []

    def product(size, device, dtype):
        def work() -> None:
            sizes.append(size)
            clock.now += 2 * size**3 / flops

        return work

    monkeypatch.setattr(measure, "_product", product)
    assert matmul_rate(CPU, torch.float32, 0.4) == pytest.approx(flops)
    assert sizes == sorted(sizes) and sizes[-1] == largest
    assert sizes.count(largest) >= measure.LEAST_REPEATS
    warm_up = 1 + 2 * len(set(sizes))
    measured = len(sizes) - warm_up
    assert measured == measure.LEAST_REPEATS or clock.now < 4 * 0.4


def test_a_short_disturbance_does_not_count(clock):
    lasts = iter([9.0, 0.1, 0.1, 5.0, 0.1, *[0.1] * 9])

    def work() -> None:
        clock.now += next(lasts)

    assert measure._median(work, CPU, 0.4) == pytest.approx(0.1)


def test_copies_count_what_is_read_and_what_is_written(monkeypatch):
    monkeypatch.setattr(measure, "_median", lambda work, device, seconds: 0.5)
    assert copy_rate(CPU, n_bytes=1000) == 4000.0
    assert elementwise_rate(CPU, n_bytes=1000) == 2000.0
