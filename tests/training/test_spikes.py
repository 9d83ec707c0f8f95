"""A loss that jumps is told from one that is noisy or falls."""

import math
import random
import statistics

import pytest

from bardling.training.spikes import FIRST, Usual


def follow(losses) -> Usual:
    usual = Usual()
    for loss in losses:
        usual = usual.after(loss)
    return usual


def noisy(n: int, seed: int = 0, *, mean: float = 2.0, spread: float = 0.05) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(mean, spread) for _ in range(n)]


def test_at_first_it_is_the_plain_mean_and_variance():
    losses = noisy(90)
    usual = follow(losses)
    assert usual.mean == pytest.approx(statistics.fmean(losses))
    assert usual.variance == pytest.approx(statistics.pvariance(losses))


def test_nothing_is_unusual_before_enough_was_seen():
    losses = noisy(FIRST - 1)
    assert follow(losses).highest == math.inf
    assert follow([*losses, 2.0]).highest < 2.5


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_no_spike_and_a_jump_is(seed):
    usual = Usual()
    for loss in noisy(2000, seed):
        assert loss <= usual.highest
        usual = usual.after(loss)
    assert 2.2 < usual.highest < 2.5


def test_a_falling_loss_is_followed():
    usual = Usual()
    for step in range(2000):
        loss = 2.0 + 2.0 * math.exp(-step / 200)
        assert loss <= usual.highest
        usual = usual.after(loss)
    assert usual.mean == pytest.approx(2.0, abs=0.01)


def test_one_spike_does_not_hide_the_next():
    usual = follow(noisy(500))
    after = usual.after(100.0)
    assert after.mean == pytest.approx(usual.mean, abs=0.02)
    assert after.highest < 3.0


def test_what_is_no_number_is_passed_over():
    usual = follow(noisy(60))
    assert usual.after(math.nan) == usual.after(math.inf) == usual
