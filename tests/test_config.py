"""RunConfig: strict JSON in and out, overrides by name, differences in words."""

import json
from dataclasses import replace

import pytest

from bardling.config import RunConfig, difference, settings
from bardling.errors import ConfigError
from bardling.model.config import ModelConfig
from bardling.training.config import TrainingConfig
from bardling.training.optimizer_config import SGD, Adam, AdamW, Muon
from bardling.training.plan import Plan


def test_json_round_trip_keeps_every_value():
    config = RunConfig(
        model=ModelConfig(n_kv_head=2, head_dim=16, attention="unmasked"),
        training=TrainingConfig(keep_at=(3, 5), budget="3epochs"),
    )
    assert RunConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize(
    ("optimizer", "word"),
    [
        (AdamW(lr=0.5), "adamw"),
        (Muon(muon_lr=0.5, nesterov=False), "muon"),
        (Adam(beta2=0.5), "adam"),
        (SGD(momentum=0.5), "sgd"),
    ],
)
def test_json_says_which_optimizer_it_is(optimizer, word):
    config = RunConfig(optimizer=optimizer)
    values = json.loads(json.dumps(config.to_json()))
    assert values["optimizer"]["kind"] == word
    assert RunConfig.from_json(values) == config
    assert {name for part, name in settings(values) if part == "optimizer"} == vars(
        optimizer
    ).keys()


def test_a_config_from_before_there_was_a_choice_means_adamw():
    old = {"optimizer": {"lr": 0.5, "beta1": 0.8}}
    assert RunConfig.from_json(old).optimizer == AdamW(lr=0.5, beta1=0.8)


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
        ({"optimizer": 3}, "config.optimizer is 3; it must be a group of settings"),
        ({"optimizer": {"kind": "muno"}}, "one of adamw, muon, adam, sgd, did you mean 'muon'"),
        (
            {"optimizer": {"muon_lr": 0.1}},
            "has no setting 'muon_lr' when its kind is adamw; choose muon, or leave it away",
        ),
        (
            {"optimizer": {"kind": "sgd", "beta1": 0.1}},
            "has no setting 'beta1' when its kind is sgd; choose adamw or muon or adam",
        ),
        ({"optimizer": {"kind": "muon", "muon_lrs": 1}}, "'muon_lrs', did you mean 'muon_lr'"),
    ],
)
def test_anything_else_is_refused_by_place_and_kind(values, message):
    with pytest.raises(ConfigError, match=message):
        RunConfig.from_json(values)


def test_whole_numbers_may_stand_for_numbers_and_null_for_an_open_choice():
    config = RunConfig.from_json({"model": {"dropout": 0, "n_kv_head": None, "head_dim": 8}})
    assert config.model.dropout == 0.0 and isinstance(config.model.dropout, float)
    assert config.model.n_kv_head is None and config.model.head_dim == 8


def with_replans(total_steps: int, *earlier: tuple[int, int, int]) -> dict:
    """Return the settings of a budget whose plan was changed: when, and what it was before."""
    names = ("replanned_at", "earlier_steps", "earlier_intervals")
    columns = zip(*earlier, strict=True) if earlier else ((), (), ())
    return {"total_steps": total_steps} | dict(zip(names, columns, strict=True))


def test_a_plan_that_was_changed_twice_goes_to_json_and_back():
    plan = Plan(total_steps=12, eval_interval=4).replanned(7, 40, 9).replanned(30, 35)
    config = RunConfig().with_plan(plan)
    assert config.plan == plan == RunConfig.from_json(json.loads(json.dumps(config.to_json()))).plan
    assert config == RunConfig(eval_interval=9, **with_replans(35, (7, 12, 4), (30, 40, 9)))


