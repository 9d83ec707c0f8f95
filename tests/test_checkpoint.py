"""Checkpoints: whole or refused, nothing but safetensors and JSON, tied weights once."""

import json
import struct
from pathlib import Path

import pytest
import torch

import bardling
from bardling import storage
from bardling.checkpoint import (
    best_step,
    load_checkpoint,
    load_newest,
    load_weights,
    open_checkpoint,
)
from bardling.errors import CheckpointError, UsageError
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from bardling.run import start_run
from bardling.run_folder import RunFolder
from tiny import Listener, tiny_config, write_text

FILES = ("config.json", "model.safetensors", "optimizer.safetensors", "state.json",
         "tokenizer.json", "tokenizer_config.json")  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> RunFolder:
    folder = tmp_path_factory.mktemp("trained")
    run = RunFolder(folder / "runs" / "demo")
    config = tiny_config(write_text(folder), budget="4steps", eval_interval_steps=2)
    start_run(config, run, data_dir=None, watcher=Listener())
    return run


@pytest.fixture
def copy(trained: RunFolder, tmp_path: Path) -> Path:
    """Return a copy of the newest checkpoint that may be damaged."""
    files = storage.read_folder(trained.checkpoint_path(4))
    target = tmp_path / "step-000004"
    storage.publish_folder(target, files)
    return target


def test_a_checkpoint_is_self_contained(copy):
    loaded = load_checkpoint(copy)
    assert sorted(p.name for p in copy.iterdir()) == sorted([*FILES, "manifest.json"])
    model = loaded.build_model()
    assert loaded.state.step == 4 and loaded.state.tokens == 4 * 8 * 16
    assert loaded.config.training.budget == "4steps"
    text = loaded.tokenizer.decode(range(5))
    assert loaded.tokenizer.encode(text) == list(range(5))
    assert all(torch.equal(p, loaded.weights[n]) for n, p in model.named_parameters())


def test_a_tied_matrix_is_written_once_and_optimizer_keys_name_parameter_and_state(copy):
    loaded = load_checkpoint(copy)
    assert "embedding.weight" in loaded.weights and "output.weight" not in loaded.weights
    states = {name.rpartition("/")[2] for name in loaded.optimizer}
    assert states == {"step", "exp_avg", "exp_avg_sq"}
    assert {name.rpartition("/")[0] for name in loaded.optimizer} == set(loaded.weights)
    assert loaded.build_model().output.weight is not None


def test_the_manifest_gives_size_and_hash_of_every_file(copy):
    manifest = json.loads((copy / "manifest.json").read_text())["files"]
    for name in FILES:
        data = (copy / name).read_bytes()
        assert manifest[name] == {"bytes": len(data), "sha256": storage.sha256(data)}


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_any_flipped_missing_or_shortened_file_is_found_out(copy, name):
    path = copy / name
    whole = path.read_bytes()
    for place in (0, len(whole) // 2, len(whole) - 1):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        path.write_bytes(bytes(damaged))
        with pytest.raises(CheckpointError, match="step-000004 cannot be used"):
            load_checkpoint(copy)
    path.write_bytes(whole[:-2])
    with pytest.raises(CheckpointError, match="cannot be used"):
        load_checkpoint(copy)
    path.unlink()
    with pytest.raises(CheckpointError, match="cannot be used"):
        load_checkpoint(copy)
    path.write_bytes(whole)
    load_checkpoint(copy)


def rewrite(folder: Path, **changes: bytes | None) -> None:
    """Publish the checkpoint again with other contents and a manifest that fits them."""
    files = storage.read_folder(folder)
    for name, data in changes.items():
        key = name.replace("__", ".")
        if data is None:
            del files[key]
        else:
            files[key] = data
    storage.remove_folder(folder)
    storage.publish_folder(folder, files)


def header_only(header: dict) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"state__json": None}, "holds no state.json"),
        ({"state__json": b"[1]"}, "state.json does not say where a run stood"),
        ({"state__json": b'{"epoch": 1}'}, "state.json does not say where a run stood"),
        ({"state__json": b"{"}, "state.json"),
        ({"config__json": b'{"model": {"n_layer": -1}}'}, "n_layer is -1"),
        ({"config__json": b'{"model": {"n_layer": NaN}}'}, "cannot be used"),
        ({"tokenizer__json": b"{}"}, "cannot be used"),
        ({"model__safetensors": b"\x80\x04."}, "cannot be used"),
        (
            {"model__safetensors": header_only(
                {"x": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}
            )},
            "cannot be used",
        ),
    ],
)  # fmt: skip
def test_contents_that_fit_the_manifest_but_make_no_sense_are_refused(copy, change, message):
    rewrite(copy, **change)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(copy)


