"""Choosing a token, against a naive version on lists and by laws."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bardling.errors import GenerationError
from bardling.generation.sampling import Beam, Greedy, Sample, choose_strategy

LAWS = settings(derandomize=True, deadline=None)
LAST = 1.0 - 2.0**-53  # the largest draw there is
LOGIT = st.one_of(st.integers(-3, 3).map(float), st.floats(-30.0, 30.0, width=32))
LOGITS = st.lists(LOGIT, min_size=1, max_size=12)
TEMPERATURE = st.one_of(st.just(1.0), st.floats(0.05, 10.0))
TOP_P = st.floats(0.01, 1.0)
DRAW = st.one_of(st.sampled_from([0.0, LAST]), st.floats(0.0, LAST))


def naive_distribution(logits, temperature, top_k, top_p):
    """Temperature, then the top-k of the ranking, then the shortest head worth top-p."""
    scores = [logit / temperature for logit in logits]
    ranking = sorted(range(len(scores)), key=lambda token: (-logits[token], token))
    ranking = ranking[: top_k or None]
    weights = {token: math.exp(scores[token] - scores[ranking[0]]) for token in ranking}
    total = math.fsum(weights.values())
    head, mass = [], 0.0
    for token in ranking:
        head.append(token)
        mass += weights[token] / total
        assume(abs(mass - top_p) > 1e-9)  # else rounding decides
        if mass >= top_p < 1.0:
            break
    total = math.fsum(weights[token] for token in head)
    return [weights[token] / total if token in head else 0.0 for token in range(len(scores))]


def distribution(strategy, logits):
    return strategy.distribution(torch.tensor([logits], dtype=torch.float32))[0]


def pick(strategy, logits, draw):
    row = torch.tensor([logits], dtype=torch.float32)
    return strategy.pick(row, torch.tensor([draw], dtype=torch.float64)).item()


@settings(LAWS, max_examples=400)
@given(LOGITS, TEMPERATURE, st.integers(0, 14), TOP_P)
def test_the_distribution_is_the_naive_one(logits, temperature, top_k, top_p):
    strategy = Sample(temperature=temperature, top_k=top_k, top_p=top_p)
    expected = naive_distribution(logits, temperature, top_k, top_p)
    assert distribution(strategy, logits).tolist() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [0.5, 0.3, 0.2]),
        ({"top_k": 2}, [0.625, 0.375, 0.0]),
        ({"top_p": 0.6}, [0.625, 0.375, 0.0]),
        ({"top_k": 2, "top_p": 0.6}, [1.0, 0.0, 0.0]),  # top-p first would leave both
        ({"temperature": 0.5}, [25 / 38, 9 / 38, 4 / 38]),
        ({"temperature": 0.5, "top_p": 0.6}, [1.0, 0.0, 0.0]),  # temperature last: both
        ({"temperature": 2.0, "top_p": 0.7}, [0.5635083268962915, 0.4364916731037085, 0.0]),
    ],
)
def test_temperature_comes_first_then_top_k_then_top_p(settings, expected):
    logits = [math.log(p) for p in (0.5, 0.3, 0.2)]
    found = distribution(Sample(**settings), logits).tolist()
    assert found == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"top_p": 0.5}, [0.5, 0.5, 0.0, 0.0]),
        ({"top_p": 0.51}, [1 / 3, 1 / 3, 1 / 3, 0.0]),
        ({"top_p": 0.01}, [1.0, 0.0, 0.0, 0.0]),
        ({"top_k": 3}, [1 / 3, 1 / 3, 1 / 3, 0.0]),
        ({"top_k": 1}, [1.0, 0.0, 0.0, 0.0]),
    ],
)
def test_of_equal_tokens_the_first_are_kept(settings, expected):
    assert distribution(Sample(**settings), [7.0] * 4).tolist() == pytest.approx(expected)


@LAWS
@given(LOGITS, TEMPERATURE, TOP_P, DRAW)
def test_top_1_is_greedy(logits, temperature, top_p, draw):
    greedy = pick(Greedy(), logits, 0.0)
    assert greedy == logits.index(max(logits))
    assert pick(Sample(temperature=temperature, top_k=1, top_p=top_p), logits, draw) == greedy


def test_top_1_is_greedy_among_many_equals():
    logits = [0.0] * 300 + [1.0] * 300
    assert pick(Greedy(), logits, 0.5) == pick(Sample(top_k=1), logits, 0.5) == 300


def test_top_1_is_greedy_at_a_temperature_that_makes_all_equal():
    assert pick(Sample(temperature=1e308, top_k=1), [0.0, 1e-30, 0.0], 0.9) == 1


@LAWS
@given(LOGITS, TEMPERATURE, TOP_P, st.integers(0, 100))
def test_top_k_from_the_vocabulary_on_is_off(logits, temperature, top_p, excess):
    wide = Sample(temperature=temperature, top_p=top_p, top_k=len(logits) + excess)
    off = Sample(temperature=temperature, top_p=top_p, top_k=0)
    assert torch.equal(distribution(wide, logits), distribution(off, logits))


@LAWS
@given(LOGITS, TEMPERATURE, DRAW)
def test_top_p_towards_0_is_greedy(logits, temperature, draw):
    strategy = Sample(temperature=temperature, top_p=1e-9)
    assert pick(strategy, logits, draw) == pick(Greedy(), logits, draw)


@LAWS
@given(LOGITS, TEMPERATURE)
def test_top_p_1_is_off(logits, temperature):
    found = distribution(Sample(temperature=temperature, top_p=1.0), logits)
    expected = torch.tensor([logits]).double().div(temperature).softmax(dim=-1)[0]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-15)


@LAWS
@given(LOGITS, st.sampled_from([1e-9, 1e-300, 5e-324]), DRAW)
def test_temperature_towards_0_is_greedy(logits, temperature, draw):
    best = max(logits)
    assume(all(best - logit > 1e-6 for logit in logits if logit != best))
    found = distribution(Sample(temperature=temperature), logits)
    share = 1.0 / logits.count(best)
    expected = [share if logit == best else 0.0 for logit in logits]
    assert found.tolist() == pytest.approx(expected, abs=1e-12)


def test_temperature_towards_infinity_is_uniform():
    found = distribution(Sample(temperature=1e300), [0.0, 10.0, -50.0, 3.0])
    assert found.tolist() == pytest.approx([0.25] * 4)


@settings(LAWS, max_examples=300)
@given(LOGITS, TEMPERATURE, st.integers(0, 14), TOP_P, DRAW)
def test_shares_sum_to_1_and_a_share_of_0_is_never_picked(logits, temperature, top_k, top_p, draw):
    strategy = Sample(temperature=temperature, top_k=top_k, top_p=top_p)
    shares = distribution(strategy, logits)
    assert math.isclose(shares.sum().item(), 1.0, rel_tol=1e-12)
    assert (shares >= 0.0).all()
    assert shares[pick(strategy, logits, draw)] > 0.0


@pytest.mark.parametrize("draw", [0.0, 1e-300, 0.5, LAST])
@pytest.mark.parametrize("impossible", [[0], [3], [0, 3], [1, 2], [0, 1, 2]])
def test_a_token_of_minus_infinity_is_never_picked(draw, impossible):
    logits = [-math.inf if token in impossible else 0.1 * token for token in range(4)]
    for strategy in (Greedy(), Sample(), Sample(top_k=3), Sample(top_p=0.9)):
        assert pick(strategy, logits, draw) not in impossible


def test_draws_run_through_the_tokens_in_order():
    logits = [math.log(p) for p in (0.5, 0.25, 0.25)]
    draws = [0.0, 0.49, 0.51, 0.74, 0.76, LAST]
    assert [pick(Sample(), logits, draw) for draw in draws] == [0, 0, 1, 1, 2, 2]


def test_rows_are_picked_apart():
    logits = torch.tensor([[0.0, 5.0, 1.0], [9.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    draws = torch.tensor([0.5, 0.5, 0.9], dtype=torch.float64)
    assert Sample().pick(logits, draws).tolist() == [1, 0, 2]
    assert Greedy().pick(logits, draws).tolist() == [1, 0, 0]


@pytest.mark.parametrize("settings", [{}, {"temperature": 0.7, "top_k": 6, "top_p": 0.9}])
def test_picks_have_the_distributions_shares(settings):
    logits = np.random.default_rng(0).normal(0.0, 1.0, 8)
    rows = torch.tensor(logits, dtype=torch.float32).expand(20_000, -1)
    draws = torch.from_numpy(np.random.default_rng(1).random(20_000))
    strategy = Sample(**settings)
    counts = np.bincount(strategy.pick(rows, draws).numpy(), minlength=8)
    expected = 20_000 * strategy.distribution(rows[:1])[0].numpy()
    assert (counts[expected == 0.0] == 0).all()
    possible = expected > 0.0
    chi_square = ((counts - expected)[possible] ** 2 / expected[possible]).sum()
    assert chi_square < 24.3  # 7 degrees of freedom: one in a thousand is above


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": -0.5}, "the temperature is -0.5; it must be a finite number above 0"),
        ({"temperature": math.nan}, "the temperature is nan"),
        ({"temperature": math.inf}, "the temperature is inf"),
        ({"top_k": -1}, "top-k is -1; it must be at least 0, where 0 is off"),
        ({"top_p": 0.0}, "top-p is 0.0; it must be above 0 and at most 1"),
        ({"top_p": 1.5}, "top-p is 1.5"),
        ({"top_p": -0.1}, "top-p is -0.1"),
        ({"top_p": math.nan}, "top-p is nan"),
        ({"beams": -1}, "beam search needs at least 1 beam and takes 4,096 at most, not -1"),
        ({"temperature": 0.0, "top_k": -1}, "top-k is -1"),
        ({"beams": 2, "top_p": 2.0}, "top-p is 2.0"),
    ],
)
def test_numbers_without_a_meaning_are_refused(settings, message):
    with pytest.raises(GenerationError, match=f"^{message}"):
        choose_strategy(**settings)


def test_a_strategy_that_draws_has_a_temperature():
    with pytest.raises(GenerationError, match=r"the temperature is 0\.0; .* 0 where that means"):
        Sample(temperature=0.0)
    with pytest.raises(GenerationError, match="at least 1 beam and takes 4,096 at most, not 0"):
        Beam(width=0)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, Sample()),
        ({"temperature": 0.0}, Greedy()),
        ({"temperature": 0.0, "top_k": 5, "top_p": 0.5}, Greedy()),
        (
            {"temperature": 0.8, "top_k": 5, "top_p": 0.5},
            Sample(temperature=0.8, top_k=5, top_p=0.5),
        ),
        ({"beams": 0}, Sample()),
        ({"beams": 3}, Beam(width=3)),
        ({"beams": 1, "temperature": 0.0}, Beam(width=1)),
    ],
)
def test_the_four_usual_numbers_name_a_strategy(settings, expected):
    assert choose_strategy(**settings) == expected
