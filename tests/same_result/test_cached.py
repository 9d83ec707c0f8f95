"""With a cache the model says what it says without one, however the text is cut."""

import pytest
import torch

from bardling.errors import ConfigError
from bardling.model.cache import KVCache
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from covers import pairwise

SIZES = {"vocab_size": 13, "n_layer": 2, "n_head": 4, "n_embd": 16, "block_size": 12}
SWITCHES = {
    "attention": ("none", "uniform", "causal"),
    "position": ("none", "learned", "sinusoidal", "sinusoidal_scaled", "rotary"),
    "n_kv_head": (None, 1, 2),
    "head_dim": (None, 6),
    "qk_norm": (True, False),
    "norm": ("none", "layernorm", "rmsnorm"),
    "norm_place": ("before", "after"),
    "attention_output": (True, False),
    "residual": (True, False),
}
CUTS = {"whole": [12], "chunks": [5, 4, 3], "singly": [1] * 12, "prefill": [7, 1, 1, 1, 2]}
TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-5}


def _config(**switches) -> ModelConfig:
    return ModelConfig(**SIZES | {"init": "plain", "tie_embeddings": False} | switches)


def _valid(choice) -> bool:
    try:
        _config(**choice)
    except ConfigError:
        return False
    return True


COVER = pairwise(SWITCHES, _valid)


def _ids(batch: int, time: int = 12) -> torch.Tensor:
    return torch.randint(13, (batch, time), generator=torch.Generator().manual_seed(8))


def _cached(model: GPT, ids: torch.Tensor, sizes: list[int], cache: KVCache) -> torch.Tensor:
    return torch.cat([model(part, cache=cache) for part in ids.split(sizes, dim=1)], dim=1)


def _cache(model: GPT, batch: int) -> KVCache:
    return KVCache(model.config, batch, like=model.embedding.weight)


@torch.no_grad()
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("sizes", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("choice", COVER, ids=range(len(COVER)))
def test_cached_is_uncached(choice, sizes, dtype) -> None:
    model, ids = GPT(_config(**choice)).to(dtype), _ids(3)
    cache = _cache(model, 3)
    logits = _cached(model, ids, sizes, cache)
    assert cache.length == 12
    torch.testing.assert_close(logits, model(ids), atol=TOLERANCES[dtype], rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("position", SWITCHES["position"])
def test_selected_rows_go_on_from_their_own_past(position) -> None:
    model, ids, rows = GPT(_config(position=position)), _ids(3, 6), torch.tensor([2, 0, 0])
    cache = _cache(model, 3)
    model(ids, cache=cache)
    cache.select(rows)
    end = _ids(3, 12)[:, 6:]
    logits = _cached(model, end, [1, 5], cache)
    whole = model(torch.cat((ids[rows], end), dim=1))
    torch.testing.assert_close(logits, whole[:, 6:], atol=TOLERANCES[torch.float32], rtol=0)


@torch.no_grad()
def test_a_cleared_cache_remembers_nothing() -> None:
    model, ids = GPT(_config()), _ids(2)
    cache = _cache(model, 2)
    model(ids, cache=cache)
    cache.clear()
    logits = _cached(model, ids[:, :4], [2, 2], cache)
    torch.testing.assert_close(logits, model(ids[:, :4]), atol=TOLERANCES[torch.float32], rtol=0)
