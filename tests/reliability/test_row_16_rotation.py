"""Letting old checkpoints go never takes the last good one, or the best.

At every operation of a run that saves at every step: killed, with deletes that fail, and with
times of files that say nothing or the opposite. The best step is one in the middle.
"""

import errno
import os
import signal
import time
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from faults import Entry, Log, Operation, at, killed, refused, spoilt, watched
from nursery import RUN, STEPS, begin, go_on, new_folder, nursery, remains, strays
from promises import Protection

from bardling import storage
from bardling.errors import StorageError
from bardling.run_folder import RunFolder
from bardling.training.state import RunState

PROTECTIONS = (
    Protection(
        file="saving.py",
        line="kept = {0, state.best_step, ",
        broken="kept = {0, ",
        test="test_at_every_operation_there_is_enough",
    ),
    Protection(
        file="checkpoint.py",
        line="        except StorageError as error:\n            warn(",
        broken="        except KeyError as error:\n            warn(",
        test="test_a_delete_that_fails_is_a_note",
    ),
    Protection(
        file="checkpoint.py",
        line="    storage.prove_folder(folder)",
        broken="    str(folder)",
        test="test_what_does_not_read_back_lets_nothing_go",
    ),
    Protection(
        file="run_folder.py",
        line="sorted((int(m[1]), p) for m, p in found if m)",
        broken="sorted(((int(m[1]), p) for m, p in found if m), key=lambda f: os.stat(f[1])[8])",
        test="test_times_of_files_play_no_part",
    ),
)
BEST = 2


def rotating(job, folder: Path, make_watch=None, *, keep_last: int):
    """Do a job with step 2 for the best, and a checkpoint at every step."""
    real = RunState.after_validation
    RunState.after_validation = lambda self, loss: real(self, 1.0 + abs(self.step - BEST))
    return job(folder, make_watch, checkpoint_interval_steps=1, keep_last=keep_last)


class Guard:
    """Looks before every operation on checkpoints whether there are as many as there should be."""

    def __init__(self, folder: Path, keep_last: int) -> None:
        self.run, self.keep_last = RunFolder(folder / RUN), keep_last
        self.published: list[int] = []
        self.n_looks = 0

    def __call__(self, operation: Operation):
        if self.run.checkpoints_path in operation.path.parents:
            self.look()
            self.n_looks += 1
        return operation.do()

    def look(self) -> None:
        whole = verified(self.run)
        self.published += sorted(set(whole) - set(self.published))
        assert set(self.published[-self.keep_last :]) <= set(whole)
        assert BEST not in self.published or BEST in whole
        assert 0 in whole or not self.published


def verified(run: RunFolder) -> list[int]:
    """Return the steps with a checkpoint that is whole to the last byte; all that show are."""
    steps = run.steps()
    for step in steps:
        storage.read_folder(run.checkpoint_path(step))
    return steps


def guarded(folder: Path, keep_last: int) -> int:
    guard = Guard(folder, keep_last)
    rotating(begin, folder, lambda: guard, keep_last=keep_last)
    guard.look()
    assert guard.published == list(range(STEPS + 1))
    return guard.n_looks


def lets_go(name: str, path: Path) -> bool:
    """Tell an operation that belongs to the removal of a checkpoint."""
    hides = name == "rename" and path.name.startswith("step-")
    return hides or name in ("unlink", "remove_folder")


def logged(folder: Path, keep_last: int) -> list[Entry]:
    log = Log(folder)
    with watched(log):
        rotating(begin, folder, keep_last=keep_last)
    return log.entries


Rotation = tuple[int, list[int], dict]
"""How many are kept, the operations that let go of some, and what remains at the end."""


@pytest.fixture(scope="module")
def rotations(tmp_path_factory) -> dict[int, Rotation]:
    """Return two runs that nothing befalls, by how many checkpoints they keep."""
    found = {}
    for keep_last in (1, 2):
        folder = new_folder(tmp_path_factory.mktemp("runs"), "whole")
        entries = nursery().run(logged, folder, keep_last)
        letting_go = [n for n, entry in enumerate(entries) if lets_go(entry.name, Path(entry.path))]
        found[keep_last] = keep_last, letting_go, remains(folder)
    return found


@pytest.fixture(params=[1, 2])
def rotation(request, rotations) -> Rotation:
    return rotations[request.param]


def kill(rotation: Rotation, parent: Path, step: int) -> int:
    keep_last, letting_go, whole = rotation
    numbers = letting_go[1 % step :: step]
    for number in numbers:
        folder = new_folder(parent, f"killed-{keep_last}-{number}")
        job = partial(rotating, begin, keep_last=keep_last)
        outcome = nursery().try_to(job, folder, partial(at, number, killed))
        assert outcome.signal == signal.SIGKILL
        guard = Guard(folder, keep_last)
        newest = guard.run.steps()[-1]
        guard.published = list(range(newest + 1))
        guard.look()
        told = nursery().run(partial(rotating, go_on, keep_last=keep_last), folder)
        assert told.start == newest
        assert remains(folder) == whole
    return len(numbers)