@pytest.mark.parametrize("told", [{}, {"eval_interval": 4}])
def test_what_older_runs_wrote_of_a_changed_plan_is_read(told):
    old = {"total_steps": 20, "replanned_at": 7, "first_total_steps": 12, "eval_interval": 4}
    assert RunConfig.from_json(old).plan == Plan(total_steps=12, eval_interval=4).replanned(7, 20)
    never = {"total_steps": 20, "replanned_at": 0, "first_total_steps": 0} | told
    assert RunConfig.from_json(never).plan == Plan(total_steps=20, **told)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (with_replans(12, (7, 6, 1)), "replanned_at 7 does not lie between step 0 and the 6 steps"),
        (with_replans(7, (7, 12, 1)), "replanned_at 7 leaves none of the 7 steps after it"),
        (with_replans(0, (7, 12, 1)), "replanned_at 7 leaves none of the 0 steps after it"),
        (with_replans(99, (7, 12, 1), (7, 20, 1)), "replanned_at 7 does not lie between step 7"),
        (with_replans(99, (7, 12, 1), (9, 7, 1)), "replanned_at 7 leaves none of the 7 steps"),
        (with_replans(20, (7, 12, 0)), "earlier_intervals has 0; each must be at least 1"),
        ({"replanned_at": (1,)}, "replanned_at, earlier_steps and earlier_intervals must name as"),
    ],
)
def test_steps_that_no_run_can_have_been_replanned_to_are_refused(values, said):
    with pytest.raises(ConfigError, match=f"^{said}"):
        RunConfig(**values)


def test_shared_weights_and_adapters_do_not_go_together():
    with pytest.raises(ConfigError, match="fsdp there are no adapters"):
        RunConfig().with_overrides(adapter="lora", parallel="fsdp")


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


def test_an_optimizer_is_chosen_by_its_word_with_its_own_defaults():
    config = RunConfig(optimizer=AdamW(lr=0.5, weight_decay=0.0))
    assert config.with_overrides(optimizer="muon").optimizer == Muon()
    chosen = config.with_overrides(optimizer="muon", muon_lr=0.2, lr=0.1, n_layer=1)
    assert chosen.optimizer == Muon(muon_lr=0.2, lr=0.1) and chosen.model.n_layer == 1
    assert chosen.with_overrides(muon_lr=0.3).optimizer == Muon(muon_lr=0.3, lr=0.1)
    assert chosen.with_overrides(optimizer="sgd", momentum=0.9).optimizer == SGD(momentum=0.9)


def test_choosing_the_optimizer_that_is_there_changes_nothing():
    config = RunConfig(optimizer=Muon(lr=0.5))
    assert config.with_overrides(optimizer="muon") == config
    assert config.with_overrides(optimizer="muon", ns_steps=3).optimizer == Muon(lr=0.5, ns_steps=3)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"optimizer": "muno"}, "one of adamw, muon, adam, sgd, did you mean 'muon'"),
        ({"optimizer": 3}, "one of adamw, muon, adam, sgd"),
        ({"muon_lr": 0.1}, "no setting 'muon_lr' when its kind is adamw; choose muon"),
        ({"optimizer": "sgd", "lr": 0.1, "eps": 0.1}, "no setting 'eps' when its kind is sgd"),
        ({"optimiser": "sgd"}, "no setting 'optimiser', did you mean 'optimizer'"),
        ({"kind": "sgd"}, "no setting 'kind'"),
        ({"mun_lr": 1}, "no setting 'mun_lr', did you mean 'muon_lr'"),
    ],
)
def test_an_optimizer_that_is_not_there_is_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        RunConfig().with_overrides(**overrides)


def test_optimizers_differ_by_kind_before_they_differ_by_number():
    adamw, muon = RunConfig(), RunConfig().with_overrides(optimizer="muon", lr=0.5)
    assert difference(adamw, muon) == "optimizer is 'adamw' here and 'muon' there"
    assert difference(muon, adamw) == "optimizer is 'muon' here and 'adamw' there"
    slower = muon.with_overrides(muon_lr=0.1)
    assert difference(muon, slower) == f"muon_lr is {Muon().muon_lr} here and 0.1 there"


def test_difference_is_told_in_words_and_ignores_what_a_run_works_out():
    config = RunConfig()
    worked_out = replace(config, model=replace(config.model, vocab_size=65))
    assert difference(config, worked_out) is None
    assert difference(config, RunConfig.from_json(json.loads(json.dumps(config.to_json())))) is None
    other = config.with_overrides(batch_size=7)
    assert difference(config, other) == "batch_size is 32 here and 7 there"
