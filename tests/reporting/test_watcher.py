"""The base watcher hears everything and says nothing."""

import inspect

import pytest

from bardling.reporting.console import LiveConsole, PlainConsole
from bardling.reporting.watcher import RunFacts, Watcher
from bardling.training.step import StepResult


def test_silence(capsys):
    facts = RunFacts(
        name="a", corpus="b", train_tokens=1, val_tokens=1, vocab_size=2, parameters=1, decayed=1,
        start_step=0, total_steps=1, batch_tokens=1, val_subset_tokens=None,
    )  # fmt: skip
    step = StepResult(step=1, loss=1.0, grad_norm=1.0, lr=1.0, tokens=1, applied=True)
    watcher = Watcher()
    with watcher as ears:
        assert ears is watcher
        ears.note("anything")
        ears.started(facts)
        ears.stepped(step, 1.0)
        ears.validated({"step": 1}, best=True)
        ears.finished({"stopped": "budget"}, "runs/a")
    assert capsys.readouterr() == ("", "")


def test_errors_pass_through():
    with pytest.raises(ZeroDivisionError), Watcher():
        _ = 1 / 0


@pytest.mark.parametrize("kind", [PlainConsole, LiveConsole])
def test_every_watcher_hears_what_the_base_hears(kind):
    for name, method in inspect.getmembers(Watcher, inspect.isfunction):
        theirs = getattr(kind, name)
        if name != "__init__":
            assert inspect.signature(theirs).parameters.keys() == (
                inspect.signature(method).parameters.keys()
            ), name
