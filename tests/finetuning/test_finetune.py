"""Fine-tuning begins where another run stood, trains what it says, and measures what is lost."""

import json
from dataclasses import replace

import pytest
import torch

import bardling
from bardling.beginning import read_start
from bardling.checkpoint import load_checkpoint
from bardling.config import RunConfig
from bardling.data.sums import sums
from bardling.errors import BardlingError, CheckpointError, ConfigError, UsageError
from bardling.finetuning.finetune import finetune, finetune_by
from bardling.model.lora_config import LoRA, adapter_parameters
from bardling.presets.command import training_command
from bardling.run import resume_run, start_run
from bardling.run_folder import RunFolder
from bardling.text.bpe import BPETokenizer
from bardling.trained import load
from tiny import Listener, tiny_config, write_text

STEPS = {"budget": "6steps", "eval_interval_steps": 3, "precision": "fp32", "compile": "off"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    (folder / "other").mkdir()
    other = sums(9, n_lines=200)[::-1]
    (folder / "other.txt").write_text(other)
    config = tiny_config(write_text(folder), budget="20steps", eval_interval_steps=10)
    start_run(config, RunFolder(folder / "runs" / "base"), data_dir=None, watcher=Listener())
    return folder


def tuned(home, name, **overrides):
    return finetune(
        home / "runs" / "base", home / "other.txt", name=name, runs_dir=home / "runs",
        **(STEPS | overrides),
    )  # fmt: skip


def test_it_begins_with_the_weights_of_the_other_and_learns(home):
    run, forgotten = tuned(home, "whole", lr=5e-3)
    base = load(home / "runs" / "base")
    first = load_checkpoint(run.folder.checkpoint_path(0))
    named = dict(base.model.named_parameters())
    assert first.weights.keys() == named.keys()
    assert all(torch.equal(first.weights[n], p) for n, p in named.items())
    losses = [r["val_loss"] for r in run.metrics() if "val_loss" in r]
    assert losses[-1] < losses[0] - 0.05
    assert run.tokenizer.sha256 == base.tokenizer.sha256
    assert forgotten is not None and forgotten.before == base.validation_loss().loss
    assert forgotten.after > forgotten.before
    told = json.loads(run.folder.result_path.read_text())["forgetting"]
    assert told["after"] == forgotten.after
    assert "nats per token" in forgotten.told


def test_adapters_are_trained_alone_and_go_over_into_the_model(home):
    run, _ = tuned(home, "lora", adapter="lora", rank=2, lr=2e-2)
    base = dict(load(home / "runs" / "base").model.named_parameters())
    last = load_checkpoint(run.folder.checkpoint_path(run.folder.steps()[-1]))
    frozen = {n: t for n, t in last.weights.items() if n in base}
    assert frozen.keys() == base.keys()
    assert all(torch.equal(t, base[n]) for n, t in frozen.items())
    assert any(t.abs().max() > 0 for n, t in last.weights.items() if n.endswith("lora_b"))
    assert last.optimizer and all("lora" in name for name in last.optimizer)
    model = last.build_model()
    assert dict(model.named_parameters()).keys() == base.keys()
    assert not torch.equal(
        model.get_parameter("blocks.0.sublayers.attention.transform.value.weight"),
        base["blocks.0.sublayers.attention.transform.value.weight"],
    )
    result = run.folder.result()
    assert result is not None and result["best"]["val_loss"] < result_at_start(run)
    listener = Listener()
    config = run.folder.config()
    assert isinstance(config.adapter, LoRA)
    again = RunFolder(home / "runs" / "heard")
    start_run(config, again, data_dir=None, watcher=listener)
    facts = listener.facts[0]
    assert facts.parameters - facts.frozen == adapter_parameters(config.model, config.adapter)


def test_embeddings_are_trained_beside_adapters_where_that_is_asked_for(home):
    run, _ = tuned(home, "tables", adapter="lora", rank=2, lr=2e-2, embeddings=True)
    base = dict(load(home / "runs" / "base").model.named_parameters())
    last = load_checkpoint(run.folder.checkpoint_path(run.folder.steps()[-1]))
    changed = {n for n, t in last.weights.items() if n in base and not torch.equal(t, base[n])}
    assert changed == {"embedding.weight"}  # which is the output layer's too
    moved = {name.rpartition("/")[0] for name in last.optimizer}
    assert moved == changed | {n for n in last.weights if "lora" in n}


def result_at_start(run) -> float:
    return next(r["val_loss"] for r in run.metrics() if "val_loss" in r)


@pytest.mark.parametrize(
    "adapter",
    [
        {},
        {"adapter": "lora", "lora_dropout": 0.2},
        {"adapter": "lora", "embeddings": True, "optimizer": "muon"},
    ],
)
def test_a_run_that_stopped_goes_on_bit_for_bit(home, adapter, tmp_path):
    config = bardling_config(home, **adapter)
    whole, part = (RunFolder(tmp_path / name) for name in ("whole", "part"))
    start_run(config, whole, data_dir=None, watcher=Listener())
    start_run(config, part, data_dir=None, watcher=Listener())
    part.result_path.unlink()
    for step in part.steps():
        if step > 3:
            for path in part.checkpoint_path(step).iterdir():
                path.unlink()
            part.checkpoint_path(step).rmdir()
    resume_run(part, Listener())
    one, two = (load_checkpoint(run.checkpoint_path(6)) for run in (whole, part))
    assert all(torch.equal(one.weights[n], two.weights[n]) for n in one.weights)
    assert all(torch.equal(one.optimizer[n], two.optimizer[n]) for n in one.optimizer)


def bardling_config(home, **overrides) -> RunConfig:
    from bardling.presets.tuned import tuned_config

    base = RunFolder(home / "runs" / "base")
    adapter = overrides.pop("adapter", "whole")
    config = tuned_config(base.config(), str(base.path), str(home / "other.txt"), adapter)
    return config.with_overrides(**(STEPS | overrides))


def test_the_command_that_makes_it_again_is_known(home):
    config = bardling_config(home, adapter="lora", rank=3, lr=1e-3)
    command = training_command(config)
    assert command.startswith(f"bardling finetune {home}/runs/base {home}/other.txt ")
    assert "--adapter lora" in command and "--adapter.rank 3" in command


def test_its_own_copy_is_enough(home, tmp_path):
    config = bardling_config(home)
    run = RunFolder(tmp_path / "alone")
    start_run(config, run, data_dir=None, watcher=Listener())
    assert read_start(run).keys() == dict(load(run.path).model.named_parameters()).keys()
    path = run.path / "start" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(CheckpointError, match=r"start cannot be used: .* is damaged"):
        read_start(run)


def test_another_model_is_refused_and_nothing_stays(home, tmp_path):
    config = bardling_config(home)
    run = RunFolder(tmp_path / "wide")
    wide = replace(config, model=replace(config.model, n_embd=32))
    with pytest.raises(ConfigError, match=r"n_embd is 32 here and 16 in"):
        start_run(wide, run, data_dir=None, watcher=Listener())
    assert not run.is_run() and not (run.path / "start").exists()


def test_another_tokenizer_is_refused(home, tmp_path):
    from bardling.text.tokenizer_file import save_tokenizer

    save_tokenizer(BPETokenizer.train([sums(1, n_lines=50)], vocab_size=300), tmp_path / "words")
    config = replace(bardling_config(home), data=replace(
        bardling_config(home).data, tokenizer=str(tmp_path / "words")))  # fmt: skip
    with pytest.raises(CheckpointError, match="another tokenizer"):
        start_run(config, RunFolder(tmp_path / "run"), data_dir=None, watcher=Listener())


def test_fewer_layers_are_spread_evenly(home, tmp_path):
    config = bardling_config(home)
    run = RunFolder(tmp_path / "short")
    one = replace(config, model=replace(config.model, n_layer=1))
    start_run(one, run, data_dir=None, watcher=Listener())
    base = dict(load(home / "runs" / "base").model.named_parameters())
    start = read_start(run)
    assert {n.split(".")[1] for n in start if n.startswith("blocks.")} == {"0"}
    assert all(torch.equal(t, base[n]) for n, t in start.items())


def test_what_cannot_be_begun_is_said(home):
    with pytest.raises(UsageError, match="there is no run 'nobody'"):
        finetune("nobody", home / "other.txt", runs_dir=home / "runs")
    with pytest.raises(UsageError, match="say which by start"):
        finetune_by(RunConfig())
    with pytest.raises(BardlingError, match="no setting 'rank'"):
        tuned(home, "x", rank=3)


def test_the_verb_says_what_was_forgotten(home, capsys, monkeypatch):
    from bardling.cli import main

    monkeypatch.chdir(home)
    words = ["--budget", "3steps", "--name", "by-verb", "--machine.compile", "off",
             "--adapter", "lora", "--adapter.rank", "2"]  # fmt: skip
    assert main(["finetune", "base", "other.txt", *words]) == 0
    said = capsys.readouterr().out
    assert "which it was trained on first" in said and "of them trained" in said
    assert main(["finetune", "base"]) == 2
    assert "which text to read" in capsys.readouterr().err
    assert main(["finetune", "--help"]) == 0
    assert "--adapter.rank" not in capsys.readouterr().out
    assert bardling.load(home / "runs" / "by-verb").step == 3
