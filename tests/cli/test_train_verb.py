"""`bardling train`: every option of the contract does what it says."""

import math
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import bardling
from bardling import lesson
from bardling import trainer as trainer_module
from bardling import workbench as workbench_module
from bardling.checkpoint import load_checkpoint
from bardling.cli import train as train_module
from bardling.evaluation.loss import Evaluation
from bardling.run_folder import RunFolder
from bardling.training.schedule import CURVES


@pytest.fixture
def runs(tmp_path) -> Path:
    return tmp_path / "runs"


def weights(run: RunFolder, step: int) -> dict[str, torch.Tensor]:
    return dict(load_checkpoint(run.checkpoint_path(step)).weights)


def test_a_run_from_a_text_file_and_what_it_says(train, runs, text):
    done = train("--name", "demo")
    assert done.code == 0 and done.err == ""
    run = RunFolder(runs / "demo")
    result = run.result()
    lines = done.out.splitlines()
    n_train = int(0.9 * len(text.read_text()))
    assert lines[0] == "demo"
    assert f"{text}: {n_train:,} tokens to train on" in lines[2]
    assert "4 steps of 128 tokens" in lines[4]
    characters = len(set(text.read_text()))
    assert f"a loss of ln {characters} = " in done.out
    assert [line.split()[1] for line in lines if line.startswith("step")] == [
        *("0/4", "1/4", "2/4", "3/4", "4/4")
    ]
    assert lines[-3] == f"  next   bardling generate {run.path}"
    assert lines[-1] == f"  page   {run.path / 'report.html'}"
    bits = f"{result['best']['val_loss'] / math.log(2):.4f} bits per byte"
    assert f"{result['best']['val_loss']:.4f}  {bits}  (step {result['best']['step']})" in done.out
    for name in ("config.json", "tokenizer.json", "metrics.jsonl", "samples.md", "checkpoints"):
        assert (run.path / name).exists(), name


