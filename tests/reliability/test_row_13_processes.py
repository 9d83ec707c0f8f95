"""Several processes train as one does: the same batches, the same losses, the same weights.

Equality between different computations is a law of arithmetic without rounding: it is shown in
float64. What float32 makes of it is measured too.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from promises import Protection

from bardling.checkpoint import load_checkpoint
from bardling.data.batches import Windows
from bardling.run_folder import RunFolder
from tiny import write_text
from together import together

STEPS = 20
SCRIPT = f"""
import sys
import bardling
from tiny import SETTINGS
ways = {{
    "adamw": {{}},
    "muon": {{"optimizer": "muon"}},
    "parts": {{"accumulate": 2, "dropout": 0.2}},
    "many": {{"accumulate": 4, "dropout": 0.2, "optimizer": "muon", "batch_size": 9}},
    "shared": {{"parallel": "fsdp", "tie_embeddings": True, "accumulate": 1, "dropout": 0.2}},
    "shared-many": {{
        "parallel": "fsdp", "accumulate": 4, "dropout": 0.2, "optimizer": "muon", "batch_size": 9,
    }},
}}
settings = SETTINGS | {{"budget": "{STEPS}steps", "eval_interval_steps": 10, "lr": 3e-3}}
for name, way in ways.items():
    for precision in ("fp64", "fp32")[: 2 if "dropout" not in way else 1]:
        bardling.train(
            sys.argv[1], name=f"{{name}}-{{precision}}", runs_dir=sys.argv[2],
            **(settings | way | {{"precision": precision}}),
        )
"""
STOPPED = """
import os, signal, sys
from pathlib import Path
import bardling
from tiny import SETTINGS, Listener
settings = SETTINGS | {"parallel": "fsdp", "precision": "fp64", "optimizer": "muon"}
class Stopper(Listener):
    def stepped(self, result, tokens_per_second):
        if result.step == 7:
            os.kill(os.getpid(), signal.SIGTERM)
bardling.train(sys.argv[1], name="whole", runs_dir=sys.argv[2], **settings)
try:
    bardling.train(
        sys.argv[1], name="stopped", runs_dir=sys.argv[2], watcher=Stopper(), **settings
    )
except bardling.errors.Interrupted:
    bardling.train(sys.argv[1], resume=Path(sys.argv[2]) / "stopped", **settings)
"""
WAYS = ("adamw", "muon", "parts", "many", "shared", "shared-many")

PROTECTIONS = (
    Protection(
        file="machine/ranks.py",
        line="first, last = (batch_size * (who + one) // self.size for one in (0, 1))",
        broken="first, last = 0, batch_size // self.size",
        test="test_in_float64_the_weights_are_those_of_one_process",
    ),
    Protection(
        file="machine/ranks.py",
        line="shared.register_comm_hook(None, _added_up)",
        broken="pass",
        test="test_in_float64_the_weights_are_those_of_one_process",
    ),
    Protection(
        file="training/optimizers.py",
        line="in sorted(optimizers.owners[parameter].state.get(parameter, {}).items())",
        broken="in optimizers.owners[parameter].state.get(parameter, {}).items()",
        test="test_sharers_that_stopped_go_on_to_the_same_bits",
    ),
    Protection(
        file="machine/shards.py",
        line="layer.set_gradient_divide_factor(1.0)",
        broken="layer.set_gradient_divide_factor(2.0)",
        test="test_in_float64_the_weights_are_those_of_one_process[shared]",
    ),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a folder with the same runs, made by one process and by two."""
    folder = tmp_path_factory.mktemp("ranks")
    text = write_text(folder)
    for processes in (1, 2):
        for code, _, err in together(SCRIPT, text, folder / str(processes), processes=processes):
            assert (code, err) == (0, "")
    return folder


def both(folder: Path, name: str) -> list[RunFolder]:
    return [RunFolder(folder / processes / name) for processes in ("1", "2")]


@pytest.mark.parametrize("way", WAYS)
def test_in_float64_the_weights_are_those_of_one_process(folder, way, record_property):
    one, two = (load_checkpoint(r.checkpoint_path(STEPS)) for r in both(folder, f"{way}-fp64"))
    assert one.weights.keys() == two.weights.keys()
    far = max(
        (w - two.weights[name]).abs().max().item() / w.abs().max().item()
        for name, w in one.weights.items()
    )
    assert far <= 1e-10
    if way in ("many", "shared-many"):
        how = "ddp" if way == "many" else "fsdp"
        record_property(
            "measured", f"float64, Muon, dropout, 4 parts, {how}: {far:.0e} of the weights"
        )


