"""The cache as a container; that it changes no logits is stated in same_result/test_cached.py."""

import pytest
import torch

from bardling.errors import GenerationError
from bardling.model.cache import NO_CACHE, KVCache
from bardling.model.config import ModelConfig

CONFIG = ModelConfig(n_layer=2, n_head=4, n_kv_head=2, head_dim=6, n_embd=12, block_size=5)


def _cache(batch: int = 3) -> KVCache:
    return KVCache(CONFIG, batch, like=torch.empty(0))


def _heads(batch: int, time: int) -> torch.Tensor:
    return torch.randn(batch, 2, time, 6)


def test_it_returns_what_it_was_given_oldest_first() -> None:
    cache, given = _cache(), []
    for time in (2, 1, 2):
        keys, values = _heads(3, time), _heads(3, time)
        given.append((keys, values))
        assert torch.equal(
            cache.layer(1).append_keys(keys), torch.cat([k for k, _ in given], dim=2)
        )
        assert torch.equal(
            cache.layer(1).append_values(values), torch.cat([v for _, v in given], dim=2)
        )
        cache.advance(time)
    assert cache.length == 5


def test_layers_are_apart() -> None:
    cache = _cache()
    cache.layer(0).append_keys(_heads(3, 2))
    assert not cache.layer(1).append_keys(torch.zeros(3, 2, 2, 6)).any()


def test_more_than_its_room_is_refused() -> None:
    cache = _cache()
    cache.advance(4)
    with pytest.raises(GenerationError, match="holds 5 tokens, and 6 were asked"):
        cache.layer(0).append_values(_heads(3, 2))
    assert cache.layer(0).append_values(_heads(3, 1)).shape == (3, 2, 5, 6)


def test_clear_begins_again() -> None:
    cache, keys = _cache(), _heads(3, 2)
    cache.layer(0).append_keys(_heads(3, 5))
    cache.advance(5)
    cache.clear()
    assert cache.length == 0
    assert torch.equal(cache.layer(0).append_keys(keys), keys)


def test_select_keeps_rows_in_the_order_named() -> None:
    cache, keys, values = _cache(), _heads(3, 2), _heads(3, 2)
    cache.layer(0).append_keys(keys)
    cache.layer(0).append_values(values)
    cache.advance(2)
    rows = torch.tensor([2, 0, 0, 1])
    cache.select(rows)
    assert torch.equal(cache.layer(0).append_keys(_heads(4, 1))[:, :, :2], keys[rows])
    assert torch.equal(cache.layer(0).append_values(_heads(4, 1))[:, :, :2], values[rows])


def test_it_has_room_for_what_it_is_asked_for_and_never_for_more_than_the_model_sees() -> None:
    rooms = [KVCache(CONFIG, 1, like=torch.empty(0), room=room).room for room in (None, 3, 5, 99)]
    assert rooms == [5, 3, 5, 5]


def test_it_is_of_the_kind_of_its_model() -> None:
    cache = KVCache(CONFIG, 1, like=torch.empty(0, dtype=torch.float64))
    assert cache.layer(0).append_keys(_heads(1, 1).double()).dtype == torch.float64


def test_no_cache_has_the_same_words_and_keeps_nothing() -> None:
    keys = _heads(3, 2)
    layer = NO_CACHE.layer(1)
    assert layer.append_keys(keys) is keys
    assert layer.append_values(keys) is keys
    NO_CACHE.advance(2)
    assert NO_CACHE.length == 0
