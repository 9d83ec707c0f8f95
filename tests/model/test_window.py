"""The window: equal to a sum over distances, causal, the same in pieces."""

import pytest
import torch

from bardling.errors import ConfigError
from bardling.model.attention import Pass
from bardling.model.cache import NO_CACHE, KVCache
from bardling.model.config import ModelConfig
from bardling.model.dropout import SILENCE
from bardling.model.gpt import GPT
from bardling.model.window import Window

SIZE, WIDTH = 5, 4


def config(**changes) -> ModelConfig:
    return ModelConfig(
        **{"vocab_size": 11, "block_size": SIZE, "n_layer": 2, "n_head": 2, "n_embd": WIDTH,
           "attention": "window", "position": "none", "bias": True} | changes
    )  # fmt: skip


def test_it_is_a_weight_for_each_distance():
    window = Window(config())
    torch.manual_seed(0)
    x = torch.randn(3, SIZE, WIDTH)
    weight = window.output.weight.view(WIDTH, SIZE, WIDTH)
    expected = torch.zeros(3, SIZE, WIDTH) + window.output.bias
    for t in range(SIZE):
        for distance in range(t + 1):
            expected[:, t] += x[:, t - distance] @ weight[:, SIZE - 1 - distance].T
    found = window(x, Pass(0, NO_CACHE, SILENCE))
    assert torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("pieces", [(1, 1, 1, 1, 1), (3, 2), (2, 1, 2)])
def test_piece_by_piece_is_the_whole(pieces):
    model = GPT(config(init="plain"))
    ids = torch.randint(0, 11, (2, SIZE), generator=torch.Generator().manual_seed(1))
    cache = KVCache(model.config, 2, like=model.embedding.weight)
    with torch.no_grad():
        found = torch.cat([model(piece, cache=cache) for piece in ids.split(pieces, dim=1)], dim=1)
        assert torch.allclose(found, model(ids), atol=1e-6)


def test_it_learns_what_is_three_tokens_back():
    model = GPT(config(n_layer=1, n_embd=8, norm="layernorm", init="plain"))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    random = torch.Generator().manual_seed(0)
    for _ in range(400):
        ids = torch.randint(0, 11, (32, SIZE), generator=random)
        logits = model(ids)[:, 3:]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, :2].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


def test_its_heads_are_as_wide_as_the_stream():
    for changes in ({"head_dim": 8}, {"n_kv_head": 1}):
        with pytest.raises(ConfigError, match="a window has neither head_dim nor n_kv_head"):
            config(**changes)
