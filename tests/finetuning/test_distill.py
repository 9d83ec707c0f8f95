"""A student learns from a run, needs nothing but its own folder, and is held beside its teacher."""

import json
import shlex
import shutil
from dataclasses import replace

import pytest
import torch

import bardling
from bardling.beginning import read_start, read_teacher
from bardling.checkpoint import load_checkpoint
from bardling.cli.distill import DistillArguments, _base
from bardling.cli.settings import parse_settings
from bardling.config import RunConfig
from bardling.data.sums import sums
from bardling.errors import CheckpointError, ConfigError, UsageError
from bardling.finetuning import comparison
from bardling.finetuning.comparison import Comparison, Side
from bardling.finetuning.distill import distill, distill_by
from bardling.presets.command import training_command
from bardling.presets.distilled import distilled_config
from bardling.run import resume_run, start_run
from bardling.run_folder import RunFolder
from bardling.text.bpe import BPETokenizer
from bardling.text.tokenizer_file import save_tokenizer
from bardling.trained import load
from bardling.training.task import Distillation
from tiny import Listener, tiny_config, write_text

STEPS = {
    "budget": "6steps", "eval_interval_steps": 3, "precision": "fp32", "compile": "off",
    "sample_tokens": 5,
}  # fmt: skip
SMALL = {"n_layer": 1, "n_head": 2, "n_embd": 8, "batch_size": 8}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    (folder / "other.txt").write_text(sums(9, n_lines=200)[::-1])
    config = tiny_config(write_text(folder), budget="20steps", eval_interval_steps=10)
    start_run(config, RunFolder(folder / "runs" / "big"), data_dir=None, watcher=Listener())
    return folder


@pytest.fixture(autouse=True)
def little_to_write(monkeypatch):
    monkeypatch.setattr(comparison, "WRITTEN_TOKENS", 5)


def config_of(home, *, student=None, layers=None, corpus=None, **overrides) -> RunConfig:
    big = RunFolder(home / "runs" / "big")
    config = distilled_config(
        big.config(), str(big.path), student=student, layers=layers, corpus=corpus
    )
    return config.with_overrides(**(STEPS | overrides))


def began(config: RunConfig, path) -> RunFolder:
    run = RunFolder(path)
    start_run(config, run, data_dir=None, watcher=Listener())
    return run


def test_every_second_layer_learns_on(home):
    run, found = distill(home / "runs" / "big", name="half", runs_dir=home / "runs", **STEPS)
    config, big = run.config, load(home / "runs" / "big")
    assert isinstance(config.task, Distillation) and config.teacher == config.start
    assert config.model == replace(big.config.model, n_layer=1)
    assert config.data == replace(big.config.data, tokenizer=config.teacher)
    assert run.tokenizer.sha256 == big.tokenizer.sha256
    named = dict(big.model.named_parameters())
    assert all(torch.equal(t, named[name]) for name, t in read_start(run.folder).items())
    losses = [record["val_loss"] for record in run.metrics() if "val_loss" in record]
    assert losses[-1] < losses[0] - 0.1
    assert found.teacher.loss == big.validation_loss().loss
    assert found.student.loss == run.validation_loss().loss
    told = json.loads(run.folder.result_path.read_text())["distillation"]
    assert told["student"]["loss"] == found.student.loss and told["tokens"] == found.tokens
    assert min(told[side]["tokens_per_second"] for side in ("teacher", "student")) > 0
    n_parameters = sum(p.numel() for p in run.model.parameters())
    assert told["student"]["parameters"] == n_parameters < told["teacher"]["parameters"]


def test_a_preset_is_a_student_with_the_tokens_and_the_context_of_its_teacher(home):
    run, _ = distill(
        home / "runs" / "big", student="demo", corpus=home / "other.txt", name="preset",
        runs_dir=home / "runs", temperature=2.0, hard_weight=0.25, order="random", lr=1e-2,
        **STEPS | SMALL,
    )  # fmt: skip
    assert run.config.model.block_size == 16 and run.config.model.init == "copying"
    assert run.config.model.vocab_size == load(home / "runs" / "big").tokenizer.vocab_size
    assert run.config.task == Distillation(temperature=2.0, hard_weight=0.25)
    assert run.config.start == "" and not (run.folder.path / "start").exists()
    assert run.config.data.corpus == str(home / "other.txt")


