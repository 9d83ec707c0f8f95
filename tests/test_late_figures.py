"""A run whose device is not waited for leaves what any other leaves, wherever it is stopped."""

from dataclasses import replace
from pathlib import Path

import pytest

from bardling import workbench
from bardling.training.learner import build_learner
from test_trainer import StopsAt, outcome, resume, same, train
from tiny import Listener, write_text


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    return write_text(tmp_path_factory.mktemp("late"), n_lines=30)


@pytest.fixture(scope="module")
def whole(text, tmp_path_factory) -> dict:
    """Return what a run leaves that looks before it steps."""
    return outcome(train(text, tmp_path_factory.mktemp("whole")))


@pytest.fixture
def late(monkeypatch):
    """Let the processor work as a device that is not waited for."""
    monkeypatch.setattr(
        workbench, "build_learner", lambda *given: replace(build_learner(*given), late=True)
    )


@pytest.mark.usefixtures("late")
def test_it_leaves_the_same(text, tmp_path, whole):
    listener = Listener()
    same(outcome(train(text, tmp_path, listener)), whole)
    assert [result.step for result in listener.results] == list(range(1, 13))


@pytest.mark.usefixtures("late")
@pytest.mark.parametrize("step", [1, 3, 4, 6, 11])
def test_it_goes_on_from_where_it_was_stopped(text, tmp_path, whole, step):
    run = train(text, tmp_path, StopsAt(step))
    assert not run.result_path.exists()
    resume(run)
    same(outcome(run), whole)
