"""RunConfig: strict JSON in and out, overrides by name, differences in words."""

import json
from dataclasses import replace

import pytest

from bardling.config import RunConfig, difference
from bardling.errors import ConfigError
from bardling.model.config import ModelConfig
from bardling.training.config import TrainingConfig


def test_json_round_trip_keeps_every_value():
    config = RunConfig(
        model=ModelConfig(n_kv_head=2, head_dim=16, attention="unmasked"),
        training=TrainingConfig(keep_at=(3, 5), budget="3epochs"),
    )
    assert RunConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_missing_keys_take_their_defaults():
    assert RunConfig.from_json({"model": {"n_layer": 2}}) == RunConfig(model=ModelConfig(n_layer=2))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": {"n_layers": 2}}, "no setting 'n_layers', did you mean 'n_layer'"),
        ({"modle": {}}, "no setting 'modle', did you mean 'model'"),
        ({"model": {"n_layer": 2.5}}, "config.model.n_layer is 2.5; it must be a whole number"),
        ({"model": {"n_layer": True}}, "must be a whole number"),
        ({"model": {"n_layer": "2"}}, "must be a whole number"),
        ({"model": {"dropout": "high"}}, "must be a number"),
        ({"model": {"bias": 1}}, "must be true or false"),
        ({"data": {"corpus": 3}}, "must be a text"),
        ({"model": {"norm": "layernrom"}}, "one of none, layernorm, rmsnorm, did you mean 'layern"),
        ({"training": {"keep_at": 5}}, "must be a list"),
        ({"training": {"keep_at": ["x"]}}, "must be a whole number"),
        ({"model": 3}, "config.model is 3; it must be a group of settings"),
        ([], "must be a group of settings"),
    ],
)
def test_anything_else_is_refused_by_place_and_kind(values, message):
    with pytest.raises(ConfigError, match=message):
        RunConfig.from_json(values)


def test_whole_numbers_may_stand_for_numbers_and_null_for_an_open_choice():
    config = RunConfig.from_json({"model": {"dropout": 0, "n_kv_head": None, "head_dim": 8}})
    assert config.model.dropout == 0.0 and isinstance(config.model.dropout, float)
    assert config.model.n_kv_head is None and config.model.head_dim == 8


def test_overrides_find_their_part():
    config = RunConfig().with_overrides(n_layer=1, lr=0.5, order="shuffled", seed=9)
    assert config.model.n_layer == 1
    assert config.optimizer.lr == 0.5
    assert config.data.order == "shuffled"
    assert config.training.seed == 9
    with pytest.raises(ConfigError, match="no setting 'n_layrs', did you mean 'n_layer'"):
        RunConfig().with_overrides(n_layrs=1)
    with pytest.raises(ConfigError, match="n_head 5"):
        RunConfig().with_overrides(n_head=5)


def test_difference_is_told_in_words_and_ignores_what_a_run_works_out():
    config = RunConfig()
    worked_out = replace(config, model=replace(config.model, vocab_size=65))
    assert difference(config, worked_out) is None
    assert difference(config, RunConfig.from_json(json.loads(json.dumps(config.to_json())))) is None
    other = config.with_overrides(batch_size=7)
    assert difference(config, other) == "batch_size is 32 here and 7 there"
