"""Out of memory: the same batches in smaller parts, the same run, and one sentence at the end."""

import pytest
import torch

from bardling import lesson
from bardling.errors import OutOfMemory
from bardling.run import resume_run, start_run
from bardling.run_folder import RunFolder
from tiny import Listener, tiny_config, write_text


@pytest.fixture
def text(tmp_path):
    return write_text(tmp_path, n_lines=60)


def limited(real, most_rows, error, *, after=0):
    """Return an objective that has memory for so many rows, once it was called a few times."""
    calls = [0]

    def objective(model, batch):
        calls[0] += 1
        if calls[0] > after and len(batch.inputs) > most_rows:
            raise error
        return real(model, batch)

    return objective


def train(text, name, listener=None, **overrides):
    run = RunFolder(text.parent / "runs" / name)
    listener = listener or Listener()
    start_run(tiny_config(text, **overrides), run, data_dir=None, watcher=listener)
    return run


def losses(run):
    return [record["loss"] for record in run.metrics() if record.get("loss") is not None]


ERRORS = (
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
    MemoryError(),
)


@pytest.mark.parametrize("error", ERRORS, ids=["gpu", "processor", "python"])
def test_batches_are_taken_in_smaller_parts(text, monkeypatch, error):
    whole = train(text, "whole")
    monkeypatch.setattr(
        lesson, "pretraining_loss", limited(lesson.pretraining_loss, 2, error, after=5)
    )
    listener = Listener()
    run = train(text, "parts", listener)
    assert run.config().training.accumulate == 4
    assert [note.split(":")[0] for note in listener.notes] == ["out of memory"] * 2
    assert "in 4 parts from now on, 2 sequences at a time" in listener.notes[1]
    assert losses(run) == pytest.approx(losses(whole), rel=1e-4)
    assert run.result()["last"]["step"] == 12


def test_what_was_added_up_of_a_lost_step_is_let_go(text, monkeypatch):
    whole = train(text, "whole", accumulate=2)
    real, calls = lesson.pretraining_loss, [0]

    def second_part_of_third_step(model, batch):
        calls[0] += 1
        if calls[0] == 6:
            raise MemoryError
        return real(model, batch)

    monkeypatch.setattr(lesson, "pretraining_loss", second_part_of_third_step)
    run = train(text, "parts", accumulate=2)
    assert run.config().training.accumulate == 4
    assert losses(run) == pytest.approx(losses(whole), rel=1e-4)


def test_a_run_that_was_cut_goes_on_so(text, monkeypatch):
    class Stops(Listener):
        def stepped(self, result, rate):
            super().stepped(result, rate)
            if result.step == 9:
                raise RuntimeError("killed")

    real = lesson.pretraining_loss
    objective = limited(real, 2, MemoryError(), after=6)
    monkeypatch.setattr(lesson, "pretraining_loss", objective)
    uninterrupted = train(text, "whole")
    objective = limited(real, 2, MemoryError(), after=6)
    monkeypatch.setattr(lesson, "pretraining_loss", objective)
    with pytest.raises(RuntimeError, match="killed"):
        train(text, "stopped", Stops())
    run = RunFolder(text.parent / "runs" / "stopped")
    resume_run(run, Listener())
    assert losses(run) == losses(uninterrupted)


def test_a_single_sequence_that_does_not_fit_is_one_sentence(text, monkeypatch):
    monkeypatch.setattr(
        lesson, "pretraining_loss", limited(lesson.pretraining_loss, 0, MemoryError())
    )
    with pytest.raises(OutOfMemory, match=r"shorter context \(--block-size, now 16\), then a narr"):
        train(text, "none")


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_step_that_was_begun_is_not_taken_twice(text, monkeypatch, optimizer):
    def step(self, closure=None):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.optim.AdamW, "step", torch.optim.Optimizer.profile_hook_step(step))
    with pytest.raises(OutOfMemory, match="ran out while the weights were moved"):
        train(text, "torn", optimizer=optimizer)
    assert RunFolder(text.parent / "runs" / "torn").config().training.accumulate == 1


def test_another_error_is_no_want_of_memory(text, monkeypatch):
    monkeypatch.setattr(
        lesson, "pretraining_loss", limited(lesson.pretraining_loss, 0, RuntimeError("odd"))
    )
    with pytest.raises(RuntimeError, match="odd"):
        train(text, "none")


def test_a_budget_in_time_is_rehearsed_in_parts_that_fit(text, monkeypatch):
    monkeypatch.setattr(
        lesson, "pretraining_loss", limited(lesson.pretraining_loss, 4, MemoryError())
    )
    run = train(text, "timed", budget="4s")
    assert run.config().training.accumulate == 2 and run.result()["stopped"] == "budget"
