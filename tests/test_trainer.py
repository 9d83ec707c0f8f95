"""A run that is stopped anywhere, or replanned on the way, ends as if nothing had happened.

All signals are real ones to this very process. A resumed run is compared with an uninterrupted
one in all that a run leaves: log, samples, result, weights and optimizer, timing aside.
"""

import json
import math
import os
import signal
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from bardling import lesson, storage, trainer, workbench
from bardling.checkpoint import load_checkpoint
from bardling.divergence import go_back
from bardling.errors import Interrupted
from bardling.evaluation.validation import Validation
from bardling.machine.stop import SIGNALS
from bardling.pacing import Pace
from bardling.run import resume_run, start_run
from bardling.run_folder import RunFolder
from bardling.training import loop, rehearsal
from bardling.training.optimizers import Optimizers
from bardling.training.plan import Plan
from tiny import Listener, tiny_config, write_text

SETTINGS = {
    "dropout": 0.2, "accumulate": 2, "order": "shuffled", "n_layer": 1, "block_size": 8,
    "sample_tokens": 1,
}  # fmt: skip
TIMING = ("seconds", "tokens_per_second")


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    return write_text(tmp_path_factory.mktemp("trainer"), n_lines=30)


def train(text: Path, folder: Path, listener: Listener | None = None, **overrides) -> RunFolder:
    """Train in `folder`, and not fail when a signal stops the run."""
    run = RunFolder(folder / "demo")
    config = tiny_config(text, **(SETTINGS | overrides))
    with suppress(Interrupted):
        start_run(config, run, data_dir=None, watcher=listener or Listener())
    return run


def resume(run: RunFolder) -> Listener:
    listener = Listener()
    resume_run(run, listener)
    return listener


def outcome(run: RunFolder) -> dict:
    """Return all that a run leaves, timing aside."""
    result = run.result()
    last = load_checkpoint(run.checkpoint_path(result["last"]["step"]))
    return {
        "log": [{k: v for k, v in line.items() if k not in TIMING} for line in run.metrics()],
        "samples": run.samples_path.read_text(),
        "result": {k: v for k, v in result.items() if k not in TIMING},
        "plan": run.config().plan,
        "weights": {name: t.numpy().tobytes() for name, t in last.weights.items()},
        "optimizer": {name: t.numpy().tobytes() for name, t in last.optimizer.items()},
    }


@pytest.fixture(scope="module")
def whole(text, tmp_path_factory) -> dict:
    """Return what an uninterrupted run leaves."""
    return outcome(train(text, tmp_path_factory.mktemp("whole")))


def same(mine: dict, other: dict) -> None:
    for part in other:
        assert mine[part] == other[part], part


class Signals:
    """A function that sends a signal to this process when it is called for the n-th time."""

    def __init__(self, real, at: int, number: int = signal.SIGINT) -> None:
        self.real, self.at, self.number, self.calls = real, at, number, 0
        self.went_on = False

    def __call__(self, *args, **kwargs):
        self.calls += 1
        if self.calls == self.at:
            os.kill(os.getpid(), self.number)
            sum(range(1000))  # Python runs the handler between two of its instructions
            self.went_on = True
        return self.real(*args, **kwargs)

    def method(self):
        """Return it as a method, which wants to be a function."""
        return lambda *args, **kwargs: self(*args, **kwargs)


