"""The law of losses: found again where it is known, and honest about what it does not know."""

import numpy as np
import pytest

from bardling.errors import UsageError
from bardling.experiments.power_law import PowerLaw, fit_power_law

LAW = PowerLaw(irreducible=0.9, of_size=12.0, of_data=300.0, size_power=0.35, data_power=0.45)
GRID = [(n, d) for n in (2e4, 8e4, 3e5, 1e6, 4e6) for d in (1e6, 2e6, 4e6, 8e6)]


def runs(noise=0.0, law=LAW):
    random = np.random.default_rng(1)
    return np.array(
        [(n, d, law.loss(n, d) * np.exp(noise * random.standard_normal())) for n, d in GRID]
    )


def test_a_law_is_found_again():
    found = fit_power_law(runs())
    for name, value in vars(LAW).items():
        assert getattr(found.law, name) == pytest.approx(value, rel=0.02), name
    assert found.error < 1e-5


def test_noise_is_met_by_intervals_that_hold_the_truth():
    found = fit_power_law(runs(noise=0.003))
    assert found.law.irreducible == pytest.approx(0.9, abs=0.15)
    for name, (low, high) in found.intervals.items():
        slack = 0.1 * (high - low)  # nine of ten hold it, by their meaning
        assert low < high and low - slack <= getattr(LAW, name) <= high + slack, name


def test_one_run_gone_wrong_moves_little():
    bent = runs()
    bent[7, 2] *= 1.5
    assert fit_power_law(bent).law.irreducible == pytest.approx(0.9, abs=0.02)


def test_the_best_size_is_the_lowest_of_all():
    flops = 1e14
    weights, tokens = LAW.best_size(flops)
    assert 6 * weights * tokens == pytest.approx(flops)
    around = np.geomspace(weights / 100, weights * 100, 2001)
    losses = [LAW.loss(n, flops / 6 / n) for n in around]
    assert around[int(np.argmin(losses))] == pytest.approx(weights, rel=0.01)


def test_too_little_tells_no_law():
    with pytest.raises(UsageError, match=r"7 runs of .* tell no law; it takes 8"):
        fit_power_law(runs()[:7])
    with pytest.raises(UsageError, match="of 1 sizes and 4 budgets"):
        fit_power_law(np.array([(1e4, d, 2.0) for d in (1e6, 2e6, 3e6, 4e6)] * 2))


def test_a_known_floor_is_held():
    held = fit_power_law(runs(), irreducible=0.8).law
    assert held.irreducible == pytest.approx(0.8)
    assert held.size_power < LAW.size_power or held.data_power < LAW.data_power
    assert fit_power_law(runs(), irreducible=0.9).law.of_size == pytest.approx(12.0, rel=0.02)
