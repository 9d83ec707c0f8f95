"""A run that is killed goes on from its last checkpoint, and ends as if nothing had happened.

The process gets SIGKILL at every operation on the disk of a whole run, with half of the bytes of
a write on the way, at random moments, and over and over again.
"""

import random
import shutil
import signal
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pytest
from faults import Entry, Log, at, killed, telling, torn, watched
from nursery import RUN, STEPS, begin, go_on, new_folder, nursery, remains, strays
from promises import Protection

from bardling import saving
from bardling.run_folder import RunFolder

PROTECTIONS = (
    Protection(
        file="storage/folders.py",
        line="_write_all(disk.temporary_name(folder), folder, contents)",
        broken="_write_all(folder, folder, contents)",
        test="test_killed_at_an_operation",
    ),
    Protection(
        file="run.py",
        line="            storage.remove_leftovers(folder)",
        broken="            pass",
        test="test_killed_at_an_operation",
    ),
    Protection(
        file="run_folder.py",
        line='if record["step"] <= step]',
        broken="]",
        test="test_killed_over_and_over_again",
    ),
)
EVERY_STEP = {"checkpoint_interval_steps": 1, "keep_last": 2}
WRITING = ("write", "append", "fsync_file")
LEAST = 35  # operations that a run is given: as many as bring it to its first checkpoint or on


def logged(folder: Path, job=begin) -> list[Entry]:
    log = Log(folder)
    with watched(log):
        job(folder)
    return log.entries


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[list[Entry], dict]:
    """Return the operations of a run that nothing befalls, and what remains of it."""
    folder = new_folder(tmp_path_factory.mktemp("runs"), "whole")
    return nursery().run(logged, folder), remains(folder)


def last_published(folder: Path) -> int:
    return max(RunFolder(folder / RUN).steps(), default=0)


def end_of(folder: Path) -> dict:
    """Let a killed run go on to its end, and return what remains of it."""
    published = last_published(folder)
    ended = RunFolder(folder / RUN).result_path.exists()
    told = nursery().run(go_on, folder)
    assert told.start >= published or ended
    assert told.start <= STEPS
    return remains(folder)


def begin_beside(folder: Path, make_watch=None):
    """Train with checkpoints that a thread writes, as large ones are."""
    saving.AT_ONCE_BYTES = 0
    return begin(folder, make_watch)


def kill_at_operations(undisturbed, parent: Path, numbers: Iterable[int], job=begin) -> str:
    entries, whole = undisturbed
    ways = [partial(at, number, killed) for number in numbers]
    torn_too = [number for number in numbers if entries[number].name in WRITING]
    ways += [partial(at, number, torn, killed) for number in torn_too]
    for number, way in enumerate(ways):
        folder = new_folder(parent, f"{job.__name__}-{number}")
        assert nursery().try_to(job, folder, way).signal == signal.SIGKILL
        assert end_of(folder) == whole, way
    return f"{len(ways)} of {len(ways)} moments in {len(entries)} operations"


def kill_at_random(parent: Path, n_kills: int) -> str:
    whole = new_folder(parent, "whole")
    began = time.perf_counter()
    nursery().run(begin, whole, **EVERY_STEP)
    seconds = time.perf_counter() - began
    chance = random.Random(1)
    for number in range(n_kills):
        killed_by, n_tries = 0, 0
        while not killed_by:
            folder = new_folder(parent, f"random-{number}-{n_tries}")
            after = chance.uniform(0, seconds * 0.9**n_tries)
            killed_by = nursery().try_to(begin, folder, kill_after=after, **EVERY_STEP).signal
            n_tries += 1  # it had ended before
        nursery().run(go_on, folder, **EVERY_STEP)
        assert remains(folder) == remains(whole)
    return f"{n_kills} of {n_kills} random moments"