class StopsAt(Listener):
    """Sends a signal when it hears of a step, after which a late device has taken the next one."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def stepped(self, result, tokens_per_second):
        super().stepped(result, tokens_per_second)
        if result.step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_stop_says_where_it_stopped_how_to_go_on_and_which_signal_it_was(
    text, tmp_path, monkeypatch, number
):
    run = RunFolder(tmp_path / "demo")
    monkeypatch.setattr(
        Validation, "during_run", Signals(Validation.during_run, 2, number).method()
    )
    with pytest.raises(Interrupted) as caught:
        start_run(tiny_config(text), run, data_dir=None, watcher=Listener())
    assert caught.value.exit_code == 128 + number
    assert str(caught.value) == (
        f"stopped at step 4 of 12, saved; go on with: bardling train --resume {run.path}"
    )


@pytest.mark.parametrize(
    ("where", "call"),  # at step 0, on the way, at the last step
    [("losses", 1), ("losses", 2), ("losses", 4), ("sample", 3)],
)
def test_a_stop_during_a_validation_leaves_at_once_and_it_is_made_up_for(
    text, tmp_path, whole, where, call
):
    with pytest.MonkeyPatch.context() as patch:
        if where == "losses":
            signals = Signals(Validation.during_run, call)
            patch.setattr(Validation, "during_run", signals.method())
        else:
            signals = Signals(trainer.sample_text, call)
            patch.setattr(trainer, "sample_text", signals)
        run = train(text, tmp_path)
    assert signals.calls == call and not signals.went_on
    step = 4 * (call - 1)
    saved = [s for s in run.steps() if s]
    assert (saved[-1:] == [step]) if step else (run.steps() == [])
    assert [line for line in run.metrics() if line["step"] >= step] == []
    resumed = resume(run)
    assert [result.step for result in resumed.results] == list(range(step + 1, 13))
    assert [record["step"] for record in resumed.records] == list(range(step, 13, 4))
    same(outcome(run), whole)


@pytest.mark.parametrize("step", [4, 12])
def test_a_stop_in_the_step_before_a_validation_does_not_wait_for_it(text, tmp_path, whole, step):
    listener = StopsAt(step)
    run = train(text, tmp_path, listener)
    assert run.steps()[-1] == step
    assert [record["step"] for record in listener.records] == list(range(0, step, 4))
    assert load_checkpoint(run.checkpoint_path(step)).state.validated == step - 4
    resume(run)
    same(outcome(run), whole)


def test_a_validation_that_is_stopped_twice_is_made_up_for(text, tmp_path, whole):
    run = train(text, tmp_path, StopsAt(8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Validation, "during_run", Signals(Validation.during_run, 1).method())
        with pytest.raises(Interrupted, match="stopped at step 8 of 12, saved"):
            resume(run)
    resume(run)
    same(outcome(run), whole)


class Dies(Listener):
    """Ends the run, as a power cut would, when it hears of a step."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def stepped(self, result, tokens_per_second):
        if result.step == self.step:
            raise RuntimeError


def test_a_validation_that_is_made_up_for_twice_is_logged_once(text, tmp_path, whole):
    run = train(text, tmp_path, StopsAt(8))
    with pytest.raises(RuntimeError):
        resume_run(run, Dies(9))  # validated, logged, but never saved
    assert run.steps()[-1] == 8 and run.metrics()[-1]["step"] == 8
    resume(run)
    same(outcome(run), whole)


def test_retention_is_the_same_after_a_validation_made_up_for(text, tmp_path):
    settings = {"keep_last": 1, "lr": 3e-3, "dropout": 0.0}  # each validation is a new best
    assert train(text, tmp_path / "whole", **settings).steps() == [0, 12]
    run = train(text, tmp_path, StopsAt(12), **settings)
    resume(run)
    assert run.steps() == [0, 12]


def test_a_stop_while_the_whole_split_is_measured_leaves_at_once(text, tmp_path, whole):
    with pytest.MonkeyPatch.context() as patch:
        signals = Signals(Validation.whole, 1)
        patch.setattr(Validation, "whole", signals.method())
        run = train(text, tmp_path)
    assert not signals.went_on and run.result() is None and run.steps()[-1] == 12
    resumed = resume(run)
    assert resumed.results == [] and resumed.records == []
    same(outcome(run), whole)


def test_a_quick_step_is_finished_and_saved(text, tmp_path, whole, monkeypatch):
    with pytest.MonkeyPatch.context() as patch:
        signals = Signals(lesson.pretraining_loss, 2 * 5 + 1)  # two parts a step
        patch.setattr(lesson, "pretraining_loss", signals)
        run = train(text, tmp_path)
    assert signals.went_on and run.steps()[-1] == 6
    resume(run)
    same(outcome(run), whole)


@pytest.mark.parametrize(("done", "part"), [(0, 1), (4, 0), (5, 1)])  # parts of a batch
def test_a_slow_step_is_left_unfinished(text, tmp_path, whole, done, part):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "SLOW_STEP_SECONDS", -1.0)
        signals = Signals(lesson.pretraining_loss, 2 * done + part + 1)
        patch.setattr(lesson, "pretraining_loss", signals)
        listener = Listener()
        run = train(text, tmp_path, listener)
    assert not signals.went_on
    assert [result.step for result in listener.results] == list(range(1, done + 1))
    assert run.steps()[-1] == done
    resume(run)
    same(outcome(run), whole)


