"""The command that a run's page names makes a run by the same settings."""

import shlex

import pytest

from bardling.cli.options import split_commas, value_of
from bardling.cli.settings import parse_settings
from bardling.cli.train import TrainArguments, _given
from bardling.config import RunConfig
from bardling.planning import open_settings
from bardling.presets.command import training_command
from bardling.presets.table import PRESETS, config_for
from tiny import tiny_config, write_text


def read(command: str) -> RunConfig:
    """Return the settings that the command line reads from a command."""
    program, verb, target, *words = shlex.split(command)
    assert (program, verb) == ("bardling", "train")
    base = config_for(target, value_of("--budget", words))
    assert open_settings(base, _given(words)) == frozenset(), "the command would choose sizes"
    return parse_settings(TrainArguments, base, split_commas(words, "--keep-at"), prog="x train")[1]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_its_own_command(name):
    config = config_for(name)
    assert read(training_command(config)) == config
    assert len(training_command(config).split()) == 3


CHANGES = [
    {"lr": 0.5, "n_layer": 2, "d_ff": None, "tie_embeddings": False, "keep_at": (3, 7)},
    {"optimizer": "sgd", "momentum": 0.9, "qk_norm": True, "precision": "fp32"},
    {"budget": "90s", "dropout": 0.25, "init": "copying"},
    {"budget": "17steps", "warmup_fraction": 1e-05, "order": "documents", "quick_checks": False},
]


@pytest.mark.parametrize("changes", CHANGES, ids=lambda changes: next(iter(changes)))
@pytest.mark.parametrize("name", ["shakespeare", "seed-002-medium", "modern-1m"])
def test_other_settings_are_options(name, changes):
    config = config_for(name).with_overrides(**changes)
    assert read(training_command(config)) == config


def test_a_text_with_a_difficult_name(tmp_path):
    folder = tmp_path / "it's a text"
    folder.mkdir()
    for changes in ({}, {"budget": "60s"}):
        config = tiny_config(write_text(folder), **changes)
        assert read(training_command(config)) == config
    plain = config_for(config.data.corpus).with_overrides(budget="60s")
    assert read(training_command(plain)) == plain
    gone = config.with_overrides(corpus=str(tmp_path / "gone.txt"))
    assert "--corpus" in training_command(gone) and read(training_command(gone)) == gone


def test_what_follows_from_the_text_is_not_said():
    config = config_for("stories").with_overrides(vocab_size=77)
    assert training_command(config) == "bardling train stories"
