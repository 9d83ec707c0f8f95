"""Weights that are shared out: how much of them each process has, and that nothing else changes.

That two sharers end at the weights of one process is in tests/reliability/test_row_13_processes.py.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bardling.errors import ConfigError, UsageError
from bardling.machine.config import MachineConfig
from bardling.machine.machine import choose_machine
from bardling.machine.shards import here, part_of, sharing, whole
from bardling.machine.team import ALONE
from bardling.run import require_memory
from tiny import tiny_config, write_text
from together import together

HELD = """
import json, sys
import bardling
from bardling.machine.shards import here
from bardling.training.optimizers import Optimizers
from tiny import SETTINGS
settings = SETTINGS | {"parallel": "fsdp", "precision": "fp64", "optimizer": sys.argv[3]}
step, held = Optimizers.step, {}
def counted(self, **given):
    step(self, **given)
    for p, member in self.owners.items():
        held[id(p)] = [p.numel(), here(p).numel(), here(p.grad).numel()]
        held[id(p)] += [here(v).numel() for v in member.state[p].values() if v.dim()]
Optimizers.step = counted
bardling.train(sys.argv[1], name="x", runs_dir=sys.argv[2], **settings)
print(json.dumps(list(held.values())))
"""

BACK = """
import sys
import bardling
from bardling.training.learner import BatchLoss
from tiny import SETTINGS, Listener
settings = SETTINGS | {"parallel": "fsdp", "precision": "fp32", "optimizer": sys.argv[3]}
forward, calls = BatchLoss.forward, [0]
def spoilt(self, *given):
    calls[0] += 1
    return forward(self, *given) * (float("nan") if 6 <= calls[0] <= 8 else 1.0)
BatchLoss.forward = spoilt
ears = Listener()
run = bardling.train(
    sys.argv[1], name="x", runs_dir=sys.argv[2], retreats=1, watcher=ears, **settings
)
print(run.folder.result()["last"]["step"], ears.notes)
"""
BUDGET = """
import sys
import bardling
from tiny import SETTINGS
settings = SETTINGS | {"parallel": "fsdp", "budget": "4s", "eval_interval_steps": 0}
run = bardling.train(sys.argv[1], name="x", runs_dir=sys.argv[2], **settings)
print(run.config.total_steps, run.folder.result()["last"]["step"])
"""

SWITCH = """
import os, signal, sys
from pathlib import Path
import bardling
from bardling import trainer
from tiny import SETTINGS, Listener
sharing, real = [], trainer.Workbench
def seen(*given, **named):
    bench = real(*given, **named)
    sharing.append(bench.machine.team.sharing)
    return bench
trainer.Workbench = seen
class Stopper(Listener):
    def stepped(self, result, tokens_per_second):
        if result.step == 7:
            os.kill(os.getpid(), signal.SIGTERM)
ears = Listener()
try:
    bardling.train(
        sys.argv[1], name="x", runs_dir=sys.argv[2], watcher=Stopper(), parallel=sys.argv[3],
        **SETTINGS,
    )
except bardling.errors.Interrupted:
    run = Path(sys.argv[2]) / "x"
    config = bardling.load(run).config.with_overrides(parallel=sys.argv[4])
    bardling.train_config(config, resume=run, watcher=ears)
