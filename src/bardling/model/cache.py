"""Keys and values of the tokens a model has already read.

The cache belongs to the caller, who passes it to `GPT.hidden`; the model only appends to it.
`NO_CACHE` has the same interface and keeps nothing, so attention never asks which it has.
It holds at most `block_size` tokens. What happens when it is full is decided in
generation/decode.py; here positions only ever grow from 0.
"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from bardling.errors import GenerationError
from bardling.model.config import ModelConfig

Heads = Float[Tensor, "batch kv_head time channel"]
AllHeads = Float[Tensor, "batch kv_head all_time channel"]


@runtime_checkable
class LayerCache(Protocol):
    """What one attention layer sees of a cache."""

    def append_keys(self, keys: Heads) -> AllHeads:
        """Store the new keys and return all of them, oldest first."""
        ...

    def append_values(self, values: Heads) -> AllHeads:
        """Store the new values and return all of them, oldest first."""
        ...


@runtime_checkable
class Cache(Protocol):
    """What the model sees of a cache."""

    @property
    def length(self) -> int:
        """Tokens stored so far, which is the position of the next one."""
        ...

    def layer(self, index: int) -> LayerCache:
        """Return the part that belongs to one block."""
        ...

    def advance(self, n_tokens: int) -> None:
        """Count the tokens that every layer has now appended."""
        ...


class NoCache:
    """Remembers nothing: the tokens of this pass are all there are."""

    length = 0

    def layer(self, index: int) -> "NoCache":
        """Return itself; there is nothing to keep apart."""
        return self

    def append_keys(self, keys: Heads) -> Heads:
        """Return the keys of this pass."""
        return keys

    def append_values(self, values: Heads) -> Heads:
        """Return the values of this pass."""
        return values

    def advance(self, n_tokens: int) -> None:
        """Forget them."""


NO_CACHE = NoCache()


class _KVLayer:
    """One block's share of a `KVCache`, written in place."""

    def __init__(self, cache: "KVCache", keys: Tensor, values: Tensor) -> None:
        self.cache, self.keys, self.values = cache, keys, values

    def append_keys(self, keys: Heads) -> AllHeads:
        return self._append(self.keys, keys)

    def append_values(self, values: Heads) -> AllHeads:
        return self._append(self.values, values)

    def _append(self, store: Tensor, new: Tensor) -> Tensor:
        end = self.cache.length + new.shape[2]
        if end > store.shape[2]:
            raise GenerationError(
                f"the cache holds {store.shape[2]} tokens, and {end} were asked of it"
            )
        store[:, :, self.cache.length : end] = new
        return store[:, :, :end]


class KVCache:
    """Room for tokens of `batch` sequences, `[batch kv_head time channel]` a layer.

    It is for `room` tokens, or for `block_size` where that is not said. Keys lie in memory with
    time last, since a query is compared with all of them at once; nothing is written before a
    token comes, because memory that is touched has to be found first.
    """

    def __init__(
        self, config: ModelConfig, batch: int, *, like: Tensor, room: int | None = None
    ) -> None:
        if not config.cacheable:
            raise GenerationError(
                "unmasked attention changes what it made of old tokens with every new one, "
                "so nothing can be kept; read the whole context again (RecomputedContext)"
            )
        heads, channels = (batch, config.kv_heads), config.head_width
        self.length = 0
        self.room = config.block_size if room is None else min(room, config.block_size)
        self.layers = [
            _KVLayer(
                self,
                like.new_empty(*heads, channels, self.room).mT,
                like.new_empty(*heads, self.room, channels),
            )
            for _ in range(config.n_layer)
        ]

    def layer(self, index: int) -> LayerCache:
        """Return the part that belongs to one block."""
        return self.layers[index]

    def advance(self, n_tokens: int) -> None:
        """Count the tokens that every layer has now appended."""
        self.length += n_tokens

    def clear(self) -> None:
        """Forget everything; the memory is kept."""
        self.length = 0

    def select(self, rows: Int64[Tensor, " chosen"]) -> None:
        """Keep these rows, in this order and as often as they are named (for beams)."""
        for layer in self.layers:
            layer.keys = torch.index_select(layer.keys.mT, 0, rows).mT
            layer.values = torch.index_select(layer.values, 0, rows)