def same_bits(one: RunFolder, two: RunFolder) -> bool:
    first, second = (load_checkpoint(run.checkpoint_path(6)) for run in (one, two))
    pairs = ((first.weights, second.weights), (first.optimizer, second.optimizer))
    return all(torch.equal(a[name], b[name]) for a, b in pairs for name in a)


@pytest.mark.parametrize("kernels", ["auto", "plain"])
def test_a_run_that_stopped_goes_on_bit_for_bit_without_its_teacher(home, kernels, tmp_path):
    shutil.copytree(home / "runs" / "big", tmp_path / "big")
    gone = str(tmp_path / "big")
    config = replace(
        config_of(home, student="demo", dropout=0.2, order="random", kernels=kernels, **SMALL),
        teacher=gone,
    )
    whole, part = (began(config, tmp_path / name) for name in ("whole", "part"))
    shutil.rmtree(gone)
    part.result_path.unlink()
    for step in part.steps():
        if step > 3:
            shutil.rmtree(part.checkpoint_path(step))
    resume_run(part, Listener())
    assert same_bits(whole, part)
    alone = replace(config, teacher="", task=type(RunConfig().task)())
    assert not same_bits(whole, began(alone, tmp_path / "alone"))


def test_parts_of_a_batch_are_the_batch(home, tmp_path):
    settings = {"student": "shakespeare", "optimizer": "sgd", "lr": 0.1, **SMALL}
    one, four = (
        load(began(config_of(home, accumulate=n, **settings), tmp_path / str(n)).path)
        for n in (1, 4)
    )
    for name, weight in one.model.named_parameters():
        assert torch.allclose(weight, four.model.get_parameter(name), rtol=1e-4, atol=1e-6), name


def test_its_own_copy_of_the_teacher_is_enough_and_must_be_whole(home, tmp_path):
    run = began(config_of(home), tmp_path / "run")
    big, copy = load(home / "runs" / "big").model, read_teacher(run)
    assert copy.config == big.config
    assert all(torch.equal(p, big.get_parameter(n)) for n, p in copy.named_parameters())
    told = json.loads((run.path / "teacher" / "source.json").read_text())
    assert told == {"run": str(home / "runs" / "big"), "step": 20}
    path = run.path / "teacher" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    run.result_path.unlink()
    shutil.rmtree(run.checkpoint_path(6))
    with pytest.raises(CheckpointError, match=r"teacher cannot be used: .* is damaged"):
        resume_run(run, Listener())


def refused(config: RunConfig, path, error, match: str) -> None:
    """See that a run is refused in one sentence, and nothing of it stays."""
    with pytest.raises(error, match=match) as found:
        began(config, path)
    assert "\n" not in str(found.value)
    assert not RunFolder(path).is_run() and not (path / "teacher").exists()


def test_what_cannot_be_learned_is_refused(home, tmp_path):
    longer = config_of(home, student="shakespeare", block_size=32, **SMALL)
    refused(longer, tmp_path / "a", ConfigError, "block_size is 32 here and 16 in .* 16 or less")
    refused(config_of(home, layers=3), tmp_path / "b", ConfigError, "2 layers, and 3 were asked")
    refused(replace(longer, teacher=""), tmp_path / "c", ConfigError, "say which by teacher")
    with pytest.raises(UsageError, match="say which by teacher"):
        distill_by(RunConfig())
    with pytest.raises(UsageError, match="there is no run 'nobody'"):
        distill("nobody", runs_dir=home / "runs")
    with pytest.raises(UsageError, match="give --student or --layers"):
        config_of(home, student="demo", layers=1)
    with pytest.raises(UsageError, match="no preset 'dem', did you mean 'demo'"):
        config_of(home, student="dem")
    with pytest.raises(ConfigError, match=r"temperature is 0\.0; it must be above 0"):
        config_of(home, temperature=0.0)


