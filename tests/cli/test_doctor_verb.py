"""`bardling doctor`: the page and the JSON, of a machine on paper and of this one."""

import json
from dataclasses import asdict, fields

import pytest

import bardling
from bardling.cli.doctor import flops, giga, show
from bardling.machine.facts import MachineFacts
from bardling.reporting.screen import Screen
from paper_machine import MACHINE, paper_machine


@pytest.fixture
def doctor(cli, monkeypatch):
    """Call the verb about a machine on paper."""

    def call(*words, **changes):
        def on_paper(*, runs_dir=None) -> MachineFacts:
            runs = {} if runs_dir is None else {"runs": str(runs_dir)}
            return paper_machine(**changes | runs)

        monkeypatch.setattr("bardling.doctor", on_paper)
        return cli("doctor", *words)

    return call


def test_the_page_of_a_machine_where_all_is_well(doctor):
    done = doctor()
    assert (done.code, done.err) == (0, "")
    assert [line.rstrip() for line in done.out.splitlines()] == [
        "bardling 9.8.7, Python 3.11.7, torch 2.13.0, Linux x86_64",
        "",
        "processor   Paper [red] 9000, AVX512, AMX",
        "cores       4 usable, 4 threads will be used",
        "device      cpu; no other is found",
        "memory      25.0 GB, 20.0 GB free",
        "",
        "precision   bf16: the processor has units for it (AMX)",
        "products    fp32 200 GFLOP/s, bf16 1.5 TFLOP/s; bf16 is 7.5 times as fast",
        "copying     21.5 GB/s of memory, read and written",
        "compiler    g++",
        "",
        "runs        in runs, where 80.0 GB are free",
        "texts       BARDLING_DATA is not set; shakespeare is at /texts/tinyshakespeare.txt",
        "",
        "A long run will use",
        "cpu (AMX), bf16, compiled (as asked), 4 threads",
    ]


def test_other_machines(doctor):
    done = doctor(
        threads=1,
        devices=("cuda", "mps", "cpu"),
        device="cuda",
        gpu="H [200]",
        free_memory_bytes=None,
        compiler=None,
        compiler_missing="no C++ compiler is found",
        data="/texts",
        data_found=True,
        shakespeare=None,
    )
    for line in (
        "4 usable, 1 thread will be used\n",
        "cuda (H [200]); there is mps and cpu too\n",
        "25.0 GB\n",
        "none, so runs are not compiled\n",
        "BARDLING_DATA is /texts; shakespeare is not here yet and will be fetched into "
        "/home/me/.cache/bardling\n",
        "note        no C++ compiler is found, so training cannot be compiled",
    ):
        assert line in done.out.replace(" \n", "\n"), line


def test_what_is_off_comes_last(doctor):
    *_, empty, first, second = doctor(load=3.0, free_disk_bytes=5).out.splitlines()
    assert empty == ""
    assert first.startswith("note        the machine was busy already (load 3.0 on 4 cores)")
    assert second.startswith("note        only 0.0 GB are free where runs live (runs)")


def test_json_is_strict_and_has_every_fact(doctor):
    done = doctor("--json", "--runs-dir", "/elsewhere", data="/gone")
    assert (done.code, done.err) == (0, "")
    told = json.loads(done.out, parse_constant=lambda word: pytest.fail(word))
    assert set(told) == {field.name for field in fields(MachineFacts)} | {"advice"}
    expected = asdict(MACHINE) | {"instructions": ["AVX512", "AMX"], "devices": ["cpu"]}
    advice = told.pop("advice")
    assert told == expected | {"runs": "/elsewhere", "data": "/gone"}
    assert len(advice) == 1 and advice[0].startswith("BARDLING_DATA names /gone")


def test_the_page_fits_a_terminal_of_eighty_columns(capsys):
    screen = Screen()
    screen.width = 80
    show(screen, paper_machine(load=4.0, threads_limit="2", bf16=1e9, data="/gone/" + 90 * "x"))
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert max(map(len, lines)) <= 80
    assert "texts are not found there" in " ".join(" ".join(lines).split())
    assert len([line for line in lines if line.startswith("note  ")]) == 4


def test_this_machine(cli, monkeypatch):
    real = bardling.doctor
    monkeypatch.setattr("bardling.doctor", lambda **kind: real(seconds=0.01, **kind))
    done = cli("doctor")
    assert done.code == 0
    assert done.out.startswith(f"bardling {bardling.__version__}, Python 3.")
    assert real(seconds=0.01).used in done.out


@pytest.mark.parametrize(
    ("rate", "written"),
    [(1.234e9, "1.23 GFLOP/s"), (870.4e9, "870 GFLOP/s"), (1e12, "1 TFLOP/s")],
)
def test_operations_per_second(rate, written):
    assert flops(rate) == written


@pytest.mark.parametrize(
    ("size", "written"), [(0, "0.0 GB"), (25_275_000_000, "25.3 GB"), (10**12, "1000 GB")]
)
def test_sizes(size, written):
    assert giga(size) == written
