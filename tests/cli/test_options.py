"""Options: names, the nearest of them, and lists with commas."""

import dataclasses
from typing import get_args

import pytest

from bardling.cli.evaluate import EvaluateArguments
from bardling.cli.options import option_names, parse, split_commas
from bardling.cli.train import TrainArguments
from bardling.config import RunConfig, settings
from bardling.errors import UsageError
from bardling.training.optimizer_config import OptimizerConfig


def test_every_setting_of_a_run_is_an_option_but_the_number_of_steps():
    names = set(option_names(TrainArguments))
    assert {"name", "resume", "runs-dir", "show-schedule", "budget", "seed", "tokenizer"} <= names
    assert {"model.n-layer", "model.n-kv-head", "optimizer.lr", "keep-at", "corpus"} <= names
    plain = {name.split(".")[-1].replace("-", "_") for name in names}
    own = {f.name for f in dataclasses.fields(TrainArguments)}
    found = settings(RunConfig().to_json())
    assert {part for part, _ in found} - own == {"chat"}  # which only fine-tuning brings
    shown = [(part, name) for part, name in found if part in own]
    assert {name for _, name in shown} <= plain
    assert len(names) == len(shown) + len(own - {part for part, _ in shown})


@pytest.mark.parametrize("optimizer", get_args(OptimizerConfig))
def test_the_options_of_a_part_are_those_of_its_type(optimizer):
    plain = RunConfig()
    default = TrainArguments(
        data=plain.data,
        model=plain.model,
        training=plain.training,
        machine=plain.machine,
        optimizer_kind="unused here",
        optimizer=optimizer(),
    )
    names = list(option_names(TrainArguments, default))
    assert len(names) == len(set(names)) and "optimizer" in names
    own = {f"optimizer.{f.name.replace('_', '-')}" for f in dataclasses.fields(optimizer)}
    assert {name for name in names if name.startswith("optimizer.")} == own


@pytest.mark.parametrize(
    ("word", "nearest"),
    [
        ("--bugdet", "--budget"),
        ("--n_head", "--model.n-head"),
        ("--n-layer=3", "--model.n-layer"),
        ("--lr", "--optimizer.lr"),
        ("--model.n_haed", "--model.n-head"),
        ("--warmup", "--warmup-fraction"),
        ("--optimiser", "--optimizer"),
        ("--optimizer.beta-1", "--optimizer.beta1"),
        ("--muon-lr", "--optimizer muon --optimizer.muon-lr"),
        ("--optimizer.muon-lr", "--optimizer muon --optimizer.muon-lr"),
    ],
)
def test_an_unknown_option_names_the_nearest(cli, word, nearest):
    done = cli("train", "seed-001", word, "3")
    assert done.code == 2 and done.out == ""
    said = word.split("=")[0]
    meant = f"train has no option '{said}', did you mean '{nearest}'?; --help shows them all"
    assert done.err == f"bardling: {meant}\n"


def test_a_word_too_many_and_an_option_like_none():
    with pytest.raises(UsageError, match="evaluate can do nothing with 'ROMEO'; text with spaces"):
        parse(EvaluateArguments, ["will", "ROMEO"], prog="bardling evaluate")
    with pytest.raises(UsageError, match="evaluate has no option '--zzzzzz'; --help"):
        parse(EvaluateArguments, ["will", "--zzzzzz"], prog="bardling evaluate")


def test_parse_returns_what_the_words_say():
    arguments = parse(EvaluateArguments, ["will", "--json"], prog="bardling evaluate")
    assert arguments == EvaluateArguments(run="will", json=True)
    again = parse(EvaluateArguments, ["--no-json"], prog="bardling evaluate", default=arguments)
    assert again == EvaluateArguments(run="will", json=False)


def test_commas_separate_the_values_of_one_option_only():
    words = ["--keep-at", "2,5", "--name", "a,b", "--keep-at=7,9"]
    expected = ["--keep-at", "2", "5", "--name", "a,b", "--keep-at", "7", "9"]
    assert split_commas(words, "--keep-at") == expected
    assert split_commas(["--keep-at"], "--keep-at") == ["--keep-at"]