@pytest.mark.parametrize(
    ("budget", "steps"), [("3steps", 3), ("0.5ktokens", 4), ("257tokens", 3), ("0.02epochs", None)]
)
def test_budgets(train, runs, text, budget, steps):
    assert train("--name", "demo", "--budget", budget).code == 0
    if steps is None:
        tokens = int(0.9 * len(text.read_text()))
        steps = -(-tokens * 2 // (100 * 128))
    assert RunFolder(runs / "demo").result()["last"]["step"] == steps


def test_the_time_of_a_budget_runs_from_the_start_of_the_command(train, monkeypatch):
    heard = []

    def train_config(config, *, began, **_):
        heard.append(("began", began))
        return SimpleNamespace(folder=None)

    def parse_settings(*words, real=train_module.parse_settings, **named):
        heard.append(("parsing", time.perf_counter()))
        return real(*words, **named)

    monkeypatch.setattr(bardling, "train_config", train_config)
    monkeypatch.setattr(train_module, "leave_page", lambda run, *, since: None)
    monkeypatch.setattr(train_module, "parse_settings", parse_settings)
    start = time.perf_counter()
    assert train("--budget", "60s").code == 0
    (_, parsing), (_, began) = heard
    assert start <= began <= parsing


def test_options_reach_the_config(train, runs):
    done = train(
        *("--name", "demo", "--seed", 7, "--batch-size", 4, "--model.n_layer", 2),
        *("--model.n-kv-head", 1, "--model.no-residual", "--optimizer.lr", "0.01"),
        *("--order", "shuffled", "--accumulate", 2, "--val-fraction", "0.2"),
    )
    assert done.code == 0
    config = RunFolder(runs / "demo").config()
    assert (config.training.seed, config.training.batch_size) == (7, 4)
    assert (config.model.n_layer, config.model.n_kv_head, config.model.residual) == (2, 1, False)
    assert config.optimizer.lr == 0.01 and config.training.accumulate == 2
    assert (config.data.order, config.data.val_fraction) == ("shuffled", 0.2)


def test_the_seed_decides(train, runs):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train("--name", name, "--seed", seed, "--budget", "2steps")
    a, b, c = (weights(RunFolder(runs / name), 2) for name in "abc")
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert not all(torch.equal(a[key], c[key]) for key in a)


def test_runs_dir_goes_before_the_environment_and_that_before_the_default(
    cli, train, runs, tmp_path, monkeypatch
):
    other = tmp_path / "other"
    assert train("--name", "demo", "--runs-dir", other).code == 0
    assert (other / "demo" / "config.json").is_file() and not runs.exists()
    monkeypatch.delenv("BARDLING_RUNS")
    monkeypatch.chdir(tmp_path)
    assert train("--name", "here").code == 0
    assert (tmp_path / "runs" / "here" / "config.json").is_file()


def test_without_a_name_corpus_and_time_make_one(train, runs):
    assert train().code == 0
    [path] = runs.iterdir()
    stem, *when = path.name.split("-")
    assert stem == "sums"
    assert abs((datetime.now() - datetime.strptime("".join(when), "%Y%m%d%H%M%S")).days) <= 1


@pytest.mark.parametrize("words", [("--keep-at", "2,5"), ("--keep-at", 2, 5), ("--keep-at=2,5",)])
def test_steps_to_keep(train, runs, words):
    done = train("--name", "demo", "--budget", "9steps", "--keep-last", 1, *words)
    assert done.code == 0
    assert {0, 2, 5, 9} <= set(RunFolder(runs / "demo").steps()) <= {0, 2, 5, 8, 9}


def test_tokenizers_by_word_path_and_run(train, runs, cli, tmp_path):
    assert train("--name", "first", "--tokenizer", "char").code == 0
    sha256 = load_checkpoint(RunFolder(runs / "first").checkpoint_path(0)).tokenizer.sha256
    other = tmp_path / "other.txt"
    other.write_text("one and two make three. " * 40)
    for name, word in (
        ("by-run", "first"),
        ("by-folder", runs / "first"),
        ("by-file", runs / "first" / "tokenizer.json"),
    ):
        options = ("--name", name, "--tokenizer", word, "--corpus", other)
        assert train(*options).code == 0
        found = load_checkpoint(RunFolder(runs / name).checkpoint_path(0)).tokenizer
        assert found.sha256 == sha256


class PowerCut(Exception):
    pass


def cut_power(monkeypatch, at_step: int) -> None:
    """Let training stop dead after a step, as a power cut would."""
    real = trainer_module.Trainer._count

    def count(self, result):
        real(self, result)
        if result.step == at_step:
            raise PowerCut

    monkeypatch.setattr(trainer_module.Trainer, "_count", count)


@pytest.mark.parametrize("how", ["name", "path", "auto", "auto and corpus", "tokenizer by name"])
def test_resume(train, cli, runs, monkeypatch, how):
    tokenizer = ()
    if how == "tokenizer by name":
        assert train("--name", "letters", "--budget", "1steps").code == 0
        tokenizer = ("--tokenizer", "letters")
    assert train("--name", "whole", *tokenizer).code == 0
    with monkeypatch.context() as patch:
        cut_power(patch, 3)
        with pytest.raises(PowerCut):
            train("--name", "cut", *tokenizer)
    done = {
        "name": lambda: cli("train", "--resume", "cut"),
        "path": lambda: cli("train", "--resume", runs / "cut"),
        "auto": lambda: cli("train", "--resume=auto"),
        "auto and corpus": lambda: train("--resume", "auto"),
        "tokenizer by name": lambda: train("--resume", "auto", *tokenizer),
    }[how]()
    assert done.code == 0
    assert "goes on from step 2" in done.out
    whole, resumed = (weights(RunFolder(runs / name), 4) for name in ("whole", "cut"))
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_auto_begins_where_there_is_nothing_and_leaves_alone_what_has_ended(train, runs):
    assert train("--resume", "auto", "--name", "demo").code == 0
    before = (runs / "demo" / "metrics.jsonl").read_bytes()
    done = train("--resume", "auto", "--name", "demo")
    assert (done.code, done.out) == (0, "note  demo has ended already, at step 4\n")
    assert (runs / "demo" / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize("schedule", CURVES)
def test_show_schedule_draws_and_trains_nothing(train, runs, schedule):
    done = train(
        *("--show-schedule", "--schedule", schedule, "--min-lr-fraction", 0.01),
        *("--budget", "3000steps", "--optimizer.lr", 0.002),
    )
    assert done.code == 0 and not runs.exists()
    title, _, *drawn, axis, ends = done.out.splitlines()
    assert title.startswith(f"{schedule}, warm-up over 5% of the run")
    assert drawn[0].split("│")[0].strip() == "0.002" and len(drawn) == 9
    assert axis.strip().startswith("└──") and ends.endswith("step 3,000")
    at_the_end = [row.split("│")[1].ljust(64)[-1] for row in drawn]
    assert (at_the_end[0] == "█") == (schedule == "constant")


def test_a_diverging_run_exits_with_3_and_can_be_looked_at(train, cli, runs, monkeypatch):
    real = lesson.pretraining_loss

    def explode(model, batch):
        return real(model, batch) * float("nan")

    with monkeypatch.context() as patch:
        patch.setattr(lesson, "pretraining_loss", explode)
        done = train("--name", "demo", "--budget", "9steps")
    assert done.code == 3
    assert done.err.startswith("bardling: loss or gradient was not finite in steps 1 to 3")
    assert done.out.count("not finite, not applied") == 3
    assert RunFolder(runs / "demo").steps()[0] == 0
    assert cli("generate", "demo", "--max-new-tokens", 2).code == 0


def test_losses_that_are_not_finite_are_said_everywhere(train, cli, runs, monkeypatch):
    real = workbench_module.Validation.during_run

    def infinite(self, model):
        train, val = real(self, model)
        return train, replace(val, loss=float("inf"))

    whole = Evaluation(loss=float("inf"), tokens=1)
    monkeypatch.setattr(workbench_module.Validation, "during_run", infinite)
    monkeypatch.setattr(workbench_module.Validation, "whole", lambda self, model: whole)
    done = train("--name", "demo")
    assert done.code == 0 and "val not finite" in done.out
    assert cli("runs").code == 0
    shown = cli("generate", "demo", "--max-new-tokens", 2, "--temperature", 0, 1)
    assert shown.code == 0 and "val_loss=unknown" in shown.out


def test_names_that_look_like_markup_are_shown_as_they_are(train, odd_text):
    done = train("--corpus", odd_text, "--name", "demo")
    assert done.code == 0
    assert f"{odd_text}: " in done.out