def fail(rotation: Rotation, parent: Path, step: int) -> int:
    """Let one delete fail: what stays is tried again later."""
    keep_last, letting_go, whole = rotation
    numbers = letting_go[2 % step :: step]
    for number in numbers:
        folder = new_folder(parent, f"failed-{keep_last}-{number}")
        watch = partial(at, number, partial(refused, errno.EIO))
        told = nursery().run(partial(rotating, begin, keep_last=keep_last), folder, watch)
        (note,) = told.notes
        assert "an old checkpoint stays: could not remove" in note and "Input/output" in note
        assert remains(folder) == whole
    return len(numbers)


def undeletable():
    def watch(operation: Operation):
        if lets_go(operation.name, operation.path):
            return refused(errno.EIO, operation)
        return operation.do()

    return watch


def timed(folder: Path, times: str, kill_at: int = -1):
    """Give all files the same time, or newer ones to older checkpoints, while the clock runs back.

    Before an operation the process may die.
    """
    clock, numbers = count(2_000_000_000, -3600), count()
    if times == "back":
        time.time = lambda: float(next(clock))

    def watch(operation: Operation):
        if next(numbers) == kill_at:
            killed(operation)
        result = operation.do()
        for step, path in RunFolder(folder / RUN).folders().items():
            for each in (path, *path.iterdir()):
                os.utime(each, (0, 10**9 - step * 10**6 if times == "back" else 0))
        return result

    return watch


@pytest.mark.parametrize("keep_last", [1, 2, 3])
def test_at_every_operation_there_is_enough(tmp_path, keep_last):
    assert nursery().run(guarded, new_folder(tmp_path, "x"), keep_last) > 150


def test_killed_while_it_lets_go(rotation, tmp_path):
    kill(rotation, tmp_path, 13)


def test_a_delete_that_fails_is_a_note(rotation, tmp_path):
    fail(rotation, tmp_path, 13)


@pytest.mark.sweep
def test_all_that_can_happen_to_a_rotation(rotations, tmp_path, record_property):
    looked = [nursery().run(guarded, new_folder(tmp_path, str(n)), n) for n in rotations]
    n_looks = sum(looked)
    n_kills = sum(kill(rotation, tmp_path, 1) for rotation in rotations.values())
    n_failed = sum(fail(rotation, tmp_path, 1) for rotation in rotations.values())
    record_property(
        "measured",
        f"enough before {n_looks} of {n_looks} operations; after {n_kills} of {n_kills} kills; "
        f"{n_failed} of {n_failed} failing deletes told and made up for",
    )


def test_where_nothing_can_be_deleted_all_stay(rotation, tmp_path):
    keep_last, _, whole = rotation
    folder = new_folder(tmp_path, "x")
    told = nursery().run(partial(rotating, begin, keep_last=keep_last), folder, undeletable)
    assert all("an old checkpoint stays" in note for note in told.notes) and told.notes
    assert remains(folder)["steps"] == list(range(STEPS + 1))
    assert remains(folder)["weights"][-1] == whole["weights"][-1]


def test_what_does_not_read_back_lets_nothing_go(rotation, tmp_path):
    """A bit is written wrongly in the checkpoint of step 4."""
    keep_last, _, whole = rotation
    folder = new_folder(tmp_path, "x")
    entries = nursery().run(logged, new_folder(tmp_path, "whole"), keep_last)
    (number,) = (
        n for n, e in enumerate(entries)
        if e.name == "write" and "step-000004" in e.path and "model" in e.path
    )  # fmt: skip
    job = partial(rotating, begin, keep_last=keep_last)
    outcome = nursery().try_to(job, folder, partial(at, number, spoilt))
    assert "model.safetensors is damaged" in outcome.error
    run = RunFolder(folder / RUN)
    with pytest.raises(StorageError, match="damaged"):
        storage.read_folder(run.checkpoint_path(4))
    assert run.steps() == sorted({0, BEST, *range(4 - keep_last, 5)})
    nursery().run(partial(rotating, go_on, keep_last=keep_last), folder)
    assert strays(folder) == ["step-000004.damaged-1"]
    assert {**remains(folder), "strays": []} == whole


@pytest.mark.parametrize("times", ["equal", "back"])
def test_times_of_files_play_no_part(rotation, tmp_path, times):
    keep_last, letting_go, whole = rotation
    folder = new_folder(tmp_path, "x")
    watch = partial(timed, folder, times)
    job = partial(rotating, begin, keep_last=keep_last)
    outcome = nursery().try_to(job, folder, partial(watch, letting_go[20]))
    assert outcome.signal == signal.SIGKILL
    newest = RunFolder(folder / RUN).steps()[-1]
    told = nursery().run(partial(rotating, go_on, keep_last=keep_last), folder, watch)
    assert told.start == newest > BEST
    assert remains(folder) == whole