@pytest.mark.parametrize("done", [0, 5])
def test_a_first_step_is_left_unfinished_since_nobody_knows_how_long_it_takes(
    text, tmp_path, whole, done
):
    run = train(text, tmp_path, StopsAt(done))
    with pytest.MonkeyPatch.context() as patch:
        signals = Signals(lesson.pretraining_loss, 2)  # the second part of the first batch
        patch.setattr(lesson, "pretraining_loss", signals)
        if done:
            with pytest.raises(Interrupted, match=f"stopped at step {done} of 12, saved"):
                resume(run)
        else:
            run = train(text, tmp_path / "fresh")
    assert signals.calls == 2 and not signals.went_on
    assert run.steps()[-1] == done
    resume(run)
    same(outcome(run), whole)


class TornStep:
    """`Optimizers.step` with a signal before its first member moves, or before its last does."""

    def __init__(self, at: int, member: int) -> None:
        self.at, self.member, self.calls, self.real = at, member, 0, Optimizers.step

    def method(self):
        def step(optimizers: Optimizers) -> None:
            self.calls += 1
            if self.calls != self.at:
                return self.real(optimizers)
            ask = optimizers.members[self.member].register_step_pre_hook(
                lambda *_: os.kill(os.getpid(), signal.SIGINT)
            )  # after the trainer's own hook
            self.real(optimizers)
            ask.remove()

        return step


@pytest.fixture(scope="module")
def whole_muon(text, tmp_path_factory) -> dict:
    """Return what an uninterrupted run with two optimizers leaves."""
    return outcome(train(text, tmp_path_factory.mktemp("muon"), optimizer="muon"))


@pytest.mark.parametrize(("optimizer", "member"), [("adamw", 0), ("muon", 0), ("muon", 1)])
def test_an_optimizer_that_has_begun_its_step_ends_it(
    text, tmp_path, whole, whole_muon, optimizer, member
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "SLOW_STEP_SECONDS", -1.0)
        torn = TornStep(6, member)
        patch.setattr(Optimizers, "step", torn.method())
        run = train(text, tmp_path, optimizer=optimizer)
    assert torn.calls == 6 and run.steps()[-1] == 6
    resume(run)
    same(outcome(run), {"adamw": whole, "muon": whole_muon}[optimizer])


def test_an_optimizer_that_has_not_begun_its_step_does_not_begin_it(text, tmp_path, whole):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "SLOW_STEP_SECONDS", -1.0)
        signals = Signals(Optimizers.step, 6)
        patch.setattr(Optimizers, "step", signals.method())
        run = train(text, tmp_path)
    assert not signals.went_on and run.steps()[-1] == 5
    resume(run)
    same(outcome(run), whole)


TIMED = {"budget": "100s", "eval_interval_steps": 0}
PLANNED = Plan(total_steps=12, eval_interval=4)
REPLANNED = PLANNED.replanned(7, 20)


def forecast(patch: pytest.MonkeyPatch, *, slips: bool) -> None:
    """Plan 12 steps for a budget in time and, where that `slips`, 20 when seven are done."""
    patch.setattr(rehearsal, "LEAST_SECONDS", 0.0)
    patch.setattr(rehearsal, "LEAST_STEPS", 1)
    patch.setattr(Pace, "first_plan", lambda *_: PLANNED)

    def better_plan(self, plan, step, **_):
        return plan.replanned(step, 20) if step == 7 and not plan.earlier else None

    patch.setattr(Pace, "better_plan", better_plan if slips else lambda *_, **__: None)


@pytest.fixture
def slips(monkeypatch):
    forecast(monkeypatch, slips=True)


class HearsPlans(Listener):
    def __init__(self) -> None:
        super().__init__()
        self.plans: list[int] = []

    def replanned(self, total_steps: int) -> None:
        self.plans.append(total_steps)


@pytest.fixture(scope="module")
def replanned(text, tmp_path_factory) -> dict:
    """Return what an uninterrupted run leaves whose steps were counted anew."""
    listener = HearsPlans()
    with pytest.MonkeyPatch.context() as patch:
        forecast(patch, slips=True)
        run = train(text, tmp_path_factory.mktemp("replanned"), listener, **TIMED)
    assert listener.plans == [20]
    return outcome(run)