def test_a_teacher_takes_memory_too(home, monkeypatch):
    from bardling import run

    config = config_of(home, student="shakespeare", vocab_size=20, **SMALL)
    alone = replace(config, teacher="")
    needed = {}
    for name, one in (("taught", config), ("alone", alone)):
        low, high = 0, 10**9
        while high - low > 1:
            middle = (low + high) // 2
            monkeypatch.setattr(run, "physical_bytes", lambda middle=middle: middle)
            try:
                run.require_memory(one, batch_size=8)
                high = middle
            except ConfigError:
                low = middle
        needed[name] = high
    n_parameters = sum(p.numel() for p in load(home / "runs" / "big").model.parameters())
    assert needed["taught"] - needed["alone"] == 4 * n_parameters


def test_another_tokenizer_is_refused(home, tmp_path):
    save_tokenizer(BPETokenizer.train([sums(1, n_lines=50)], vocab_size=300), tmp_path / "words")
    for tokenizer in ("bpe:300", str(tmp_path / "words")):
        config = config_of(home, student="shakespeare", tokenizer=tokenizer, **SMALL)
        refused(
            config, tmp_path / "run", CheckpointError, "big has another tokenizer, and a student"
        )


def test_a_damaged_teacher_is_refused(home, tmp_path):
    shutil.copytree(home / "runs" / "big", tmp_path / "big")
    for path in (tmp_path / "big" / "checkpoints").glob("*/model.safetensors"):
        path.write_bytes(path.read_bytes()[:-3])
    config = replace(config_of(home, student="shakespeare", **SMALL), teacher=str(tmp_path / "big"))
    refused(
        config, tmp_path / "run", CheckpointError, "none of the 3 checkpoints of .* can be used"
    )


COMMANDS = [
    ({}, "--layers 1"),
    ({"student": "demo", "budget": "30s", **SMALL}, "--student"),
    ({"student": "modern-1m", "temperature": 3.0}, "--student modern-1m"),
    ({"student": "shakespeare", "corpus": "stories", "hard_weight": 0.1}, "--corpus stories"),
]


@pytest.mark.parametrize(("settings", "said"), COMMANDS)
def test_the_command_that_makes_it_again_is_known(home, settings, said):
    config = config_of(home, **settings)
    command = training_command(config)
    assert command.startswith(f"bardling distill {home}/runs/big ") and said in command
    _, _, teacher, *words = shlex.split(command)
    again = parse_settings(DistillArguments, _base(teacher, words), words, prog="bardling distill")
    vocab_size = config.model.vocab_size
    assert again[1].with_overrides(vocab_size=vocab_size) == config


def test_the_verb_holds_both_side_by_side(home, capsys, monkeypatch):
    from bardling.cli import main

    monkeypatch.chdir(home)
    words = ["--budget", "3steps", "--machine.compile", "off", "--task.temperature", "2"]
    assert main(["distill", "big", "--layers", "1", "--name", "by-verb", *words]) == 0
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.splitlines()[-4:-1]] == ["teacher", "student", "ratio"]
    run = bardling.load(home / "runs" / "by-verb")
    assert run.step == 3 and run.config.task == Distillation(temperature=2.0)
    assert main(["distill"]) == 2
    assert "say which run to learn from" in capsys.readouterr().err
    assert main(["distill", "big", "--layers", "x"]) == 2
    capsys.readouterr()
    assert main(["distill", "big", "--temperature", "2"]) == 2
    assert "did you mean '--task.temperature'" in capsys.readouterr().err
    assert main(["distill", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--student WORD" in shown and "--layers INT" in shown and "--adapter" not in shown


def test_what_is_told():
    found = Comparison(
        teacher=Side(loss=1.0, parameters=12_345, tokens_per_second=100.0),
        student=Side(loss=1.0 + 0.5, parameters=1_234, tokens_per_second=250.0),
        tokens=99,
    )
    assert found.told.splitlines() == [
        "teacher  loss 1.0000  perplexity      2.718  12,345 parameters       100 tokens/s",
        "student  loss 1.5000  perplexity      4.482   1,234 parameters       250 tokens/s",
        "ratio    perplexity 1.649, parameters 0.10, speed 2.50",
    ]
