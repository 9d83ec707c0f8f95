"""A loss or a gradient that is not finite never reaches the weights, and never a checkpoint."""

import json
import math
from pathlib import Path

import pytest
import torch
from promises import Protection

import bardling
from bardling.checkpoint import load_checkpoint
from bardling.errors import TrainingDiverged
from bardling.run_folder import RunFolder
from bardling.training import loop
from tiny import SETTINGS, Listener, write_text
from together import together

BAD = {"NaN": math.nan, "infinity": math.inf, "minus infinity": -math.inf}
NO_STEP = "if applied:\n        learner.optimizers.step()"

PROTECTIONS = (
    Protection(
        file="training/loop.py",
        line=NO_STEP,
        broken="learner.optimizers.step()",
        test="test_a_bad_step_changes_nothing_and_is_told",
    ),
    Protection(
        file="training/loop.py",
        line="loss, length = learner.machine.team.total(sum(loss.item() for loss in losses)), "
        "norm.item()",
        broken="loss, length = sum(loss.item() for loss in losses), norm.item()",
        test="test_of_two_processes_both_decide_alike",
    ),
)


@pytest.fixture
def text(tmp_path) -> Path:
    return write_text(tmp_path, n_lines=60)


def poison(monkeypatch, steps: set[int], where: str, value: float) -> None:
    """Let loss or one number of the gradient be `value` in some steps."""
    real, seen = loop._accumulate, iter(range(1, 1000))

    def accumulate(learner, *words):
        losses, n_targets = real(learner, *words)
        if next(seen) in steps:
            if where == "loss":
                losses[0] = losses[0] * value
            else:
                learner.parameters[-1].grad.view(-1)[0] = value
        return losses, n_targets

    monkeypatch.setattr(loop, "_accumulate", accumulate)


class Weighs(Listener):
    """Keeps the weights after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = []

    def stepped(self, result, tokens_per_second):
        super().stepped(result, tokens_per_second)
        model = self.trainer.bench.learner.model
        self.weights.append([p.detach().clone() for p in model.parameters()])


@pytest.fixture
def ears(monkeypatch) -> Weighs:
    from bardling import trainer

    ears, real = Weighs(), trainer.Trainer.train

    def train(self):
        ears.trainer = self
        real(self)

    monkeypatch.setattr(trainer.Trainer, "train", train)
    return ears


@pytest.mark.parametrize("where", ["loss", "gradient"])
@pytest.mark.parametrize("value", BAD.values(), ids=BAD.keys())
def test_a_bad_step_changes_nothing_and_is_told(
    text, tmp_path, monkeypatch, ears, where, value, record_property
):
    poison(monkeypatch, {5, 6}, where, value)
    run = bardling.train(text, name="x", runs_dir=tmp_path, watcher=ears, **SETTINGS)
    for step in (5, 6):
        before, after = ears.weights[3], ears.weights[step - 1]
        assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(before, ears.weights[6], strict=True))
    assert [r.applied for r in ears.results] == [s not in (5, 6) for s in range(1, 13)]
    assert [n for n in ears.notes if "not finite, not applied" in n] == [
        f"step {step}: loss or gradient not finite, not applied" for step in (5, 6)
    ]
    found = {line["step"]: line for line in run.metrics()}
    assert found[5]["loss" if where == "loss" else "grad_norm"] is None
    finite(RunFolder(tmp_path / "x"))
    record_property("measured", f"{value} in a {where}: weights as before")


def finite(run: RunFolder) -> int:
    """Assert that every checkpoint is finite; return how many there are."""
    for step in run.steps():
        checkpoint = load_checkpoint(run.checkpoint_path(step))
        for tensors in (checkpoint.weights, checkpoint.optimizer):
            assert all(t.isfinite().all() for t in tensors.values())
    return len(run.steps())


def test_three_in_a_row_stop_the_run_and_name_the_last_good_checkpoint(text, tmp_path, monkeypatch):
    poison(monkeypatch, set(range(6, 100)), "gradient", math.nan)
    with pytest.raises(
        TrainingDiverged, match="steps 6 to 8; the weights are those of step 5"
    ) as e:
        bardling.train(text, name="x", runs_dir=tmp_path, **SETTINGS)
    assert str(tmp_path / "x/checkpoints/step-000004") in str(e.value)
    assert e.value.exit_code == 3
    assert finite(RunFolder(tmp_path / "x")) == 3
    assert RunFolder(tmp_path / "x").result()["stopped"] == "diverged"
    with pytest.raises(TrainingDiverged, match="x diverged at step 8, and would again"):
        bardling.train_config(None, resume=tmp_path / "x")


SCRIPT = """
import json, os, sys
import torch
import bardling
from bardling import trainer
from bardling.errors import TrainingDiverged
from bardling.training.learner import Learner
from tiny import SETTINGS, Listener

