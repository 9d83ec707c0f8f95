"""A checkpoint is of the step it names, however long the disk takes, and who needs it waits.

`AT_ONCE_BYTES` is set so that the tiniest run writes its checkpoints beside its training; a run
that does so leaves the same bits as one that does not.
"""

import errno
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bardling import saving
from bardling.errors import Interrupted, StorageError
from bardling.run import resume_run, start_run
from bardling.run_folder import RunFolder
from bardling.storage import disk
from tiny import Listener, tiny_config, write_text

SECONDS = 30
SETTINGS = {"n_layer": 1, "block_size": 8, "sample_tokens": 1, "dropout": 0.1, "keep_last": 2}
FILES = ("model.safetensors", "optimizer.safetensors")


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    return write_text(tmp_path_factory.mktemp("saving"), n_lines=30)


@pytest.fixture
def beside(monkeypatch) -> None:
    """Let even the smallest checkpoint be written beside the training."""
    monkeypatch.setattr(saving, "AT_ONCE_BYTES", 0)


def train(text: Path, folder: Path, listener: Listener | None = None, **overrides) -> RunFolder:
    run = RunFolder(folder / "demo")
    config = tiny_config(text, **(SETTINGS | overrides))
    start_run(config, run, data_dir=None, watcher=listener or Listener())
    return run


def saved(run: RunFolder) -> dict[int, list[bytes]]:
    """Return the bytes of weights and memory by step."""
    return {
        step: [(run.checkpoint_path(step) / name).read_bytes() for name in FILES]
        for step in run.steps()
    }


@pytest.fixture(scope="module")
def at_once(text, tmp_path_factory) -> dict[int, list[bytes]]:
    return saved(train(text, tmp_path_factory.mktemp("at-once")))


class Gate:
    """A disk on which the manifest of one step arrives only when it is let through."""

    def __init__(self, step: int) -> None:
        self.name, self.reached, self.opened = f"step-{step:06d}", *self._events()
        self.error: OSError | None = None

    @staticmethod
    def _events() -> tuple[threading.Event, threading.Event]:
        return threading.Event(), threading.Event()

    @contextmanager
    def closed(self, patch: pytest.MonkeyPatch) -> Iterator["Gate"]:
        real = disk.rename

        def rename(source: Path, target: Path) -> None:
            if target.name == self.name:
                self.reached.set()
                assert self.opened.wait(SECONDS)
                if self.error is not None:
                    raise self.error
            real(source, target)

        patch.setattr(disk, "rename", rename)
        yield self


class Opener(Listener):
    """Opens a gate when it hears of a step; knows which steps were published by then."""

    def __init__(self, gate: Gate, step: int, run: Path) -> None:
        super().__init__()
        self.gate, self.step, self.run = gate, step, RunFolder(run)
        self.published: list[int] = []

    def stepped(self, result, tokens_per_second):
        super().stepped(result, tokens_per_second)
        if result.step == self.step:
            assert self.gate.reached.wait(SECONDS)
            self.published = self.run.steps()
            self.gate.opened.set()


def test_what_is_written_beside_is_what_would_be_written_at_once(text, tmp_path, beside, at_once):
    run = train(text, tmp_path)
    assert saved(run) == at_once
    assert run.result()["last"]["step"] == 12


def test_steps_go_on_while_a_save_waits_for_the_disk_and_do_not_reach_it(
    text, tmp_path, beside, at_once, monkeypatch
):
    with Gate(4).closed(monkeypatch) as gate:
        listener = Opener(gate, 6, tmp_path / "demo")
        run = train(text, tmp_path, listener)
    assert listener.published == [0]
    assert saved(run) == at_once


def test_the_next_save_waits_for_the_one_before(text, tmp_path, beside, monkeypatch):
    with Gate(4).closed(monkeypatch) as gate:
        threading.Timer(0.3, gate.opened.set).start()
        run = train(text, tmp_path)
    assert run.steps()[-2:] == [8, 12]
    assert len(run.metrics()) == 13


