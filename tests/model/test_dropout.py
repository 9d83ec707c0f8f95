"""Dropout masks: as random as they look, and a pure function of where they fall."""

import itertools

import numpy as np
import pytest
import torch

from bardling.machine.randomness import row_keys
from bardling.model.config import ModelConfig
from bardling.model.dropout import (
    SILENCE,
    Dropout,
    NoDropout,
    Noise,
    build_dropout,
    keep_mask,
)
from bardling.model.gpt import GPT


def _keys(rows, *, seed: int = 7, step: int = 3) -> torch.Tensor:
    return torch.from_numpy(row_keys(seed, step, np.asarray(rows, dtype=np.int64)))


def _dropped(rows=range(64), *, site: int = 2, rate: float = 0.5, size: int = 64) -> torch.Tensor:
    """Return 1 where an element is dropped, `[row position channel]`."""
    return (keep_mask(_keys(rows), site, size, size, rate) == 0).float()


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.2, 0.5, 0.9])
def test_the_rate_is_met_and_the_survivors_are_scaled(rate) -> None:
    mask = keep_mask(_keys(range(64)), 1, 64, 64, rate)
    deviation = (rate * (1 - rate) / mask.numel()) ** 0.5
    assert (mask == 0).float().mean().item() == pytest.approx(rate, abs=4 * deviation)
    assert mask.unique().tolist() == pytest.approx([0.0, 1 / (1 - rate)])
    assert mask.mean().item() == pytest.approx(1.0, abs=4 * deviation / (1 - rate))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_every_row_position_and_channel_meets_the_rate(axis) -> None:
    others = tuple({0, 1, 2} - {axis})
    shares = _dropped(rate=0.2).mean(others)
    deviation = (0.2 * 0.8 / 64**2) ** 0.5
    assert (shares - 0.2).abs().max() < 4.5 * deviation
    assert shares.std().item() == pytest.approx(deviation, rel=0.4)  # nor are they too even


def test_a_row_keeps_its_mask_wherever_it_is() -> None:
    whole = _dropped(range(8))
    assert torch.equal(_dropped([5])[0], whole[5])
    assert torch.equal(_dropped([6, 5, 0]), whole[[6, 5, 0]])


def test_a_mask_is_the_same_each_time_and_differs_in_everything_else() -> None:
    def mask(seed: int = 1, step: int = 1, site: int = 1, rows=range(4)) -> torch.Tensor:
        return keep_mask(_keys(rows, seed=seed, step=step), site, 16, 16, 0.5)

    assert torch.equal(mask(), mask())
    for other in (mask(seed=2), mask(step=2), mask(site=2), mask(rows=range(1, 5))):
        assert 0.4 < (other != mask()).float().mean() < 0.6
    rows, positions, channels = (mask().unbind(axis) for axis in range(3))
    for slices in (rows, positions, channels):
        assert all(not torch.equal(a, b) for a, b in itertools.pairwise(slices))


def _correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    """Return the correlation in standard deviations of what chance gives."""
    both = torch.stack((a.flatten(), b.flatten()))
    return torch.corrcoef(both)[0, 1].item() * both.shape[1] ** 0.5


@pytest.mark.parametrize("distance", [1, 2, 16, 32])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_neighbours_are_independent(axis, distance) -> None:
    mask = _dropped()
    near = mask.narrow(axis, 0, 64 - distance)
    far = mask.narrow(axis, distance, 64 - distance)
    assert abs(_correlation(near, far)) < 4


@pytest.mark.parametrize("distance", [1, 2, 3, 8])
def test_sites_and_steps_are_independent(distance) -> None:
    here = _dropped()
    assert abs(_correlation(here, _dropped(site=2 + distance))) < 4
    later = keep_mask(_keys(range(64), step=3 + distance), 2, 64, 64, 0.5) == 0
    assert abs(_correlation(here, later.float())) < 4


