"""A whole run on a small text: what it writes, when it validates, keeps, stops and gives up."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import bardling
import bardling.evaluation.validation as validation_module
import bardling.workbench as workbench_module
from bardling import lesson, storage
from bardling.checkpoint import load_checkpoint
from bardling.errors import (
    CheckpointError,
    ConfigError,
    CorpusError,
    StorageError,
    TrainingDiverged,
)
from bardling.evaluation.loss import evaluate
from bardling.kernels.library import load_library
from bardling.machine.config import MachineConfig
from bardling.run import resume_run, start_run
from bardling.run_folder import RunFolder
from bardling.trainer import Trainer
from tiny import Listener, tiny_config, write_text


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return write_text(tmp_path)


def train(text: Path, name: str = "demo", **overrides) -> tuple[RunFolder, Listener]:
    run, listener = RunFolder(text.parent / "runs" / name), Listener()
    start_run(tiny_config(text, **overrides), run, data_dir=None, watcher=listener)
    return run, listener


def test_a_run_leaves_everything_it_promises(text):
    run, listener = train(text)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "metrics.jsonl",
                 "samples.md", "result.json", "tokens/index.json", "tokens/train-00000.bin",
                 "tokens/val-00000.bin"):  # fmt: skip
        assert (run.path / name).is_file(), name
    assert run.steps() == [0, 8, 12]
    lines = [json.loads(line) for line in run.metrics_path.read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(13))
    keys = {"step", "tokens", "seconds", "loss", "lr", "grad_norm", "tokens_per_second"}
    assert all(keys <= line.keys() for line in lines)
    assert all(line["loss"] is not None for line in lines[1:])
    assert [line["tokens"] for line in lines] == [128 * k for k in range(13)]
    validations = [line for line in lines if "val_loss" in line]
    assert [line["step"] for line in validations] == [0, 4, 8, 12]
    more = {"train_loss", "val_loss", "val_bits_per_byte", "val_tokens", "sample"}
    assert all(line.keys() == keys | more for line in validations)
    assert "## Step 12, validation loss" in run.samples_path.read_text()
    assert listener.facts[0].decayed < listener.facts[0].parameters
    assert listener.results[-1].step == 12


def test_the_result_is_measured_on_the_whole_split(text):
    run, listener = train(text, dropout=0.3)
    result = run.result()
    assert result == listener.ends[0]
    assert result["stopped"] == "budget" and result["last"]["step"] == 12
    best = load_checkpoint(run.checkpoint_path(result["best"]["step"]))
    tokens = Trainer(run, Listener()).bench.validation.val
    whole = evaluate(best.build_model(), tokens, batch_size=3)
    assert whole.tokens == len(tokens) - 1
    assert result["best"]["val_loss"] == pytest.approx(whole.loss, abs=1e-6)


def test_settings_that_a_run_works_out_are_written_before_its_first_step(text):
    run, _ = train(text, budget="2epochs", batch_size=32)
    config = run.config()
    tokens = len(Trainer(run, Listener()).bench.validation.train)
    assert config.total_steps == -(-2 * tokens // (32 * 16))
    assert config.model.vocab_size == len(set(text.read_text()))


def test_retention_keeps_first_last_best_and_the_named(text):
    run, _ = train(text, budget="20steps", eval_interval_steps=2, keep_last=3, keep_at=(3, 6))
    best = load_checkpoint(run.checkpoint_path(20)).state.best_step
    assert run.steps() == sorted({0, 3, 6, 16, 18, 20, best})


def test_the_best_checkpoint_outlives_rotation(text, monkeypatch):
    losses = iter([3.0, 1.0, 2.0, 2.1, 2.2, 2.3])
    real = workbench_module.Validation.during_run

    def scripted(self, model):
        train, val = real(self, model)
        return train, replace(val, loss=next(losses))

    monkeypatch.setattr(workbench_module.Validation, "during_run", scripted)
    run, _ = train(text, budget="10steps", eval_interval_steps=2, keep_last=1)
    assert run.steps() == [0, 2, 10]
    assert load_checkpoint(run.checkpoint_path(10)).state.best_step == 2


def test_patience_ends_a_run_and_resuming_it_does_not_go_on(text, monkeypatch):
    losses = iter([3.0, 2.0, 2.5, 2.5, 2.5, 2.5])
    real = workbench_module.Validation.during_run

    def scripted(self, model):
        train, val = real(self, model)
        return train, replace(val, loss=next(losses))

    monkeypatch.setattr(workbench_module.Validation, "during_run", scripted)
    run, _ = train(text, budget="40steps", eval_interval_steps=4, patience=2)
    assert run.result()["stopped"] == "early" and run.result()["last"]["step"] == 12
    run.result_path.unlink()  # as if it had been killed before it could say so
    resume_run(run, Listener())
    assert run.result()["stopped"] == "early" and run.result()["last"]["step"] == 12


def test_a_run_that_has_ended_is_left_alone(text):
    run, _ = train(text)
    before = run.metrics_path.read_bytes()
    listener = Listener()
    resume_run(run, listener)
    assert listener.notes == ["demo has ended already, at step 12"]
    assert run.metrics_path.read_bytes() == before


def test_the_better_of_best_and_last_on_the_whole_split_is_the_result(text, monkeypatch):
    losses = iter([3.0, 0.5, 2.0, 2.0])  # a subset that flatters step 4
    real = workbench_module.Validation.during_run

    def scripted(self, model):
        train, val = real(self, model)
        return train, replace(val, loss=next(losses))

    monkeypatch.setattr(workbench_module.Validation, "during_run", scripted)
    run, _ = train(text)
    assert load_checkpoint(run.checkpoint_path(12)).state.best_step == 4
    assert run.result()["best"] == run.result()["last"]
    assert bardling.load(run.path).step == 12


def test_validations_use_a_fixed_subset_where_the_whole_would_cost_too_much(text, monkeypatch):
    monkeypatch.setattr(validation_module, "LEAST_TOKENS", 1)
    _run, listener = train(text, batch_size=4, eval_interval_steps=6)
    subset = listener.facts[0].val_subset_tokens
    assert subset == int(0.075 * 6 * 4 * 16)
    assert {r["val_tokens"] for r in listener.records} == {16}
    generous, listener = train(text, "generous", batch_size=64, eval_interval_steps=12)
    assert listener.facts[0].val_subset_tokens is None
    assert generous.result()["last"]["val_loss"] == pytest.approx(listener.records[-1]["val_loss"])


def poison(monkeypatch, steps: set[int]) -> None:
    """Make the loss of these steps (counted from 0) NaN, as an overflow would."""
    real = lesson.pretraining_loss
    calls = iter(range(10_000))

    def sometimes_nan(model, batch):
        loss = real(model, batch)
        return loss * float("nan") if next(calls) in steps else loss

    monkeypatch.setattr(lesson, "pretraining_loss", sometimes_nan)


def test_one_bad_step_changes_nothing_and_the_run_goes_on(text, monkeypatch):
    poison(monkeypatch, {5})
    run, listener = train(text)
    record = next(r for r in run.metrics() if r["step"] == 6 and "loss" in r)
    assert record["loss"] is None and record["grad_norm"] is None
    assert "step 6: loss or gradient not finite, not applied" in listener.notes
    assert run.result()["last"]["step"] == 12


def test_three_bad_steps_in_a_row_stop_the_run_and_leave_the_last_good_checkpoint(
    text, monkeypatch
):
    poison(monkeypatch, {4, 5, 6})
    with pytest.raises(TrainingDiverged, match="steps 5 to 7; the weights are those of step 4"):
        train(text)
    run = RunFolder(text.parent / "runs" / "demo")
    assert run.steps() == [0, 4]
    weights = load_checkpoint(run.checkpoint_path(4)).weights
    assert all(torch.isfinite(w).all() for w in weights.values())
    result = run.result()
    assert result["stopped"] == "diverged" and result["last"] == {"step": 7, "val_loss": None}
    assert result["best"]["step"] == 4


def test_a_validation_that_is_not_finite_is_no_best(text, monkeypatch):
    real = workbench_module.Validation.during_run
    calls = iter(range(100))

    def scripted(self, model):
        train, val = real(self, model)
        return train, replace(val, loss=float("nan")) if next(calls) == 2 else val

    monkeypatch.setattr(workbench_module.Validation, "during_run", scripted)
    run, _ = train(text)
    assert [r["val_loss"] for r in run.metrics() if "val_loss" in r][2] is None
    assert run.result()["best"]["step"] != 8


def test_a_damaged_newest_checkpoint_is_set_aside_and_the_one_before_is_used(text):
    whole, _ = train(text, "whole")
    run, _ = train(text)
    run.result_path.unlink()
    weights = run.checkpoint_path(12) / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-5] ^= 1
    weights.write_bytes(bytes(data))
    listener = Listener()
    resume_run(run, listener)
    assert "step-000012" in listener.notes[0] and "next one" in listener.notes[0]
    assert "set aside as step-000012.damaged-1" in listener.notes[1]
    assert [r.step for r in listener.results] == [9, 10, 11, 12]
    assert [r["step"] for r in run.metrics()] == list(range(13))
    again = load_checkpoint(run.checkpoint_path(12))
    same = load_checkpoint(whole.checkpoint_path(12))
    assert all(torch.equal(again.weights[n], same.weights[n]) for n in same.weights)


def test_a_failing_delete_is_a_note(text, monkeypatch):
    def refuse(folder):
        raise StorageError(f"{folder} cannot be removed")

    monkeypatch.setattr(storage, "remove_folder", refuse)
    run, listener = train(text, eval_interval_steps=2, keep_last=1)
    assert run.steps() == [0, 2, 4, 6, 8, 10, 12]
    assert any("an old checkpoint stays" in note for note in listener.notes)


def test_a_full_disk_stops_the_run_and_leaves_older_checkpoints_whole(text, monkeypatch):
    real = storage.publish_folder

    def full(folder, files):
        if folder.name == "step-000008":
            raise StorageError(f"{folder}: no space left on device")
        real(folder, files)

    monkeypatch.setattr(storage, "publish_folder", full)
    with pytest.raises(StorageError, match="no space left"):
        train(text)
    monkeypatch.setattr(storage, "publish_folder", real)
    run = RunFolder(text.parent / "runs" / "demo")
    assert run.steps() == [0, 4]
    resume_run(run, Listener())
    assert run.result()["last"]["step"] == 12


def test_the_last_step_stands_for_a_best_that_is_gone(text, monkeypatch):
    losses = iter([3.0, 0.5, 2.0, 2.0])
    real = workbench_module.Validation.during_run

    def scripted(self, model):
        train, val = real(self, model)
        return train, replace(val, loss=next(losses))

    monkeypatch.setattr(workbench_module.Validation, "during_run", scripted)
    run = stopped_run(text)
    storage.remove_folder(run.checkpoint_path(4))
    listener = Listener()
    resume_run(run, listener)
    assert "the last step stands for the best" in listener.notes[-1]
    assert run.result()["best"] == run.result()["last"]


def test_a_checkpoint_of_another_tokenizer_is_refused(text):
    run = stopped_run(text)
    other, _ = train(write_text(text.parent, n_lines=3), "other", block_size=8, n_embd=8)
    shards = ("tokens/train-00000.bin", "tokens/val-00000.bin", "tokens/index.json")
    for name in ("tokenizer.json", *shards):
        (run.path / name).write_bytes((other.path / name).read_bytes())
    with pytest.raises(CheckpointError, match="was written with another tokenizer"):
        resume_run(run, Listener())


def test_too_short_a_corpus_is_said_with_numbers_before_anything_is_written(tmp_path):
    short = tmp_path / "short.txt"
    for length, block_size, val_fraction, said in (
        (10, 9, 0.1, "train split has 9 tokens, and a block size of 9 needs 10"),
        (10, 8, 0.1, "the val split has 1 tokens, and .* needs 2"),
        (100, 90, 0.5, "train split has 50 tokens, and a block size of 90 needs 91"),
    ):
        short.write_text("abcdefghij" * (length // 10))
        with pytest.raises(CorpusError, match=said):
            train(short, block_size=block_size, val_fraction=val_fraction)
        assert not list((tmp_path / "runs").iterdir())
    short.write_text("abcdefghij" * 2)
    run, _ = train(short, block_size=17, val_fraction=0.1)
    assert run.result()["last"]["step"] == 12


def test_other_conditions_are_told_on_resume(text):
    run, _ = train(text)
    run.result_path.unlink()
    listener = Listener()
    resume_run(run, listener, wishes=MachineConfig(precision="bf16"))
    assert listener.notes == [
        "not bitwise what the uninterrupted run would be: precision fp32 before, bf16 now"
    ]
    assert load_checkpoint(run.checkpoint_path(12)).state.conditions.precision == "fp32"


def stopped_run(text: Path) -> RunFolder:
    run, _ = train(text)
    run.result_path.unlink()
    return run


def test_a_later_checkpoint_without_a_manifest_does_not_stand_in_the_way(text):
    run = stopped_run(text)
    (run.checkpoint_path(12) / "manifest.json").unlink()
    listener = Listener()
    resume_run(run, listener)
    assert "step-000012 is not whole: set aside" in listener.notes[0]
    assert run.result()["last"]["step"] == 12 and 12 in run.steps()


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
@pytest.mark.parametrize("data", [None, b"{"])
def test_a_lost_side_file_is_brought_back_from_the_checkpoint(text, name, data):
    run = stopped_run(text)
    before = (run.path / name).read_bytes()
    (run.path / name).unlink()
    if data is not None:
        (run.path / name).write_bytes(data)
    listener = Listener()
    resume_run(run, listener)
    assert "brought back from step-000012" in listener.notes[0]
    assert (run.path / name).read_bytes() == before


def test_settings_changed_by_hand_are_noticed(text):
    run = stopped_run(text)
    storage.write_json(run.config_path, run.config().with_overrides(lr=0.5).to_json())
    with pytest.raises(
        ConfigError, match=r"was changed since step-000012.*lr is 0.5 here and 0.01"
    ):
        resume_run(run, Listener())


def test_a_run_has_one_writer(text):
    run = stopped_run(text)
    with (
        storage.only_writer(run.path),
        pytest.raises(StorageError, match="another process is writing"),
    ):
        resume_run(run, Listener())
    resume_run(run, Listener())


def test_leftovers_of_a_killed_process_are_tidied(text):
    run = stopped_run(text)
    for folder in (run.path, run.path / "tokens", run.checkpoints_path):
        (folder / ".x.tmp-999999").write_bytes(b"")
    resume_run(run, Listener())
    assert not list(run.path.rglob(".x.tmp-*"))


def test_what_no_memory_can_hold_is_refused_before_anything_is_made(text):
    with pytest.raises(ConfigError, match=r"would hold about [\d,.]+ GiB, and this machine has"):
        train(text, n_layer=10**9)
    with pytest.raises(ConfigError, match="keep_at names step 99, but the run has 12"):
        train(text, keep_at=(99,))
    assert not list((text.parent / "runs").iterdir())


def test_failures_in_a_row_are_counted_across_a_stop(text, monkeypatch):
    poison(monkeypatch, {3, 4, 5})

    class Quits(Listener):
        def stepped(self, result, tokens_per_second):
            if result.step == 5:
                raise RuntimeError

    run = RunFolder(text.parent / "runs" / "demo")
    config = tiny_config(text, checkpoint_interval_steps=1)
    with pytest.raises(RuntimeError):
        start_run(config, run, data_dir=None, watcher=Quits())
    assert load_checkpoint(run.checkpoint_path(4)).state.failures == 1
    poison(monkeypatch, {0, 1})  # steps 5 and 6 again
    with pytest.raises(TrainingDiverged):
        resume_run(run, Listener())


def test_a_run_older_than_conditions_is_loaded_and_goes_on(text):
    whole, listener = train(text, "whole")
    run, _ = train(text)
    run.result_path.unlink()
    storage.remove_folder(run.checkpoint_path(12))
    folder = run.checkpoint_path(8)
    files = storage.read_folder(folder)
    state, config = (json.loads(files[f"{name}.json"]) for name in ("state", "config"))
    newer = [state.pop(name) for name in ("conditions", "validated", "latest", "loss_scale")]
    del config["machine"], config["eval_interval"], config["training"]["quick_checks"]
    for name in ("replanned_at", "earlier_steps", "earlier_intervals"):
        del config[name]
    state |= {"threads": newer[0]["threads"], "torch_version": newer[0]["torch"]}
    storage.remove_folder(folder)
    changed = {"state.json": state, "config.json": config}
    storage.publish_folder(
        folder, files | {name: storage.json_bytes(value) for name, value in changed.items()}
    )
    storage.write_json(run.config_path, config)

    old = bardling.load(run.path)
    assert old.step == 8 and old.generate(max_new_tokens=3)
    listener = Listener()
    resume_run(run, listener, wishes=MachineConfig(precision="fp32", compile="off"))
    assert listener.notes == [
        "not bitwise what the uninterrupted run would be: it is not known what it was computed on"
    ]
    assert [record["step"] for record in listener.records] == [12]  # not 8 again
    assert [record["step"] for record in run.metrics()] == list(range(13))
    mine, other = (load_checkpoint(r.checkpoint_path(12)) for r in (run, whole))
    assert all(torch.equal(mine.weights[name], other.weights[name]) for name in other.weights)
    assert mine.state.conditions == other.state.conditions


def test_kernels_made_from_something_else_are_told(text, monkeypatch):
    run, _ = train(text)
    run.result_path.unlink()
    storage.remove_folder(run.checkpoint_path(12))
    lib = load_library("training")
    listener, before = Listener(), lib.made_from
    monkeypatch.setattr(lib, "made_from", "00000000")
    resume_run(run, listener)
    (note,) = listener.notes
    assert note.endswith(f"would be: kernels native {before} before, native 00000000 now")


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize(("before", "now"), [("fp64", "fp32"), ("fp64", "bf16"), ("fp32", "fp64")])
def test_a_run_goes_on_in_another_precision_and_says_so(text, optimizer, before, now):
    run, _ = train(text, optimizer=optimizer, precision=before)
    run.result_path.unlink()
    storage.remove_folder(run.checkpoint_path(12))
    listener = Listener()
    resume_run(run, listener, wishes=MachineConfig(precision=now))
    (note,) = listener.notes
    changed = rf"precision {before} before, {now} now"
    kernels = {"fp64": r"; kernels native \w{8} before, plain now"}.get(now, "")
    assert re.fullmatch(
        "not bitwise what the uninterrupted run would be: " + changed + kernels, note
    )
    assert run.result()["last"]["step"] == 12
