"""Positions against the formulas of the papers, one number at a time."""

import cmath
import math

import pytest
import torch

from bardling.model.config import ModelConfig
from bardling.model.positions import PLACES, ROTATIONS

KINDS = tuple(PLACES)


def _rotation(**switches) -> torch.nn.Module:
    return ROTATIONS["rotary"](ModelConfig(block_size=12, head_dim=6, rope_base=50.0, **switches))


def _random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("width", [8, 7])
def test_sinusoids(width) -> None:
    places = PLACES["sinusoidal"](ModelConfig(n_embd=width, n_head=1, block_size=9, head_dim=2))
    added = places(torch.zeros(1, 9, width), 0)[0]
    for place in range(9):
        for channel in range(width):
            angle = place / 10_000 ** (2 * (channel // 2) / width)
            expected = math.cos(angle) if channel % 2 else math.sin(angle)
            assert added[place, channel].item() == pytest.approx(expected, abs=1e-5)


def test_rotation_turns_complex_numbers() -> None:
    x = _random(2, 3, 12, 6)
    turned = _rotation()(x, 0)
    for place in range(12):
        for pair in range(3):
            z = torch.complex(x[:, :, place, pair], x[:, :, place, pair + 3])
            expected = z * cmath.exp(1j * place * 50.0 ** (-2 * pair / 6))
            actual = torch.complex(turned[:, :, place, pair], turned[:, :, place, pair + 3])
            torch.testing.assert_close(actual, expected, atol=1e-5, rtol=0)


def test_rotated_products_depend_on_the_distance_alone() -> None:
    query, key = _random(2, 1, 1, 6).expand(2, 1, 12, 6).unbind(0)
    query, key = _rotation()(query[None], 0)[0, 0], _rotation()(key[None], 0)[0, 0]
    products = query @ key.T
    for distance in range(-11, 12):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-4, rtol=0)
    assert (products[0] - products[0, 0]).abs().max() > 0.1  # and they do depend on it


def test_rotation_starts_where_it_is_told() -> None:
    x, rotate = _random(2, 3, 12, 6), _rotation()
    assert torch.equal(rotate(x[:, :, 5:9], 5), rotate(x, 0)[:, :, 5:9])
    assert not torch.equal(rotate(x[:, :, 5:9], 0), rotate(x, 0)[:, :, 5:9])


@pytest.mark.parametrize("kind", ["learned", "sinusoidal", "sinusoidal_scaled"])
def test_places_start_where_they_are_told(kind) -> None:
    places = PLACES[kind](ModelConfig(n_embd=6, n_head=1, block_size=12))
    for parameter in places.parameters():
        torch.nn.init.normal_(parameter)
    x = _random(2, 12, 6)
    assert torch.equal(places(x[:, 5:9], 5), places(x, 0)[:, 5:9])
    assert not torch.equal(places(x[:, 5:9], 0), places(x, 0)[:, 5:9])


def test_scaled_embeddings_are_as_long_as_the_waves() -> None:
    config = ModelConfig(n_embd=64, n_head=1, block_size=12, position="sinusoidal_scaled")
    x = _random(2, 12, 64) / 8  # so that each vector is about 1 long
    plain, scaled = (PLACES[kind](config) for kind in ("sinusoidal", "sinusoidal_scaled"))
    assert torch.equal(scaled(x, 0), plain(8 * x, 0))


def test_learned_places_are_added() -> None:
    places = PLACES["learned"](ModelConfig(n_embd=6, n_head=1, block_size=12))
    torch.nn.init.normal_(places.weight)
    assert torch.equal(places(torch.zeros(2, 4, 6), 3), places.weight[3:7].expand(2, 4, 6))


def test_every_kind_has_one_part_of_each_sort() -> None:
    config = ModelConfig(n_embd=6, n_head=1, block_size=12)
    x, heads = _random(1, 4, 6), _random(1, 2, 4, 6)
    for kind in KINDS:
        places, rotation = PLACES[kind](config), ROTATIONS[kind](config)
        for parameter in places.parameters():
            torch.nn.init.ones_(parameter)
        assert torch.equal(places(x, 1), x) == (kind in ("none", "rotary"))
        assert torch.equal(rotation(heads, 1), heads) == (kind != "rotary")
        assert not [*places.state_dict(), *rotation.state_dict()] or kind == "learned"
