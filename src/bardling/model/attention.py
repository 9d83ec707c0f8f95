"""Attention: each token gathers from the tokens before it.

A layer has two halves. A *pattern* says how much of each past token to take: weights that sum
to one, either learned from queries and keys or simply equal. The rest of the layer takes that
mixture of the values. The pattern is a module whose output is the weights, so they can be
looked at from outside (`attention_weights`) without a second implementation.

Vaswani et al. (2017), section 3.2; grouped key-value heads: Ainslie et al., "GQA" (2023).
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from bardling.model.cache import LayerCache
from bardling.model.config import ModelConfig
from bardling.model.dropout import Noise, Silence, build_dropout
from bardling.model.norms import build_head_norm
from bardling.model.positions import ROTATIONS


class Pass(NamedTuple):
    """What one forward pass tells every sublayer of a block."""

    start: int
    """Position of the first token of this pass."""
    cache: LayerCache
    noise: Noise | Silence


def split_heads(
    x: Float[Tensor, "batch time width"], n_head: int
) -> Float[Tensor, "batch {n_head} time channel"]:
    """Cut the width into heads and bring them before time."""
    return x.reshape(*x.shape[:2], n_head, -1).transpose(1, 2)


def merge_heads(x: Float[Tensor, "batch head time channel"]) -> Float[Tensor, "batch time width"]:
    """Lay the heads side by side again."""
    return x.transpose(1, 2).flatten(2)


def share_heads(
    x: Float[Tensor, "batch kv_head time channel"], group: int
) -> Float[Tensor, "batch head time channel"]:
    """Give each head of keys or values to `group` neighbouring query heads."""
    return x if group == 1 else x.repeat_interleave(group, dim=1)


def visible(config: ModelConfig) -> Bool[Tensor, "block block"]:
    """Return which key (column) each query (row) may look at."""
    everything = torch.ones(config.block_size, config.block_size, dtype=torch.bool)
    return everything if config.attention == "unmasked" else everything.tril()


class LearnedPattern(nn.Module):
    """softmax(q kᵀ / sqrt(head_dim)) over the visible keys."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        kv_width = config.kv_heads * config.head_width
        self.n_head, self.n_kv_head = config.n_head, config.kv_heads
        self.scale = config.head_width**-0.5 if config.attention_scale else 1.0
        self.query = nn.Linear(config.n_embd, config.attention_width, bias=config.qkv_bias)
        self.key = nn.Linear(config.n_embd, kv_width, bias=config.qkv_bias)
        self.query_norm = build_head_norm(config)
        self.key_norm = build_head_norm(config)
        self.rotate = ROTATIONS[config.position](config)
        self.register_buffer("unseen", ~visible(config), persistent=False)

    def forward(
        self, x: Float[Tensor, "batch time width"], state: Pass
    ) -> Float[Tensor, "batch head time all_time"]:
        """Return the weights with which each position takes from each key."""
        query = self.query_norm(split_heads(self.query(x), self.n_head))
        key = self.key_norm(split_heads(self.key(x), self.n_kv_head))
        query, key = self.rotate(query, state.start), self.rotate(key, state.start)
        keys = share_heads(state.cache.append_keys(key), self.n_head // self.n_kv_head)
        scores = (query * self.scale) @ keys.mT
        end = state.start + x.shape[1]
        unseen = self.get_buffer("unseen")[state.start : end, : keys.shape[2]]
        return scores.masked_fill(unseen, float("-inf")).softmax(dim=-1)


class UniformPattern(nn.Module):
    """The plain average of the past: token t takes 1 / (t + 1) of each token up to itself."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        table = visible(config).float()
        self.register_buffer("table", table / table.sum(dim=1, keepdim=True), persistent=False)

    def forward(
        self, x: Float[Tensor, "batch time width"], state: Pass
    ) -> Float[Tensor, "batch 1 time all_time"]:
        """Return the same weights for every sequence and head."""
        end = state.start + x.shape[1]
        weights = self.get_buffer("table")[state.start : end, :end]
        return weights.expand(x.shape[0], 1, -1, -1)


PATTERNS = {"uniform": UniformPattern, "causal": LearnedPattern, "unmasked": LearnedPattern}


class Attention(nn.Module):
    """A pattern, the values it mixes, and the projection of the joined heads."""

    def __init__(self, config: ModelConfig, site: int) -> None:
        super().__init__()
        kv_width = config.kv_heads * config.head_width
        self.n_kv_head = config.kv_heads
        self.group = config.n_head // config.kv_heads
        self.pattern = PATTERNS[config.attention](config)
        self.value = nn.Linear(config.n_embd, kv_width, bias=config.qkv_bias)
        self.dropout = build_dropout(config.dropout, site)
        self.output = (
            nn.Linear(config.attention_width, config.n_embd, bias=config.bias)
            if config.attention_output
            else nn.Identity()
        )

    def forward(
        self, x: Float[Tensor, "batch time width"], state: Pass
    ) -> Float[Tensor, "batch time width"]:
        """Return for each position its mixture of the values."""
        weights = self.dropout(self.pattern(x, state), state.noise)
        values = state.cache.append_values(split_heads(self.value(x), self.n_kv_head))
        return self.output(merge_heads(weights @ share_heads(values, self.group)))


def attention_weights(
    model: nn.Module, ids: Int64[Tensor, "batch time"]
) -> list[Float[Tensor, "batch head time time"]]:
    """Run `model` once and return every layer's attention weights, for pictures."""
    found: list[Tensor] = []
    patterns = [m for m in model.modules() if isinstance(m, tuple(PATTERNS.values()))]
    hooks = [p.register_forward_hook(lambda _, __, out: found.append(out)) for p in patterns]
    try:
        with torch.no_grad():
            model(ids)
    finally:
        for hook in hooks:
            hook.remove()
    return found
