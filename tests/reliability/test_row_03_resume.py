"""A run that was stopped and gone on with is the one that nobody stopped, bit for bit.

Every part is taken by a new process. Epochs end with a batch here, which is one of the places to
stop at; how a batch crosses from one epoch into the next is left to same_result/test_resume.py.
"""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from promises import Protection

import bardling
from bardling.data.token_folder import open_split
from bardling.run_folder import RunFolder
from resuming import STOPPED, Sitting, compare_logs, compare_results, compare_weights, last, sit
from tiny import write_text

STEPS, EPOCH, BATCH = 20, 12, 6
STOPS = {
    "first": 1,
    "mid-epoch": 7,
    "epoch end": EPOCH,
    "epoch end + 1": EPOCH + 1,
    "last but one": 19,
}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "adamw": {"optimizer": "adamw"},
    "muon": {"optimizer": "muon"},
    "sgd": {"optimizer": "sgd", "momentum": 0.9, "lr": 0.1},
}
SCHEDULES = ("cosine", "linear", "constant")
COMMON: dict[str, Any] = {
    "n_layer": 1, "batch_size": BATCH, "accumulate": 4, "budget": f"{STEPS}steps",
    "eval_interval_steps": 5, "precision": "fp32", "compile": "off", "quick_checks": False,
}  # fmt: skip
WAYS = {
    f"{optimizer}-{schedule}": COMMON | OPTIMIZERS[optimizer] | {"schedule": schedule}
    for optimizer, schedule in product(OPTIMIZERS, SCHEDULES)
}
# Too high a rate: validations grow worse from the first on, and gradients beyond what fp16 holds.
EARLY = COMMON | {
    "optimizer": "sgd", "momentum": 0.9, "lr": 2.0, "schedule": "constant", "clip_norm": 0.0,
    "warmup_fraction": 0.0, "eval_interval_steps": 4, "patience": 3, "precision": "fp16",
}  # fmt: skip

Case = tuple[str, int]
"""The name of a way, and the step after which it is stopped."""

FEW: list[Case] = [("adamw-cosine", 7), ("muon-linear", EPOCH), ("sgd-constant", EPOCH + 1)]
ALL: list[Case] = [*product(WAYS, STOPS.values())]

PROTECTIONS = (
    Protection(
        file="training/optimizers.py",
        line="for full_name, tensor in tensors.items():",
        broken="for full_name, tensor in ():",
        test="test_a_run_that_goes_on_is_the_one_that_nobody_stopped",
    ),
    Protection(
        file="workbench.py",
        line="self.machine.device, self.machine.precision, stood)",
        broken="self.machine.device, self.machine.precision)",
        test="test_a_run_that_goes_on_is_the_one_that_nobody_stopped",
    ),
    Protection(
        file="trainer.py",
        line="replace(checkpoint.state, conditions=conditions)",
        broken="replace(checkpoint.state, conditions=conditions, validations_since_best=0)",
        test="test_a_run_that_goes_on_is_the_one_that_nobody_stopped",
    ),
)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return write_text(tmp_path, n_lines=40)


def differing(folder: Path, cases: list[Case]) -> list[str]:
    """Return the runs that are not the same as the ones that nobody stopped."""
    found = []
    for way, stop in cases:
        try:
            for compare in (compare_weights, compare_logs, compare_results):
                compare(folder, f"{way}-{stop}", way)
        except AssertionError as error:
            found.append(f"{way} stopped at {stop}: {error}")
    return found


@pytest.mark.parametrize(
    ("cases", "early"),
    [(FEW, [6]), pytest.param(ALL, [1, 4, 6, 11], marks=pytest.mark.sweep)],
    ids=["few", "all"],
)
def test_a_run_that_goes_on_is_the_one_that_nobody_stopped(text, cases, early, record_property):
    folder, ways = text.parent, WAYS | {"early": EARLY}
    stopped = [*cases, *(("early", step) for step in early)]
    wholes = dict.fromkeys(way for way, _ in stopped)
    begun = [Sitting(name=way, settings=ways[way]) for way in wholes]
    begun += [Sitting(name=f"{w}-{stop}", stop=stop, settings=ways[w]) for w, stop in stopped]
    assert sit(text, folder, begun) == [0] * len(wholes) + [STOPPED] * len(stopped)
    left = [Sitting(name=f"{way}-{stop}") for way, stop in stopped]
    assert sit(text, folder, left) == [0] * len(left)
    assert differing(folder, stopped) == []
    require_provoked(folder, cases[0][0])
    record_property(
        "measured",
        f"{len(cases)} of {len(cases)} bit-equal, and {len(early)} of {len(early)} in fp16 that "
        "stop early",
    )


def require_provoked(folder: Path, way: str) -> None:
    """Find that an epoch ends at its step, and that there was a scale and a patience to lose."""
    run = bardling.load(folder / way)
    tokens = open_split(run.folder.tokens_path, "train", run.tokenizer)
    assert (len(tokens) - 1) // 16 == EPOCH * BATCH
    early = last(RunFolder(folder / "early"))
    assert early.state.step == 12 and early.state.validations_since_best == 3
    assert early.state.loss_scale["scale"] < 65536.0


@pytest.mark.sweep
def test_nor_do_a_second_and_a_third_stop_change_anything(text):
    folder, ways = text.parent, [way for way in WAYS if way.endswith("cosine")]
    begun = [Sitting(name=way, settings=WAYS[way]) for way in ways]
    begun += [Sitting(name=f"{way}-17", stop=5, settings=WAYS[way]) for way in ways]
    assert sit(text, folder, begun) == [0] * len(ways) + [STOPPED] * len(ways)
    for stop in (EPOCH, 17):
        again = [Sitting(name=f"{way}-17", stop=stop) for way in ways]
        assert sit(text, folder, again) == [STOPPED] * len(ways)
    assert sit(text, folder, [Sitting(name=f"{way}-17") for way in ways]) == [0] * len(ways)
    assert differing(folder, [(way, 17) for way in ways]) == []
