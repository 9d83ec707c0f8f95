"""What experiments compare: rungs that differ in one thing, combinations, exercises."""

from itertools import pairwise

import pytest

from bardling.config import RunConfig, difference
from bardling.errors import ConfigError, UsageError
from bardling.experiments.ablations import OPTIMIZERS, REMOVALS, ablations, whole_model
from bardling.experiments.ladder import chosen, quick_remarks, rungs, tokens_of
from bardling.experiments.named_sweeps import NAMED, crossed, named_cases
from bardling.experiments.sweep import combinations, parse_vary
from bardling.training.optimizer_config import Muon


def test_every_rung_changes_something_and_all_see_the_same_batches():
    cases = rungs()
    for one, next_one in pairwise(cases):
        assert difference(one.config, next_one.config) is not None
    small = {(c.config.training.batch_size, c.config.model.block_size) for c in cases[:6]}
    large = {(c.config.training.batch_size, c.config.model.block_size) for c in cases[6:]}
    assert len(small) == len(large) == 1
    assert {case.config.training.seed for case in cases} == {0}


def test_the_seeds_last_bar_is_met_by_the_same_model_trained_longer():
    quick, full = ({c.name: c for c in rungs(full=full)} for full in (False, True))
    scaled, longer = quick["scaled"], quick["longer"]
    assert longer.config.with_overrides(budget=scaled.config.training.budget) == scaled.config
    tokens = [tokens_of(case) for case in (scaled, longer, full["scaled"])]
    assert tokens == [1500 * 16 * 128, 8000 * 16 * 128, 5000 * 64 * 128]
    assert "longer" not in full
    (remark,) = quick_remarks(list(quick.values()))
    alike = {case.name: case.stated for case in rungs(longer=False)}
    assert "longer" not in alike and alike["scaled"] == 1.59
    (elsewhere,) = quick_remarks(rungs("stories"))
    assert "'longer'" in remark and "'longer'" not in elsewhere
    assert "on 3.07M tokens" in remark and "--full gives each 41M." in remark
    assert quick_remarks([longer]) == []


def test_the_whole_model_has_seeds_enough_to_see_what_is_chance():
    for kind, whole in ((REMOVALS, "whole"), (OPTIMIZERS, "adamw-95")):
        seeds = {case.name: case.n_seeds for case in ablations(kind, "shakespeare")}
        assert seeds.pop(whole) == 3 and set(seeds.values()) == {1}


def test_byte_pairs_stand_beside_the_ladder():
    cases = {case.name: case.config for case in rungs()}
    assert cases["byte-pairs"].data.tokenizer == "bpe:512"
    assert cases["rotary"].data.tokenizer == "char"
    assert isinstance(cases["muon"].optimizer, Muon) and cases["muon"].model.qk_norm


def test_seeds_and_budgets_of_a_case():
    case = rungs()[0]
    assert [trial.name for trial in case.trials] == [f"bigram-seed{n}" for n in range(3)]
    changed = case.changed(n_seeds=1, budget="9steps")
    assert [trial.config.training.budget for trial in changed.trials] == ["9steps"]
    assert case.changed() == case


def test_what_the_seed_states_is_of_its_own_text():
    stated = [2.88, 2.41, 2.32, 2.23, 2.09, 1.59]
    for full, last in ((False, "longer"), (True, "scaled")):
        told = {c.name: c.stated for c in rungs(full=full) if c.stated}
        assert list(told.values()) == stated and list(told)[-1] == last
    assert not any(case.stated for case in rungs("stories"))


@pytest.mark.parametrize("rungs_", [REMOVALS, OPTIMIZERS])
def test_variations_change_the_whole_model_and_nothing_else(rungs_):
    cases = ablations(rungs_, "shakespeare")
    same = [c.name for c in cases if c.config == whole_model()]
    assert same == (["whole"] if rungs_ is REMOVALS else ["adamw-95"])
    assert len({case.name for case in cases}) == len(cases)


def test_rungs_by_name():
    assert [case.name for case in chosen(rungs(), ["head", "bigram"])] == ["bigram", "head"]
    with pytest.raises(UsageError, match=r"no 'haed' to compare, did you mean 'head'\?"):
        chosen(rungs(), ["haed"])


def test_every_combination():
    vary = dict(map(parse_vary, ["model.n-layer=1,2", "--lr=1e-3,2e-3,3e-3"]))
    cases = combinations(RunConfig(), vary, n_seeds=2)
    found = [(c.config.model.n_layer, c.config.optimizer.lr) for c in cases]
    assert found == [(n, lr) for n in (1, 2) for lr in (1e-3, 2e-3, 3e-3)]
    assert cases[0].name == "n-layer-1-lr-0.001" and cases[0].n_seeds == 2


def test_values_are_words_numbers_and_nothing():
    assert parse_vary("tokenizer=char,bpe:300") == ("tokenizer", ["char", "bpe:300"])
    assert parse_vary("tie_embeddings=true,false") == ("tie_embeddings", [True, False])
    words = combinations(RunConfig(), {"attention": ["none"]})
    numbers = combinations(RunConfig(), {"d_ff": ["none", 64]})
    assert words[0].config.model.attention == "none"
    assert [case.config.model.d_ff for case in numbers] == [None, 64]


@pytest.mark.parametrize("word", ["lr", "lr=", "=1", "lr=1,,2"])
def test_a_word_that_varies_nothing(word):
    with pytest.raises(UsageError, match="varies nothing; write it as"):
        parse_vary(word)


def test_what_cannot_be_varied():
    with pytest.raises(ConfigError, match=r"no setting 'n_layers', did you mean 'n_layer'"):
        combinations(RunConfig(), {"n_layers": [1]})
    with pytest.raises(ConfigError, match="n_layer is None; it must be a whole number"):
        combinations(RunConfig(), {"n_layer": ["none"]})
    with pytest.raises(UsageError, match="'lr-1' is there twice"):
        combinations(RunConfig(), {"lr": [1, 1]})


def test_two_settings_crossed_are_a_map():
    found = {name: crossed(task.points) for name, task in NAMED.items()}
    assert found["context-rate"] == {"block_size": [128, 256], "lr": [1e-4, 3e-4]}
    assert found["rate"] == {}  # rate and warm-up move together
    assert found["heads"] == {"n_head": [1, 6, 12, 24]}


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("full", [False, True])
def test_exercises_vary_what_they_say(name, full):
    task = NAMED[name]
    cases = named_cases(task, task.config(full=full), full=full)
    assert len(cases) == len(task.points) >= 3
    for case, point in zip(cases, task.points, strict=True):
        values = case.config.to_json()
        every = {
            k: v for part in values.values() if isinstance(part, dict) for k, v in part.items()
        }
        assert all(every[setting] == value for setting, value in point.items())
    assert any(case.stated for case in cases) == (full and bool(task.stated))