def test_a_save_that_fails_ends_the_run_at_its_next_step(text, tmp_path, beside, monkeypatch):
    gate = Gate(4)
    gate.error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    gate.opened.set()
    listener = Listener()
    with gate.closed(monkeypatch), pytest.raises(StorageError, match="No space left"):
        train(text, tmp_path, listener, budget="2000steps", eval_interval_steps=4)
    assert listener.results[-1].step < 2000
    run = RunFolder(tmp_path / "demo")
    assert run.steps() == [0]
    assert list(run.checkpoints_path.iterdir()) == [run.checkpoint_path(0)]


def test_a_stop_waits_for_the_save_that_is_on_its_way(text, tmp_path, beside, monkeypatch):
    class Stopper(Opener):
        def stepped(self, result, tokens_per_second):
            if result.step == 5:
                os.kill(os.getpid(), signal.SIGINT)
                threading.Timer(0.2, self.gate.opened.set).start()
            Listener.stepped(self, result, tokens_per_second)

    with Gate(4).closed(monkeypatch) as gate, pytest.raises(Interrupted):
        train(text, tmp_path, Stopper(gate, 5, tmp_path / "demo"))
    assert RunFolder(tmp_path / "demo").steps() == [0, 4, 5]


def test_going_on_reaches_the_same_bits(text, tmp_path, beside, at_once):
    class Stopper(Listener):
        def stepped(self, result, tokens_per_second):
            if result.step == 7:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        train(text, tmp_path, Stopper())
    run = RunFolder(tmp_path / "demo")
    resume_run(run, Listener())
    assert saved(run)[12] == at_once[12]


def test_an_error_of_the_training_lets_the_save_end(text, tmp_path, beside, monkeypatch):
    class Failing(Opener):
        def stepped(self, result, tokens_per_second):
            if result.step == 5:
                threading.Timer(0.2, self.gate.opened.set).start()
                raise StorageError("the watcher fell over")

    with Gate(4).closed(monkeypatch) as gate, pytest.raises(StorageError, match="fell over"):
        train(text, tmp_path, Failing(gate, 5, tmp_path / "demo"))
    assert RunFolder(tmp_path / "demo").steps() == [0, 4]


def test_old_ones_go_only_when_the_new_one_is_there(text, tmp_path, beside, monkeypatch):
    with Gate(8).closed(monkeypatch) as gate:
        listener = Opener(gate, 10, tmp_path / "demo")
        run = train(text, tmp_path, listener, keep_last=1)
    assert 4 in listener.published and 8 not in listener.published
    assert 4 not in run.steps() or run.result()["best"]["step"] == 4


def test_notes_of_the_thread_are_told_by_the_run(text, tmp_path, beside, monkeypatch):
    """A delete that fails is heard of, and by the thread that trains."""
    real, mine = disk.rename, threading.get_ident()

    def rename(source: Path, target: Path) -> None:
        if source.name == "step-000004":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(source, target)

    heard = []

    class Hearing(Listener):
        def note(self, text):
            heard.append((text, threading.get_ident()))

    monkeypatch.setattr(disk, "rename", rename)
    train(text, tmp_path, Hearing(), keep_last=1)
    assert heard and all("an old checkpoint stays" in text for text, _ in heard)
    assert {who for _, who in heard} == {mine}


def test_memory_for_copies_that_is_not_there_does_not_end_a_run(
    text, tmp_path, beside, monkeypatch
):
    """It is asked for again by the save itself, whose error is that of any step."""

    def refused(self, name: str, n_bytes: int) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("can't allocate memory")
        real(self, name, n_bytes)

    real = saving.Tray.reserve
    monkeypatch.setattr(saving.Tray, "reserve", refused)
    assert train(text, tmp_path).result()["last"]["step"] == 12
