"""Scaling from runs to a law: what is counted, what a budget buys, seed 002's sizes."""

import math
from dataclasses import replace

import numpy as np
import pytest

import bardling
from bardling.data.stories.corpus import stories
from bardling.errors import UsageError
from bardling.experiments import power_law
from bardling.experiments.grids import BUDGETS, CONTEXT, SIZES, base, size_grid, story_sizes
from bardling.experiments.power_law import Fit, PowerLaw
from bardling.experiments.scaling import (
    best_for_seconds,
    perplexities,
    points_of,
    token_costs,
)
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from bardling.model.size import count_multiplied
from bardling.reporting.experiment import Experiment, table_of
from bardling.reporting.rows import Outcome, Row
from bardling.text.bpe import BPETokenizer
from tiny import write_text


def row(seconds=1.0, tokens=1000, loss=2.0, weights=1):
    outcome = Outcome(
        seed=0, parameters=1, weights=weights, tokens=tokens, seconds=seconds, last=loss, best=loss,
        bits_per_byte=None,
    )  # fmt: skip
    return Row(name="x", about="", outcomes=(outcome,))


def test_every_size_meets_every_budget():
    cases = size_grid()
    assert len(cases) == len(SIZES) * len(BUDGETS) == len({case.name for case in cases})
    assert {case.config.model.head_width for case in cases} == {32}


def test_every_story_fits_into_the_context():
    told = stories(0, 2000)
    tokenizer = BPETokenizer.train(told, vocab_size=512, end_token=True)
    assert base().data.tokenizer == "bpe:512"
    assert max(len(tokenizer.encode(text)) for text in stories(0, 500, split="val")) < CONTEXT


@pytest.mark.parametrize("tied", [True, False])
def test_what_multiplies(tied):
    config = ModelConfig(vocab_size=11, n_embd=12, n_layer=2, tie_embeddings=tied)
    named = dict(GPT(config).named_parameters())
    looked_up = 0 if tied else named["embedding.weight"].numel()
    assert count_multiplied(config) == sum(p.numel() for p in named.values()) - looked_up


def test_a_run_that_diverged_is_no_point():
    assert points_of([row(loss=None), row(tokens=7, loss=1.5, weights=9)]).tolist() == [[9, 7, 1.5]]


def test_seconds_buy_the_size_that_ends_lowest():
    law = PowerLaw(irreducible=0.5, of_size=10.0, of_data=50.0, size_power=0.4, data_power=0.4)
    fit = Fit(law=law, error=0.0, intervals={})
    costs = (1e-9, 0.8)
    sizes = (10_000, 50_000, 300_000)
    rows = [row(seconds=1000 * costs[0] * n ** costs[1], weights=n) for n in sizes]
    disturbed = row(seconds=99.0, weights=sizes[1])
    assert token_costs([*rows, disturbed]) == pytest.approx(costs)
    weights, loss = best_for_seconds(fit, costs, 60.0)
    for other in (weights / 3, weights * 3):
        assert law.loss(other, 60.0 / (costs[0] * other ** costs[1])) > loss
    assert best_for_seconds(fit, costs, 600.0)[0] > weights


def test_a_floor_gives_each_row_what_is_above_it():
    known = replace(row(loss=2.0).outcomes[0], floor=1.25)
    told = replace(row(), outcomes=(known, replace(known, last=3.0)))
    assert told.excess == pytest.approx(1.25) and told.to_json()["excess"] == told.excess
    assert row().excess is None
    assert replace(told, outcomes=(known, replace(known, last=None))).excess is None
    for rows, shown in (([told, row()], True), ([row()], False)):
        heads, cells = table_of(Experiment(title="", facts=[], command="", rows=rows))
        assert ("above the floor" in heads) == shown
        assert {len(line) for line in cells} == {len(heads)}
    heads, cells = table_of(Experiment(title="", facts=[], command="", rows=[told, row()]))
    assert [line[heads.index("above the floor")] for line in cells] == ["1.2500", ""]


def test_seed_002_on_fewer_tokens():
    cases = story_sizes("5Mtokens")
    assert [case.config.model.n_embd for case in cases] == [128, 256, 384]
    assert {case.config.training.budget for case in cases} == {"5Mtokens"}
    drawn = perplexities([row(loss=math.log(x)) for x in (20.0, 10.0, 8.0)], {})
    assert drawn.values["perplexities"] == pytest.approx([20.0, 10.0, 8.0])
    assert (
        "small over medium 2.000, small over large 2.500; seed 002 states 1.735 and 2.197"
        in (drawn.remarks[1])
    )


@pytest.fixture
def few_draws(monkeypatch):
    """Say how sure a fit is by a tenth of the draws: here it is asked that it is said."""
    monkeypatch.setattr(power_law, "DRAWS", 20)


def test_a_law_from_runs(tmp_path, few_draws):
    found, page = bardling.scale(
        "stories:300", sizes=[(1, 32), (2, 32)], name="law", runs_dir=tmp_path,
        budgets=[f"{n}steps" for n in (1, 2, 3, 4)],
    )  # fmt: skip
    assert {"law", "intervals", "budgets"} <= found.values.keys()
    assert np.isfinite(found.values["law"]["irreducible"])
    assert any("the language leaves" in remark for remark in found.remarks)
    assert (page.parent / "scaling.png").is_file()


def test_sizes_are_counted_in_the_runs_own_vocabulary(tmp_path, few_draws):
    text = write_text(tmp_path)
    found, _ = bardling.scale(
        str(text), sizes=[(1, 32), (2, 32)], name="law", runs_dir=tmp_path,
        budgets=[f"{n}steps" for n in (1, 2, 3, 4)],
    )  # fmt: skip
    run = bardling.load(tmp_path / "law" / "1x32-1steps-seed0")
    assert found.rows[0].outcomes[0].weights == sum(p.numel() for p in run.model.parameters())
    assert run.config.model.vocab_size < 100


def test_the_same_size_twice_is_refused():
    with pytest.raises(UsageError, match="'1x32-1M' is there twice"):
        size_grid(sizes=[(1, 32), (1, 32)], budgets=["1Mtokens"])


def test_too_few_runs_say_so_before_anything_is_made(tmp_path):
    with pytest.raises(UsageError, match="tell no law"):
        bardling.scale("stories:300", sizes=[(1, 32)], name="law", runs_dir=tmp_path)
    assert not (tmp_path / "law").exists()
