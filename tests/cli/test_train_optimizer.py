"""`bardling train --optimizer`: the word chooses the optimizer, its options set its numbers."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

import bardling
from bardling.cli import train as train_verb
from bardling.presets.lecture import TORCH_ADAMW
from bardling.presets.own import demo
from bardling.training.optimizer_config import SGD, Adam, AdamW, Muon

MUON = ("--optimizer", "muon")


@pytest.fixture
def optimizer_of(cli, monkeypatch):
    """Return the optimizer with which `bardling train seed-001` would train."""
    given = []

    def train_config(config, **_):
        given.append(config)
        return SimpleNamespace(folder=None)

    monkeypatch.setattr(bardling, "train_config", train_config)
    monkeypatch.setattr(train_verb, "leave_page", lambda run, *, since: None)

    def call(*words: object):
        done = cli("train", "seed-001", *words)
        assert done.code == 0, done.err
        return given.pop().optimizer

    return call


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), TORCH_ADAMW),
        (("--optimizer", "adamw"), TORCH_ADAMW),
        (("--optimizer.beta2", 0.9), replace(TORCH_ADAMW, beta2=0.9)),
        (("--optimizer", "muon"), Muon()),
        (("--optimizer=muon", "--optimizer.muon-lr", 0.01), Muon(muon_lr=0.01)),
        (("--optimizer.muon_lr", 0.01, "--optimizer", "muon"), Muon(muon_lr=0.01)),
        (("--optimizer", "muon", "--optimizer.no-nesterov"), Muon(nesterov=False)),
        (("--optimizer", "adam", "--optimizer.lr", 0.5), Adam(lr=0.5)),
        (
            ("--optimizer", "sgd", "--optimizer.momentum=0.9", "--optimizer.nesterov"),
            SGD(momentum=0.9, nesterov=True),
        ),
        (("--optimizer", "sgd", "--optimizer", "muon"), Muon()),
    ],
)
def test_word_and_numbers(optimizer_of, words, expected):
    assert optimizer_of(*words) == expected


def test_where_the_preset_has_muon_its_options_need_no_word(optimizer_of, monkeypatch):
    config = demo().config.with_overrides(optimizer="muon", lr=0.5, muon_lr=0.02)
    monkeypatch.setattr(train_verb, "config_for", lambda target, budget: config)
    assert optimizer_of("--optimizer.muon-lr", 0.01) == Muon(lr=0.5, muon_lr=0.01)
    assert optimizer_of("--optimizer", "muon") == Muon(lr=0.5)
    assert optimizer_of("--optimizer", "adamw") == AdamW()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--optimizer", "muno"), 2, "'muno' is no optimizer, did you mean 'muon'?; there are a"),
        (("--optimizer", "xyz"), 2, "'xyz' is no optimizer; there are adamw, muon, adam, sgd\n"),
        (("--optimizer=",), 2, "'' is no optimizer; there are adamw, muon, adam, sgd\n"),
        (("--optimizer.muon-lr", 1), 2, "did you mean '--optimizer muon --optimizer.muon-lr'?"),
        (
            ("--optimizer", "sgd", "--optimizer.weight-decay", 1),
            2,
            "did you mean '--optimizer adamw --optimizer.weight-decay'?",
        ),
        (("--optimizer", "sgd", "--optimizer.momentum", 2), 1, "momentum is 2.0; it must be in"),
        (("--optimizer", "sgd", "--optimizer.nesterov"), 1, "nesterov looks ahead along"),
    ],
)
def test_what_is_refused(cli, words, code, said):
    done = cli("train", "seed-001", *words)
    assert done.code == code and done.err.count("\n") == 1
    assert done.err.startswith("bardling: ") and said in done.err


def test_help_lists_the_choices_and_the_options_of_the_one_chosen(cli):
    plain, muon = (cli("train", "seed-001", *words, "--help").out for words in ((), MUON))
    for shown in (plain, muon):
        assert "--optimizer adamw|muon|adam|sgd" in shown
        for word, meaning in (("muon", "Jordan 2024"), ("adam", "Kingma"), ("sgd", "Stochastic")):
            assert f"{word}: " in shown and meaning in shown
    assert "--optimizer.weight-decay" in plain and "--optimizer.muon-lr" not in plain
    assert "--optimizer.weight-decay" in muon and "--optimizer.muon-lr" in muon
    assert "(default: adamw)" in plain and "(default: muon)" in muon


def test_the_schedule_is_drawn_to_the_rate_of_the_chosen_optimizer(train):
    done = train("--show-schedule", *MUON, "--optimizer.lr", 0.004)
    assert done.code == 0 and "0.004" in done.out


def test_a_run_with_muon_and_its_end(train, cli, tmp_path):
    assert train("--name", "seed-001", *MUON, "--optimizer.muon-lr", 0.01).code == 0
    run = bardling.load(tmp_path / "runs" / "seed-001")
    assert run.config.optimizer == Muon(muon_lr=0.01)
    other = train("--name", "seed-001", "--resume", "auto")
    assert other.code == 2 and "optimizer is 'adamw' here and 'muon' there" in other.err
    same = train("--resume", "seed-001", *MUON)
    assert same.code == 0 and "has ended already" in same.out
    alone = cli("train", "--resume", "seed-001", "--optimizer", "sgd")
    assert alone.code == 2 and "optimizer is 'sgd' here and 'muon' there" in alone.err