folder, where = sys.argv[2], sys.argv[3]
real, seen = Learner.backward, iter(range(1, 100))
BAD = {5, 6} if where != "forever" else set(range(6, 100))

def backward(self, batch, n_targets, *, last=True):
    step = next(seen)
    if os.environ["RANK"] == "1" and step in BAD and where != "loss":
        weight = next(self.model.parameters())
        handle = weight.register_hook(lambda grad: grad * float("nan"))
        loss = real(self, batch, n_targets, last=last)
        handle.remove()
        return loss
    loss = real(self, batch, n_targets, last=last)
    return loss * float("nan") if os.environ["RANK"] == "1" and step in BAD else loss

class Hears(Listener):
    pass

Learner.backward = backward
whole = trainer.Trainer._count
applied = []

def count(self, taken):
    applied.append(taken.result.applied)
    whole(self, taken)
    weights.append(sum(p.double().sum().item() for p in self.bench.learner.model.parameters()))

weights = []
trainer.Trainer._count = count
code = 0
try:
    bardling.train(sys.argv[1], name=where, runs_dir=folder, **(SETTINGS | {"optimizer": "adamw"}))
except TrainingDiverged as diverged:
    code = diverged.exit_code
print(json.dumps([code, applied, weights]))
"""


@pytest.mark.parametrize("where", ["loss", "gradient", "forever"])
def test_of_two_processes_both_decide_alike(text, tmp_path, where, record_property):
    said = together(SCRIPT, text, tmp_path, where)
    assert [code for code, _, _ in said] == [0, 0], said
    (one, other) = (json.loads(out) for _, out, _ in said)
    assert one == other
    code, applied, weights = one
    if where == "forever":
        assert code == 3 and applied == [True] * 5 + [False] * 3
    else:
        assert code == 0 and applied == [s not in (5, 6) for s in range(1, 13)]
        assert weights[3] == weights[4] == weights[5] != weights[6]
    assert finite(RunFolder(tmp_path / where)) >= 2
    record_property("measured", f"{where} on one of two processes: both as one")


def test_a_retreat_goes_on_from_the_last_good_checkpoint_at_half_the_rate(
    text, tmp_path, monkeypatch, ears, record_property
):
    real, bad = loop._move, iter([False] * 5 + [True] * 3 + [False] * 100)

    def move(learner, losses, clip_norm):
        if next(bad):
            losses = [loss * math.nan for loss in losses]
        return real(learner, losses, clip_norm)

    monkeypatch.setattr(loop, "_move", move)
    run = bardling.train(
        text,
        name="x",
        runs_dir=tmp_path,
        watcher=ears,
        retreats=1,
        **SETTINGS | {"budget": "16steps"},
    )
    assert [r.step for r in ears.results] == [*range(1, 9), *range(5, 17)]
    first, again = ears.results[4], ears.results[8]
    assert again.lr == first.lr / 2 and first.loss == again.loss
    assert [line["step"] for line in run.metrics()] == list(range(17))
    assert any("Back to step 4, and on at 0.5 of the rate" in note for note in ears.notes)
    states = [load_checkpoint(run.folder.checkpoint_path(s)).state for s in run.folder.steps()]
    assert [s.retreats for s in states] == [int(s.step > 4) for s in states]
    record_property("measured", "a retreat: back to step 4, on at half the rate, to the end")


def test_weights_that_are_not_finite_are_never_saved(text, tmp_path, monkeypatch, record_property):
    """A step may make them so from a loss and a gradient that are not."""
    from bardling.training.optimizers import Optimizers

    real, steps = Optimizers.step, iter(range(1, 100))

    def step(self, **words):
        real(self, **words)
        if next(steps) == 5:
            self.param_groups[0]["params"][0].data.view(-1)[0] = math.inf

    monkeypatch.setattr(Optimizers, "step", step)
    ears = Listener()
    with pytest.raises(TrainingDiverged, match=r"step-000004$"):
        bardling.train(
            text, name="x", runs_dir=tmp_path, watcher=ears,
            **SETTINGS | {"eval_interval_steps": 1, "kernels": "plain", "keep_last": 9},
        )  # fmt: skip
    told = [f"step {step} is not saved: its weights are not finite" for step in (5, 6, 7, 8)]
    assert [note for note in ears.notes if "not saved" in note] == told
    assert RunFolder(tmp_path / "x").steps() == list(range(5))
    assert finite(RunFolder(tmp_path / "x")) == 5
    record_property("measured", "0 checkpoints that are not finite")