@pytest.mark.parametrize("distance", [1, 2, 16])
@pytest.mark.parametrize("axes", [(0, 1), (0, 2), (1, 2)])
def test_rectangles_are_independent(axes, distance) -> None:
    """Three corners of a rectangle must not foretell the fourth.

    A mask made of hash(row) xor hash(column) has the right mean and no correlation between any
    two elements, but its rectangles are all even.
    """
    assert abs(_rectangles(_dropped(), axes, distance)) < 4


def test_the_rectangles_would_find_a_weak_hash() -> None:
    rows, columns = (torch.randint(2, (64,)) for _ in range(2))
    weak = (rows[:, None, None] ^ columns[None, :, None]).expand(64, 64, 64).float()
    assert abs(_rectangles(weak, (0, 1), 1)) > 100


def _rectangles(dropped: torch.Tensor, axes: tuple[int, int], distance: int) -> float:
    """Return how far from chance the parity of rectangles is, in standard deviations."""
    signs = 1 - 2 * dropped
    for axis in axes:
        length = signs.shape[axis] - distance
        signs = signs.narrow(axis, 0, length) * signs.narrow(axis, distance, length)
    return signs.mean().item() * signs.numel() ** 0.5


def test_each_head_drops_its_own_weights() -> None:
    weights = Noise(_keys(range(16))).drop(torch.ones(16, 6, 32, 32), 3, 0.5)
    for head in range(5):
        assert abs(_correlation(weights[:, head], weights[:, head + 1])) < 4
    assert (
        weights[0, 2, 5].tolist()
        == Noise(_keys([0])).drop(torch.ones(1, 6, 32, 32), 3, 0.5)[0, 2, 5].tolist()
    )


def test_noise_multiplies_by_the_mask() -> None:
    x, keys = torch.randn(4, 5, 6), _keys(range(4))
    assert torch.equal(Noise(keys).drop(x, 2, 0.3), x * keep_mask(keys, 2, 5, 6, 0.3))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_kind_of_number_stays(dtype) -> None:
    x = torch.ones(2, 3, 4, dtype=dtype)
    assert Noise(_keys([0, 1])).drop(x, 2, 0.3).dtype == dtype


def test_rate_0_is_no_dropout() -> None:
    x = torch.randn(4, 5, 6)
    assert isinstance(build_dropout(0.0, 1), NoDropout)
    assert build_dropout(0.0, 1)(x, Noise(_keys(range(4)))) is x


def test_silence_drops_nothing() -> None:
    x = torch.randn(4, 5, 6)
    dropout = build_dropout(0.9, 1)
    assert isinstance(dropout, Dropout)
    assert dropout(x, SILENCE) is x
    assert not torch.equal(dropout(x, Noise(_keys(range(4)))), x)


def test_every_site_of_a_model_has_its_own_number() -> None:
    model = GPT(ModelConfig(vocab_size=5, n_layer=3, dropout=0.1))
    sites = [module.site for module in model.modules() if isinstance(module, Dropout)]
    assert sorted(sites) == list(range(10))  # embeddings, then three in each block


@pytest.mark.parametrize("attention", ["causal", "uniform"])
def test_a_batch_is_its_halves_with_their_global_rows(attention) -> None:
    config = ModelConfig(
        vocab_size=11,
        n_layer=2,
        n_head=2,
        n_embd=12,
        block_size=8,
        dropout=0.3,
        attention=attention,
        init="plain",
    )
    model, ids = GPT(config).double(), torch.randint(11, (6, 8))
    whole = model(ids, noise=Noise(_keys(range(6))))
    halves = [model(ids[rows], noise=Noise(_keys(rows))) for rows in ([0, 1, 2], [3, 4, 5])]
    torch.testing.assert_close(whole, torch.cat(halves), atol=1e-10, rtol=0)
    assert not torch.allclose(whole, model(ids))


def test_a_model_of_half_floats_can_drop() -> None:
    model = GPT(ModelConfig(vocab_size=11, n_layer=1, dropout=0.3, norm="none", qk_norm=False))
    logits = model.bfloat16()(torch.randint(11, (2, 8)), noise=Noise(_keys([0, 1])))
    assert logits.dtype == torch.bfloat16