def test_weights_of_another_model_are_named(trained):
    weights = dict(load_checkpoint(trained.checkpoint_path(4)).weights)
    config = trained.config().model
    other = GPT(ModelConfig(**{**vars(config), "n_layer": 3}))
    with pytest.raises(CheckpointError, match="here holds the weights of another model: blocks"):
        load_weights(other, weights, "here")
    smaller = GPT(ModelConfig(**{**vars(config), "n_layer": 1}))
    with pytest.raises(CheckpointError, match=r"blocks\.1.* is not known here"):
        load_weights(smaller, weights, "here")
    wider = GPT(ModelConfig(**{**vars(config), "d_ff": 8}))
    with pytest.raises(CheckpointError, match=r"has shape \[48, 16\], this model needs \[8, 16\]"):
        load_weights(wider, weights, "here")


def test_the_newest_whole_one_is_taken_and_every_damaged_one_told(trained, tmp_path):
    run, heard = RunFolder(tmp_path), []
    assert load_newest(run, heard.append) is None
    for step in (0, 2, 4):
        if trained.checkpoint_path(step).exists():
            storage.publish_folder(
                run.checkpoint_path(step), storage.read_folder(trained.checkpoint_path(step))
            )
    (run.checkpoint_path(4) / "model.safetensors").write_bytes(b"")
    found = load_newest(run, heard.append)
    assert found is not None and found.state.step == 2
    assert len(heard) == 1 and "step-000004 cannot be used" in heard[0]
    for step in run.steps():
        (run.checkpoint_path(step) / "state.json").unlink()
    with pytest.raises(CheckpointError, match="none of the 3 checkpoints"):
        load_newest(run, heard.append)


def published(trained: RunFolder, tmp_path: Path) -> RunFolder:
    """Return a run of its own with the three checkpoints."""
    run = RunFolder(tmp_path / "copy")
    for step in (0, 2, 4):
        files = storage.read_folder(trained.checkpoint_path(step))
        storage.publish_folder(run.checkpoint_path(step), files)
    return run


def test_a_checkpoint_is_chosen_by_best_last_or_step(trained, tmp_path):
    with pytest.raises(CheckpointError, match="has no complete checkpoint"):
        open_checkpoint(RunFolder(tmp_path / "none"), "best", print)
    run = published(trained, tmp_path)
    best = load_checkpoint(run.checkpoint_path(4)).state.best_step
    assert open_checkpoint(run, "best", print).state.step == best
    assert open_checkpoint(run, "last", print).state.step == 4
    assert open_checkpoint(run, "2", print).state.step == 2
    with pytest.raises(CheckpointError, match="no checkpoint of step 7; it has 0, 2, 4"):
        open_checkpoint(run, "7", print)
    with pytest.raises(UsageError, match="'first' names no checkpoint"):
        open_checkpoint(run, "first", print)
    storage.write_json(
        run.result_path,
        {"best": {"step": 2, "val_loss": 1.0}, "last": {"step": 4, "val_loss": 2.0}},
    )
    assert open_checkpoint(run, "best", print).state.step == 2


def test_a_damaged_best_or_last_gives_way_and_a_named_step_does_not(trained, tmp_path):
    run, heard = published(trained, tmp_path), []
    (run.checkpoint_path(4) / "model.safetensors").write_bytes(b"")
    assert open_checkpoint(run, "last", heard.append).state.step == 2
    assert "step-000004 cannot be used" in heard[0]
    with pytest.raises(CheckpointError, match="step-000004 cannot be used"):
        open_checkpoint(run, "4", heard.append)
    with pytest.warns(UserWarning, match="step-000004 cannot be used"):
        assert bardling.load(run.path, "last").step == 2
    (run.checkpoint_path(4) / "state.json").write_text("{")
    (run.checkpoint_path(2) / "state.json").write_text("{")
    assert best_step(run, [0, 2, 4]) == 0


def test_a_checkpoint_under_another_name_is_refused(trained, tmp_path):
    run = published(trained, tmp_path)
    run.checkpoint_path(2).rename(run.checkpoint_path(3))
    with pytest.raises(CheckpointError, match="it was written as step-000002"):
        load_checkpoint(run.checkpoint_path(3))


def test_one_folder_is_enough(trained, tmp_path):
    run = published(trained, tmp_path)
    loaded = bardling.load(run.checkpoint_path(2))
    assert loaded.step == 2 and len(loaded.generate("one", max_new_tokens=3)) == 3