def test_a_run_is_replanned_once_and_its_config_says_so(replanned):
    assert replanned["plan"] == REPLANNED and replanned["result"]["last"]["step"] == 20
    validated = [line["step"] for line in replanned["log"] if "val_loss" in line]
    assert validated == [0, 4, 8, 12, 16, 20]
    rates = [line["lr"] for line in replanned["log"][1:]]
    assert len(rates) == 20
    falls = [before - after for before, after in pairwise(rates[1:])]
    assert falls[:5] == pytest.approx([falls[0]] * 5)
    assert falls[6:] == pytest.approx([falls[6]] * 12)
    assert falls[0] / falls[6] == pytest.approx((20 - 7) / (12 - 7))


@pytest.mark.parametrize("step", [9, 12])  # 12 was to be the last one
def test_a_replanned_run_is_resumed_bit_for_bit(text, tmp_path, slips, replanned, step):
    run = train(text, tmp_path, StopsAt(step), **TIMED)
    assert run.steps()[-1] == step
    resume(run)
    same(outcome(run), replanned)


def far_off(patch: pytest.MonkeyPatch) -> None:
    """Plan 12 steps, find 20 when seven are done, and 24 with other validations after 14."""
    forecast(patch, slips=False)
    found = {7: (20, 4), 14: (24, 5)}

    def better_plan(self, plan, step, **_):
        return plan.replanned(step, *found[step]) if step in found else None

    patch.setattr(Pace, "better_plan", better_plan)


def test_a_run_that_was_replanned_twice_is_resumed_bit_for_bit(text, tmp_path, monkeypatch):
    far_off(monkeypatch)
    listener = HearsPlans()
    expected = outcome(train(text, tmp_path / "whole", listener, **TIMED))
    assert listener.plans == [20, 24]
    assert expected["plan"] == PLANNED.replanned(7, 20).replanned(14, 24, 5)
    validated = [line["step"] for line in expected["log"] if "val_loss" in line]
    assert validated == [0, 4, 8, 12, 15, 20, 24]

    run = train(text, tmp_path / "parts", StopsAt(15), **TIMED)
    for step in [step for step in run.steps() if step > 4]:  # and an early checkpoint is the last
        storage.remove_folder(run.checkpoint_path(step))
    resume(run)
    same(outcome(run), expected)


def test_a_run_that_went_back_behind_a_change_is_replanned_from_there(text, tmp_path, monkeypatch):
    forecast(monkeypatch, slips=False)
    found, looks = iter([(20, 4), (24, 5)]), []

    def better_plan(self, plan, step, **_):
        return plan.replanned(step, *next(found)) if step == 7 else None

    real, bad = loop._move, iter([False] * 8 + [True] * 3 + [False] * 99)

    def move(learner, losses, clip_norm):
        return real(learner, [x * math.nan for x in losses] if next(bad) else losses, clip_norm)

    monkeypatch.setattr(Pace, "better_plan", better_plan)
    monkeypatch.setattr(Pace, "look_again", lambda self: looks.append(self))
    monkeypatch.setattr(loop, "_move", move)
    monkeypatch.setattr(trainer, "go_back", partial(back_to, 4))
    run = train(text, tmp_path, retreats=1, **TIMED)
    assert run.config().plan == PLANNED.replanned(7, 24, 5)
    assert run.result()["last"]["step"] == 24 and len(looks) == 1


def back_to(step, bench, run, state, error):
    """Go back to that step, as if what came after it had not been good."""
    for later in [later for later in run.steps() if later > step]:
        storage.remove_folder(run.checkpoint_path(later))
    return go_back(bench, run, state, error)


def test_a_replanned_run_that_is_killed_before_its_next_checkpoint_keeps_its_plan(
    text, tmp_path, slips, replanned
):

    run = RunFolder(tmp_path / "demo")
    config = tiny_config(text, **(SETTINGS | TIMED))
    with pytest.raises(RuntimeError):
        start_run(config, run, data_dir=None, watcher=Dies(8))
    assert run.steps()[-1] == 4 and run.config().plan == REPLANNED
    resume(run)
    same(outcome(run), replanned)


def test_a_resumed_run_keeps_its_steps_whatever_the_time(text, tmp_path, slips):
    run = train(text, tmp_path, StopsAt(5), **TIMED)
    resume(run)
    assert run.config().plan == PLANNED
    assert run.result()["last"]["step"] == 12


