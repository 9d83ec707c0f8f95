"""What is said of machines that exist on paper only."""

import pytest

from paper_machine import paper_machine

LOAD, LIMIT, DRIVER = "was busy already", "OMP_NUM_THREADS is", "an NVIDIA driver"
COMPILER, SLOWER, WORTH = "cannot be compiled", "slower here than in fp32", "may be worth a try"
DISK, DATA = "make room", "BARDLING_DATA names"
NO_COMPILER = {
    "compiler": None,
    "compiler_missing": "neither g++ nor clang++ is found",
}

CASES = [
    ({}, None),
    ({"load": None}, None),
    ({"load": 2.0}, None),
    ({"load": 2.1}, LOAD),
    ({"load": 2.1, "machine_cores": 32}, None),
    ({"threads_limit": "3"}, LIMIT),
    ({"threads_limit": "4"}, None),
    ({"threads_limit": "64"}, None),
    ({"threads_limit": "0"}, None),
    ({"threads_limit": "many"}, None),
    ({"nvidia_driver": True}, DRIVER),
    ({"nvidia_driver": True, "devices": ("cuda", "cpu"), "device": "cuda"}, None),
    (NO_COMPILER, COMPILER),
    ({"bf16": 199e9}, SLOWER),
    ({"bf16": 200e9}, None),
    ({"bf16": 199e9, "precision": "fp32"}, None),
    ({"bf16": 300e9, "precision": "fp32"}, WORTH),
    ({"bf16": 299e9, "precision": "fp32"}, None),
    ({"fp16": 9e12, "precision": "fp16"}, None),
    ({"free_disk_bytes": 999_999_999}, DISK),
    ({"free_disk_bytes": 10**9}, None),
    ({"data": "/gone"}, DATA),
    ({"data": "/texts", "data_found": True}, None),
]


@pytest.mark.parametrize(("changes", "said"), CASES)
def test_advice_is_given_where_something_is_off_and_only_there(changes, said):
    advice = paper_machine(**changes).advice
    assert len(advice) == (said is not None)
    assert said is None or said in advice[0]


def test_several_things_are_each_said():
    changes = NO_COMPILER | {"load": 9.0, "threads_limit": "1", "bf16": 1e9, "data": "/gone"}
    advice = paper_machine(**changes, free_disk_bytes=0, nvidia_driver=True).advice
    order = (LOAD, LIMIT, DRIVER, COMPILER, SLOWER, DISK, DATA)
    assert len(advice) == len(order)
    assert all(said in sentence for said, sentence in zip(order, advice, strict=True))


def test_advice_names_the_figures_and_the_cure():
    slow = paper_machine(bf16=100e9).advice[0]
    assert "0.50 times as fast" in slow and slow.endswith("train with --machine.precision fp32")
    low = paper_machine(free_disk_bytes=4 * 10**8, runs="/full").advice[0]
    assert low.startswith("only 0.4 GB are free where runs live (/full)")
    assert "BARDLING_RUNS" in low
    limited = paper_machine(threads_limit="1").advice[0]
    assert "only 1 of 4 cores" in limited and "unset it" in limited
    busy = paper_machine(load=3.14).advice[0]
    assert "(load 3.1 on 4 cores)" in busy
    missing = paper_machine(**NO_COMPILER).advice[0]
    assert missing.startswith("neither g++ nor clang++ is found, so training cannot")
