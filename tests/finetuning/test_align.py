"""A run that learns what is preferred: it begins as its reference, and goes on bit for bit."""

import json
import math
from contextlib import suppress
from dataclasses import replace
from functools import partial

import pytest
import torch

import bardling
from bardling.checkpoint import load_checkpoint
from bardling.cli import main
from bardling.config import RunConfig
from bardling.data.sums import sums
from bardling.errors import BardlingError, CorpusError
from bardling.evaluation.preferences import PairEvaluation
from bardling.finetuning.align import align
from bardling.machine.machine import plain_machine
from bardling.preferring import preference_objective
from bardling.presets.command import training_command
from bardling.presets.tuned import aligned_config
from bardling.reporting.console import preferences
from bardling.run import require_memory, resume_run, start_run
from bardling.run_folder import RunFolder
from bardling.seen import batch_texts
from bardling.training.preference import AdaptersOff, Frozen
from bardling.training.task import Preference
from tiny import SETTINGS, Listener
from together import together

STEPS = {"budget": "6steps", "eval_interval_steps": 3, "precision": "fp32", "compile": "off"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    (folder / "lines").mkdir()
    lines = sums(3, n_lines=120).splitlines()
    for number, line in enumerate(lines):
        (folder / "lines" / f"{number}.txt").write_text(line)
    config = RunConfig().with_overrides(
        corpus=str(folder / "lines"),
        **(SETTINGS | {"block_size": 64, "budget": "20steps", "eval_interval_steps": 10}),
    )
    start_run(config, RunFolder(folder / "runs" / "base"), data_dir=None, watcher=Listener())
    pairs = []
    for line in lines:
        words = line.split(" ")
        pairs.append(
            {
                "prompt": words[0],
                "chosen": " " + " ".join(words[1:]),
                "rejected": " " + " ".join(words[:0:-1]),
            }
        )
    (folder / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    return folder


def aligned(home, name, **overrides):
    return align(
        home / "runs" / "base", home / "pairs.jsonl", name=name, runs_dir=home / "runs",
        **(STEPS | overrides),
    )  # fmt: skip


def config_of(home, **overrides) -> RunConfig:
    base = RunFolder(home / "runs" / "base")
    adapter = overrides.pop("adapter", "whole")
    config = aligned_config(base.config(), str(base.path), str(home / "pairs.jsonl"), adapter)
    return config.with_overrides(**(STEPS | overrides))


LORA = {"adapter": "lora", "rank": 2, "lr": 3e-2}


@pytest.mark.parametrize("adapter", [{"lr": 5e-3}, LORA, LORA | {"embeddings": True, "lr": 1e-2}])
def test_it_begins_as_its_reference_and_learns(home, adapter):
    run, forgotten = aligned(home, f"run-{len(adapter)}", beta=1.0, budget="20steps", **adapter)
    lines = [record for record in run.metrics() if "val_loss" in record]
    first, last = lines[0], lines[-1]
    assert first["val_loss"] == first["train_loss"] == pytest.approx(math.log(2), rel=1e-7)
    assert (first["val_margin"], first["val_accuracy"]) == (0.0, 0.5)
    assert last["val_loss"] < 0.5 and last["val_accuracy"] > 0.9 and last["val_margin"] > 0.5
    assert last["val_preferred"] >= first["val_preferred"]
    assert forgotten is not None and forgotten.after != forgotten.before
    result = run.folder.result()
    assert result is not None and result["best"]["val_accuracy"] > 0.9
    assert result["forgetting"]["before"] == forgotten.before
    assert (
        dict(run.model.named_parameters()).keys()
        == dict(bardling.load(home / "runs" / "base").model.named_parameters()).keys()
    )
    assert run.generate("one", max_new_tokens=3)


@pytest.mark.parametrize(
    "settings",
    [{}, {"adapter": "lora", "lora_dropout": 0.2}, {"kernels": "plain", "dropout": 0.1}],
)
def test_a_run_that_stopped_goes_on_bit_for_bit(home, settings, tmp_path):
    config = config_of(home, **settings)
    whole, part = (RunFolder(tmp_path / name) for name in ("whole", "part"))
    for run in (whole, part):
        start_run(config, run, data_dir=None, watcher=Listener())
    part.result_path.unlink()
    for file in part.checkpoint_path(6).iterdir():
        file.unlink()
    part.checkpoint_path(6).rmdir()
    resume_run(part, Listener())
    one, two = (load_checkpoint(run.checkpoint_path(6)) for run in (whole, part))
    assert all(torch.equal(one.weights[n], two.weights[n]) for n in one.weights)
    assert all(torch.equal(one.optimizer[n], two.optimizer[n]) for n in one.optimizer)
    last = [next(r for r in run.metrics() if r["step"] == 6) for run in (whole, part)]
    told = ("loss", "val_loss", "val_margin", "val_accuracy", "tokens")
    assert [last[0][name] for name in told] == [last[1][name] for name in told]


def test_any_number_of_parts_is_the_same_run(home, tmp_path):
    losses = []
    for accumulate in (1, 3):
        run = RunFolder(tmp_path / str(accumulate))
        config = config_of(home, batch_size=5, accumulate=accumulate)
        start_run(config, run, data_dir=None, watcher=Listener())
        losses.append([r["loss"] for r in run.metrics() if r.get("loss") is not None])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


TOGETHER = """
import sys
import bardling
ways = {"whole": {}, "lora": {"adapter": "lora", "rank": 2, "accumulate": 2}}
for name, way in ways.items():
    bardling.align(
        sys.argv[1], sys.argv[2], name=name, runs_dir=sys.argv[3], batch_size=5, lr=3e-3,
        budget="6steps", eval_interval_steps=3, precision="fp64", compile="off", **way,
    )
"""


def test_two_processes_are_one_in_float64(home, tmp_path):
    for processes in (1, 2):
        said = together(
            TOGETHER, home / "runs" / "base", home / "pairs.jsonl", tmp_path / str(processes),
            processes=processes,
        )  # fmt: skip
        assert [(code, err) for code, _, err in said] == [(0, "")] * processes
    for name in ("whole", "lora"):
        one, two = (RunFolder(tmp_path / processes / name) for processes in ("1", "2"))
        mine, theirs = (load_checkpoint(run.checkpoint_path(6)).weights for run in (one, two))
        assert mine.keys() == theirs.keys()
        assert max((mine[n] - theirs[n]).abs().max().item() for n in mine) < 1e-10
        logs = [[r for r in run.metrics() if "val_loss" in r] for run in (one, two)]
        for first, second in zip(*logs, strict=True):
            for key in ("val_loss", "val_margin", "val_accuracy", "val_preferred", "tokens"):
                assert first[key] == pytest.approx(second[key], abs=1e-10)


def test_epochs_are_those_of_pairs(home, tmp_path):
    run, listener = RunFolder(tmp_path / "run"), Listener()
    start_run(config_of(home, budget="2epochs"), run, data_dir=None, watcher=listener)
    facts = listener.facts[0]
    assert (facts.n_pairs, facts.batch_pairs) == (108, 4)
    assert facts.total_steps == 54 and facts.passes == 2.0
    texts = batch_texts(run, 1)
    assert len(texts) == 8
    assert sorted(texts[0][1].split()) == sorted(texts[1][1].split())  # the words turned round


def test_the_command_that_makes_it_again_is_known(home):
    config = config_of(home, adapter="lora", rank=3, beta=0.4)
    assert isinstance(config.task, Preference)
    command = training_command(config)
    assert command.startswith(f"bardling align {home}/runs/base {home}/pairs.jsonl ")
    for words in ("--adapter lora", "--adapter.rank 3", "--task.beta 0.4"):
        assert words in command
    assert "--task preference" not in command and "dropout" not in command


def test_bad_pairs_leave_nothing(home, tmp_path):
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"prompt": "a", "chosen": "b", "rejected": "b"}\n')
    with pytest.raises(CorpusError, match="the same answer twice"):
        align(home / "runs" / "base", bad, name="x", runs_dir=tmp_path / "runs", **STEPS)
    assert not (tmp_path / "runs").exists()
    run = RunFolder(tmp_path / "runs" / "new")
    with pytest.raises(BardlingError, match="say which by start"):
        start_run(replace(config_of(home), start=""), run, data_dir=None, watcher=Listener())
    assert not (tmp_path / "runs").exists()
    with pytest.raises(BardlingError, match="beta is 0"):
        aligned(home, "y", beta=0.0)
    assert not (home / "runs" / "y").exists()


@pytest.mark.parametrize(("more", "kind"), [({}, AdaptersOff), ({"embeddings": True}, Frozen)])
def test_a_reference_is_a_copy_where_the_model_itself_is_trained(home, tmp_path, more, kind):
    config = config_of(home, **LORA, **more)
    run = RunFolder(tmp_path / "run")
    start_run(config, run, data_dir=None, watcher=Listener())
    assert isinstance(config.task, Preference)
    objective = preference_objective(config.task, config, run)(plain_machine())
    assert isinstance(objective.reference, kind)


def test_the_reference_and_both_sequences_take_memory(home, monkeypatch):
    there = []
    kinds = ({}, {"adapter": "lora"}, {"adapter": "lora", "embeddings": True})
    for adapter in kinds:
        for memory in range(2**16, 2**24, 2**16):
            monkeypatch.setattr("bardling.run.physical_bytes", partial(int, memory))
            with suppress(BardlingError):
                require_memory(config_of(home, **adapter), batch_size=2)
                there.append(memory)
                break
    assert there[0] == there[2] > there[1], "adapters alone need no copy of the model"
    monkeypatch.setattr("bardling.run.physical_bytes", lambda: 1)
    with pytest.raises(BardlingError, match="4 sequences at a time"):
        require_memory(config_of(home), batch_size=2)


def test_a_validation_is_told_in_words():
    told = PairEvaluation(loss=0.5, tokens=7, margin=1.25, accuracy=0.875, preferred=0.75).to_json()
    assert told["val_tokens"] == 7
    assert preferences(told) == "  margin 1.2500  right 87.5%, likelier 75.0%"
    assert preferences({"val_loss": 1.0}) == ""


def test_the_verb_says_what_became_of_preferences(home, capsys, monkeypatch):
    monkeypatch.chdir(home)
    words = ["--budget", "3steps", "--name", "by-verb", "--machine.compile", "off",
             "--adapter", "lora", "--adapter.rank", "2", "--task.beta", "0.5"]  # fmt: skip
    assert main(["align", "base", "pairs.jsonl", *words]) == 0
    said = capsys.readouterr().out
    for part in ("which it was trained on first", "ln 2 = 0.6931", "nats per pair", "likelier"):
        assert part in said
    assert "checks" not in said
    run = bardling.load(home / "runs" / "by-verb")
    assert isinstance(run.config.task, Preference) and run.config.task.beta == 0.5
    assert main(["align", "base"]) == 2
    assert "where pairs of answers are" in capsys.readouterr().err
    assert main(["align", "--help"]) == 0
    assert "--task.beta" in capsys.readouterr().out
    assert main(["data", "show", "runs/by-verb", "--step", "1"]) == 0