def kill_while_it_mends(undisturbed, parent: Path, step: int) -> str:
    """Kill a run that goes on without its last checkpoint, in which a bit is wrong."""
    _, whole = undisturbed
    damaged = new_folder(parent, "damaged")
    nursery().run(begin, damaged)
    (damaged / RUN / "result.json").unlink()
    path = RunFolder(damaged / RUN).checkpoint_path(STEPS) / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    numbers = range(n_operations(damaged))[::step]
    for number in numbers:
        folder = Path(shutil.copytree(damaged, parent / f"mending-{number}"))
        killed_by = nursery().try_to(go_on, folder, partial(at, number, torn, killed)).signal
        assert killed_by == signal.SIGKILL
        nursery().run(go_on, folder)
        aside = [f"step-{STEPS:06d}.damaged-1"]
        assert remains(folder) == {**whole, "strays": aside}, number
    return f"{len(numbers)} of {len(numbers)} operations while it mends"


def n_operations(damaged: Path) -> int:
    """Return how many operations a run needs that goes on."""
    folder = Path(shutil.copytree(damaged, damaged.with_name("counted")))
    return len(nursery().run(logged, folder, go_on))


def kill_over_and_over(undisturbed, folder: Path, seed: int) -> int:
    """Kill a run again and again, also while it mends what the kill before has left."""
    _, whole = undisturbed
    chance, n_kills, job = random.Random(seed), 0, begin
    while (
        nursery().try_to(job, folder, partial(at, chance.randint(LEAST, 90), torn, killed)).signal
    ):
        n_kills, job = n_kills + 1, go_on
    assert remains(folder) == whole
    return n_kills


def test_killed_at_an_operation(undisturbed, tmp_path):
    kill_at_operations(undisturbed, tmp_path, telling(undisturbed[0]))


def test_killed_while_a_thread_writes(undisturbed, tmp_path):
    """The order of operations is then not the same every time, but their number is."""
    kill_at_operations(undisturbed, tmp_path, telling(undisturbed[0])[::2], begin_beside)


def test_killed_at_a_random_moment(tmp_path):
    kill_at_random(tmp_path, 4)


def test_killed_while_it_mends(undisturbed, tmp_path):
    kill_while_it_mends(undisturbed, tmp_path, 40)


def test_killed_over_and_over_again(undisturbed, tmp_path):
    assert kill_over_and_over(undisturbed, new_folder(tmp_path, "x"), seed=0) > 1


@pytest.mark.sweep
def test_killed_at_every_operation_and_at_fifty_random_moments(
    undisturbed, tmp_path, record_property
):
    numbers = range(len(undisturbed[0]))
    measured = [kill_at_operations(undisturbed, tmp_path, numbers)]
    beside = kill_at_operations(undisturbed, tmp_path, numbers[::4], begin_beside)
    measured.append(f"{beside} while a thread writes")
    measured.append(kill_while_it_mends(undisturbed, tmp_path, 2))
    measured.append(kill_at_random(tmp_path, 50))
    runs = [new_folder(tmp_path, f"again-{seed}") for seed in range(10)]
    n_kills = [kill_over_and_over(undisturbed, run, seed) for seed, run in enumerate(runs)]
    measured.append(f"{sum(n_kills)} kills over and over in 10 of 10 runs")
    record_property("measured", "; ".join(measured))


def test_what_is_left_of_a_kill_is_there_to_be_seen(undisturbed, tmp_path):
    """Or the others would prove nothing."""
    entries, _ = undisturbed
    place = next(i for i, e in enumerate(entries) if "step-000002" in e.path and e.data)
    folder = new_folder(tmp_path, "x")
    nursery().try_to(begin, folder, partial(at, place, torn, killed))
    assert len(strays(folder)) == 1
    (cut,) = (folder / RUN / "checkpoints").glob(".step-000002.tmp-*/model.safetensors")
    assert cut.stat().st_size == len(entries[place].data) // 2
    assert RunFolder(folder / RUN).steps() == [0]