print("sharing", sharing, ears.notes)
"""


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    return write_text(tmp_path_factory.mktemp("shards"))


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_each_process_has_half_of_weights_gradients_and_memory(text, tmp_path, optimizer):
    said = together(HELD, text, tmp_path, optimizer)
    assert [(code, err) for code, _, err in said] == [(0, ""), (0, "")]
    mine, other = (json.loads(out) for _, out, _ in said)
    total = sum(numbers[0] for numbers in mine)
    for held in (mine, other):
        parts = [sum(numbers[i] for numbers in held) for i in (1, 2)]
        assert all(part == pytest.approx(total / 2, rel=0.05) for part in parts)
        assert all(memory == numbers[1] for numbers in held for memory in numbers[3:])
    assert all(a[0] == a[1] + b[1] for a, b in zip(mine, other, strict=True))


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_sharers_go_back_together_where_the_loss_stays_not_finite(text, tmp_path, optimizer):
    said = together(BACK, text, tmp_path, optimizer)
    assert [(code, err) for code, _, err in said] == [(0, ""), (0, "")]
    mine, other = (out.split(maxsplit=1) for _, out, _ in said)
    assert mine[0] == other[0] == "12"
    assert "Back to step 4, and on at 0.5 of the rate" in mine[1]


def test_a_budget_in_time_is_measured_by_sharers_too(text, tmp_path):
    said = together(BUDGET, text, tmp_path)
    assert [(code, err) for code, _, err in said] == [(0, ""), (0, "")]
    (mine, other) = (out.split() for _, out, _ in said)
    assert mine == other and mine[0] == mine[1] and int(mine[0]) > 2


@pytest.mark.parametrize(("first", "then"), [("ddp", "fsdp"), ("fsdp", "ddp")])
def test_a_run_may_go_on_with_the_other_way(text, tmp_path, first, then):
    said = together(SWITCH, text, tmp_path, first, then)
    assert [(code, err) for code, _, err in said] == [(0, ""), (0, "")]
    mine = said[0][1]
    assert f"sharing {[first == 'fsdp', then == 'fsdp']}" in mine
    assert f"parallel {first} before, {then} now" in mine


def test_alone_a_run_that_was_compiled_goes_on_whatever_is_asked():
    before = replace(choose_machine(MachineConfig(device="cpu"), train_seconds=1.0), compiled=True)
    for precision in ("bf16", "fp16"):
        conditions = replace(before, precision=precision).conditions
        for team in (ALONE, Sharer()):
            machine = choose_machine(
                MachineConfig(parallel="fsdp", device="cpu"),
                train_seconds=1.0,
                before=conditions,
                team=team,
            )
            assert not machine.compiled and machine.precision != "fp16"


def test_ordinary_tensors_stay_as_they_are():
    tensor = torch.arange(4.0)
    assert whole(tensor) is tensor and here(tensor) is tensor
    assert part_of(tensor, torch.zeros(4)) is tensor
    assert sharing(ALONE) is ALONE


class Sharer(type(ALONE)):
    size, sharing = 2, True


@pytest.mark.parametrize(
    ("wish", "name"),
    [
        ({"kernels": "native"}, "kernels native"),
        ({"compile": "on"}, "compile on"),
        ({"precision": "fp16"}, "precision fp16"),
    ],
)
def test_what_does_not_go_with_it_is_refused(wish, name):
    with pytest.raises(ConfigError, match=f"there is no {name}"):
        MachineConfig(parallel="fsdp", **wish)


def test_nor_does_what_a_device_would_choose(monkeypatch):
    monkeypatch.setattr("bardling.machine.machine.pick_precision", lambda *_: "fp16")
    with pytest.raises(UsageError, match="there is no fp16"):
        choose_machine(
            MachineConfig(parallel="fsdp", device="cpu"), train_seconds=1.0, team=Sharer()
        )


def test_left_alone_it_takes_neither_kernels_nor_the_compiler():
    machine = choose_machine(
        MachineConfig(parallel="fsdp", device="cpu"),
        train_seconds=1e6,
        obstacle=lambda: None,
        team=Sharer(),
    )
    assert (machine.kernels, machine.compiled) == ("plain", False)


def test_a_model_that_no_process_could_hold_alone_may_be_shared_out(monkeypatch, text):
    class Ten(Sharer):
        size = 10

    large = {"n_layer": 12, "n_head": 12, "n_embd": 768, "block_size": 8, "vocab_size": 1000}
    whole_model, shared_out = (tiny_config(text, **large, parallel=way) for way in ("ddp", "fsdp"))
    monkeypatch.setattr("bardling.run.physical_bytes", lambda: 2**31)
    with pytest.raises(ConfigError, match=r"this machine has 2\.0 GiB"):
        require_memory(whole_model, batch_size=1, team=Ten())
    require_memory(shared_out, batch_size=1, team=Ten())
    with pytest.raises(ConfigError, match=r"this machine has 2\.0 GiB"):
        require_memory(shared_out, batch_size=1)
