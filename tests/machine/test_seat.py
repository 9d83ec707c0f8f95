"""Where a process sits is what torchrun says, and alone where nobody says anything."""

import pytest

import bardling
from bardling.errors import UsageError
from bardling.machine.ranks import joined
from bardling.machine.seat import Seat, seat
from bardling.machine.team import ALONE
from bardling.machine.threads import pick_threads, usable_cores

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RESTART_COUNT",
         "TORCHELASTIC_USE_AGENT_STORE", "TORCHELASTIC_MAX_RESTARTS")  # fmt: skip


@pytest.fixture(autouse=True)
def nobody(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_alone():
    assert seat() == Seat() and seat().speaks and not seat().several_machines
    with joined() as team:
        assert team is ALONE


def test_among_others(monkeypatch):
    told = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2",
            "TORCHELASTIC_RESTART_COUNT": "2"}  # fmt: skip
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert seat() == Seat(rank=3, size=4, local_rank=1, local_size=2, restarts=2)
    assert seat().several_machines and not seat().speaks


def test_those_on_one_machine_share_its_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(usable_cores()))
    assert pick_threads(0) == 1
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1000")
    assert pick_threads(0) == 1 and pick_threads(5) == 5


@pytest.mark.parametrize("processes", [0, -1, 257])
def test_no_machine_starts_so_many(processes):
    with pytest.raises(UsageError, match=f"--nproc is {processes}; it must be from 1 to 256"):
        bardling.launch(["train"], processes=processes)


def test_what_is_no_number_is_refused(monkeypatch):
    monkeypatch.setenv("RANK", "first")
    with pytest.raises(UsageError, match="RANK is 'first' in the environment"):
        seat()


def test_machines_that_may_be_started_anew_need_a_new_store(monkeypatch):
    told = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1",
            "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_MAX_RESTARTS": "3"}  # fmt: skip
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1"), joined():
        pass
