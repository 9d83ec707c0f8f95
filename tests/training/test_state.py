"""Where a run stands, step by step and validation by validation."""

import dataclasses
import json

import pytest

from bardling.errors import CheckpointError
from bardling.machine.conditions import Conditions
from bardling.training.state import RunState, finite
from bardling.training.step import TakenStep

CONDITIONS = Conditions(
    device="cpu", processor="AVX2", precision="fp32", compiled=False, threads=2, torch="2.13.0"
)
START = RunState(conditions=CONDITIONS)
NAN, INFINITY = float("nan"), float("inf")


def after(*losses: float) -> RunState:
    """Return the state after validations at steps 0, 1, 2, ..."""
    state = START
    for step, loss in enumerate(losses):
        state = dataclasses.replace(state, step=step).after_validation(loss)
    return state


def test_a_step_counts_its_tokens_and_seconds_and_waits_for_nothing():
    taken = TakenStep(step=8, tokens=96, read=lambda: 1 / 0, here=False)
    before = dataclasses.replace(START, step=7, tokens=700, seconds=1.25)
    state = before.after_step(taken, 0.5)
    assert state == dataclasses.replace(before, step=8, tokens=796, seconds=1.75)
    assert state.place == {"step": 8, "tokens": 796, "seconds": 1.75}


def test_seconds_are_written_to_the_millisecond():
    assert dataclasses.replace(START, seconds=1.23456).place["seconds"] == 1.235


@pytest.mark.parametrize(
    ("losses", "best_step", "best", "waited"),
    [
        ((3.0,), 0, 3.0, 0),
        ((3.0, 2.0), 1, 2.0, 0),
        ((3.0, 2.0, 2.5), 1, 2.0, 1),
        ((3.0, 2.0, 2.0), 1, 2.0, 1),  # a tie is no new best
        ((3.0, 2.0, 2.0, 2.0), 1, 2.0, 2),
        ((3.0, 2.5, 2.6, 2.4), 3, 2.4, 0),
        ((NAN,), 0, None, 1),
        ((NAN, 5.0), 1, 5.0, 0),
        ((3.0, NAN), 0, 3.0, 1),
        ((3.0, -INFINITY), 0, 3.0, 1),
        ((3.0, INFINITY, NAN), 0, 3.0, 2),
    ],
)
def test_the_best_and_how_long_ago_it_was(losses, best_step, best, waited):
    state = after(*losses)
    assert (state.best_step, state.best_val_loss) == (best_step, best)
    assert state.validations_since_best == waited
    assert state.val_loss == finite(losses[-1])


def test_a_validation_leaves_the_counts_alone():
    before = dataclasses.replace(START, step=4, tokens=9, seconds=2.0)
    assert before.after_validation(1.0).place == before.place


def test_json_and_back():
    state = after(3.0, NAN, 2.0)
    assert RunState.from_json(json.loads(json.dumps(dataclasses.asdict(state)))) == state


@pytest.mark.parametrize("values", [None, [], {}, {"threads": 1}, {"stepp": 1}, "state"])
def test_json_that_is_none(values):
    with pytest.raises(CheckpointError, match=r"state\.json does not say where a run stood"):
        RunState.from_json(values)


OLD = {
    "threads": 2, "torch_version": "2.13.0+cpu", "step": 8, "tokens": 96, "seconds": 1.25,
    "val_loss": 2.5, "best_step": 4, "best_val_loss": 2.25, "validations_since_best": 1,
    "failures": 0, "optimizer_groups": [{"lr": 0.1}],
}  # fmt: skip


def test_a_run_from_before_there_were_conditions():
    state = RunState.from_json(OLD)
    assert state == RunState(
        conditions=None, step=8, tokens=96, seconds=1.25, val_loss=2.5, best_step=4,
        best_val_loss=2.25, validations_since_best=1,
        validated=8,  # then, a step was never saved before it was validated
    )  # fmt: skip
    assert (state.latest, state.loss_scale) == ({}, {})


def test_finite():
    assert finite(1.5) == 1.5 and finite(-0.0) == 0.0
    assert finite(NAN) is None and finite(INFINITY) is None and finite(-INFINITY) is None