def test_a_budget_in_time_that_is_stopped_before_its_first_checkpoint(
    text, tmp_path, monkeypatch, whole
):
    forecast(monkeypatch, slips=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Validation, "during_run", Signals(Validation.during_run, 1).method())
        run = train(text, tmp_path, **TIMED)
    assert run.config().total_steps == 12 and run.steps() == []
    resume(run)
    same(outcome(run), whole)


def test_a_stop_while_costs_are_measured_leaves_at_once_with_nothing_decided(
    text, tmp_path, monkeypatch
):
    forecast(monkeypatch, slips=False)
    signals = Signals(lesson.pretraining_loss, 3)
    monkeypatch.setattr(lesson, "pretraining_loss", signals)
    run = RunFolder(tmp_path / "demo")
    config = tiny_config(text, **(SETTINGS | TIMED))
    with pytest.raises(Interrupted, match="stopped before the first step; go on with"):
        start_run(config, run, data_dir=None, watcher=Listener())
    assert not signals.went_on
    assert json.loads(run.config_path.read_text())["total_steps"] == 0
    assert run.steps() == [] and run.metrics() == []
    resume(run)
    assert run.result()["last"]["step"] == 12


def test_a_stop_during_the_quick_checks_leaves_at_once(text, tmp_path, whole):
    with pytest.MonkeyPatch.context() as patch:
        signals = Signals(workbench.quick_checks, 1)
        patch.setattr(workbench, "quick_checks", signals)
        run = train(text, tmp_path, quick_checks=True)
    assert signals.calls == 1 and not signals.went_on
    assert run.steps() == [] and run.metrics() == []
    resume(run)
    same(outcome(run), whole)


def test_the_time_of_the_quick_checks_is_gone_when_the_steps_of_a_budget_are_counted(
    text, tmp_path, monkeypatch
):
    forecast(monkeypatch, slips=False)
    heard = []
    monkeypatch.setattr(workbench, "quick_checks", lambda *_, **__: heard.append("checks") or [])
    monkeypatch.setattr(Pace, "first_plan", lambda *_: heard.append("plan") or PLANNED)
    train(text, tmp_path, quick_checks=True, **TIMED)
    assert heard == ["checks", "plan"]


@pytest.mark.parametrize("newest_is_best", [True, False])
def test_the_pace_hears_whether_the_newest_validation_is_the_best(
    text, tmp_path, monkeypatch, newest_is_best
):
    forecast(monkeypatch, slips=False)
    heard = {}

    def better_plan(self, plan, step, *, newest_is_best):
        heard[step] = newest_is_best

    losses = iter([3.0, 2.0, 1.0 if newest_is_best else 2.0, 4.0])
    real = Validation.during_run
    monkeypatch.setattr(Pace, "better_plan", better_plan)
    monkeypatch.setattr(
        Validation,
        "during_run",
        lambda self, model: (
            [replace(found, loss=next(losses)) for found in real(self, model)[:1]] * 2
        ),
    )
    train(text, tmp_path, **TIMED)
    assert [heard[step] for step in (3, 7, 11, 12)] == [True, True, newest_is_best, False]


def test_the_loss_scale_of_fp16_goes_on_after_a_stop(text, tmp_path):
    expected = train(text, tmp_path / "whole", precision="fp16")
    run = train(text, tmp_path, StopsAt(6), precision="fp16")
    resume(run)
    scales = [load_checkpoint(r.checkpoint_path(12)).state.loss_scale for r in (run, expected)]
    assert scales[0] == scales[1]
    assert scales[0]["_growth_tracker"] > 6  # good steps in a row, before and after the stop
    same(outcome(run), outcome(expected))


def test_threads_and_exactness_hold_during_a_run_only(text, tmp_path, monkeypatch):
    def now() -> tuple[int, bool]:
        return torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()

    inside, threads = set(), torch.get_num_threads()
    real = lesson.pretraining_loss
    monkeypatch.setattr(lesson, "pretraining_loss", lambda *args: inside.add(now()) or real(*args))
    torch.set_num_threads(2)  # the run itself on one: two wait for each other where others work
    try:
        train(text, tmp_path, StopsAt(1), threads=1)
        assert inside == {(1, True)} and now() == (2, False)
    finally:
        torch.set_num_threads(threads)