@pytest.mark.parametrize(("way", "limit"), [("adamw", 1e-6), ("muon", 1e-2)])
def test_in_float32_the_losses_are_those_of_one_process(folder, way, limit, record_property):
    """Muon's iteration is in bfloat16, which makes more of the last bit."""
    one, two = ([r["loss"] for r in run.metrics()[1:]] for run in both(folder, f"{way}-fp32"))
    assert len(one) == STEPS
    far = max(abs(a - b) / a for a, b in zip(one, two, strict=True))
    assert far <= limit
    record_property("measured", f"float32, {way}: {far:.0e} of the losses")


@pytest.mark.parametrize("way", WAYS)
def test_validations_and_samples_are_those_of_one_process(folder, way):
    mine, other = (
        [record for record in run.metrics() if "val_loss" in record]
        for run in both(folder, f"{way}-fp64")
    )
    assert len(mine) == 3
    for one, two in zip(mine, other, strict=True):
        assert one.keys() == two.keys()
        for name in ("step", "val_tokens", "sample"):
            assert one[name] == two[name]
        for name in ("val_loss", "train_loss", "val_bits_per_byte"):
            assert one[name] == pytest.approx(two[name], rel=1e-12)


def test_two_processes_know_that_they_are_two(folder):
    one, two = (load_checkpoint(r.checkpoint_path(STEPS)).state for r in both(folder, "adamw-fp64"))
    assert one.conditions.changes(two.conditions) == ["processes 1 before, 2 now"]


def test_what_one_process_writes_the_other_does_not_write_again(folder):
    for run in both(folder, "adamw-fp64"):
        steps = [json.loads(line)["step"] for line in run.metrics_path.read_text().splitlines()]
        assert steps == list(range(STEPS + 1))


def test_sharers_that_stopped_go_on_to_the_same_bits(tmp_path):
    """Whatever order a file is read in: each tensor is gathered by all of them together."""
    said = together(STOPPED, write_text(tmp_path), tmp_path)
    assert [(code, err) for code, _, err in said] == [(0, ""), (0, "")]
    whole, stopped = (
        load_checkpoint(RunFolder(tmp_path / name).checkpoint_path(12))
        for name in ("whole", "stopped")
    )
    for mine, other in ((stopped.weights, whole.weights), (stopped.optimizer, whole.optimizer)):
        assert mine.keys() == other.keys()
        assert all(torch.equal(tensor, other[name]) for name, tensor in mine.items())


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
def test_processes_take_the_rows_of_one_batch_in_order(processes):
    from bardling.machine.ranks import Ranks
    from bardling.machine.seat import Seat

    ids = np.arange(500, dtype=np.uint32)
    windows = Windows(tokens=ids, block_size=8, batch_size=13)
    seats = [Ranks(Seat(rank=r, size=processes), torch.distributed.HashStore()) for r in
             range(processes)]  # fmt: skip
    parts = [windows.batch(7, team.rows(13)) for team in seats]
    assert torch.equal(torch.cat([p.inputs for p in parts]), windows.batch(7).inputs)
    assert torch.equal(torch.cat([p.row_keys for p in parts]), windows.batch(7).row_keys)


def test_a_budget_in_time_is_the_same_steps_for_all(tmp_path, record_property):
    """What it buys is measured together, and decided by one."""
    script = """
import sys
import bardling
from tiny import SETTINGS
settings = SETTINGS | {"budget": "4s", "eval_interval_steps": 0}
run = bardling.train(sys.argv[1], name="x", runs_dir=sys.argv[2], **settings)
print(run.config.total_steps, run.folder.result()["last"]["step"])
"""
    said = together(script, write_text(tmp_path), tmp_path)
    assert [(code, err) for code, _, err in said] == [(0, ""), (0, "")]
    (mine, other) = (out.split() for _, out, _ in said)
    assert mine == other and mine[0] == mine[1] and int(mine[0]) > 5
    record_property("measured", f"a budget of 4 s is {mine[0]} steps for both of two processes")
