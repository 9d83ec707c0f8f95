"""One token after another: the context a model sees, and the loop that extends it.

A model sees at most `block_size` tokens. When the context is full it drops to its last half and
is read again from position 0; then it grows until it is full again. So what the model sees is a
pure function of how many tokens there are, and a cache gives what reading anew would give. (A
cache that slides by one token would not: its old keys had seen tokens that are gone.)
"""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from bardling.errors import GenerationError
from bardling.generation.sampling import Greedy, Sample
from bardling.kernels.decoder import MOST_AT_ONCE, Decoder, open_decoder
from bardling.kernels.weights import WeightForm
from bardling.machine.memory import keep_freed_memory
from bardling.machine.randomness import stream
from bardling.model.cache import NO_CACHE, Cache, KVCache
from bardling.model.gpt import GPT


def context_start(n_tokens: int, block_size: int) -> int:
    """Return the first of `n_tokens` tokens that the model still sees."""
    if n_tokens <= block_size:
        return 0
    stride = block_size + 1 - max(1, block_size // 2)
    return stride * -(-(n_tokens - block_size) // stride)


def _last_logits(
    model: GPT, ids: Int64[Tensor, "batch time"], cache: Cache
) -> Float[Tensor, "batch vocab"]:
    """Read `ids` and return the logits after the last."""
    return model.output(model.hidden(ids, cache=cache)[:, -1]).cpu()  # draws are made there


def read_on(
    model: GPT, decoder: Decoder | None, cache: KVCache, ids: Int64[Tensor, "batch time"]
) -> Float[Tensor, "batch vocab"]:
    """Read more tokens into a cache, by who is quicker, and return the logits after the last."""
    if decoder is not None and ids.shape[1] <= MOST_AT_ONCE:
        return decoder.step(ids, cache)
    return _last_logits(model, ids, cache)


def finite(logits: Float[Tensor, "batch vocab"]) -> Float[Tensor, "batch vocab"]:
    """Return the logits; without a finite one nothing can follow."""
    if not logits.amax(dim=-1).isfinite().all():
        raise GenerationError(
            "the model's logits are not finite, so its weights are damaged or its training "
            "diverged; take an earlier checkpoint"
        )
    return logits


@runtime_checkable
class Context(Protocol):
    """The tokens so far, and what the model makes of them."""

    def next_logits(self) -> Float[Tensor, "batch vocab"]:
        """Return the logits of the token after the last one; ask once after each `append`."""
        ...

    def append(self, tokens: Int64[Tensor, " batch"]) -> None:
        """Add one token to each sequence."""
        ...

    def select(self, rows: Int64[Tensor, " chosen"]) -> None:
        """Keep these sequences, in this order and as often as they are named."""
        ...


class RecomputedContext:
    """Reads the whole context for every token: for models whose past changes with the future."""

    def __init__(self, model: GPT, ids: Int64[Tensor, "batch time"]) -> None:
        self.model = model
        self.ids = ids.to(model.device)

    def next_logits(self) -> Float[Tensor, "batch vocab"]:
        """Return the logits of the token after the last one."""
        start = context_start(self.ids.shape[1], self.model.config.block_size)
        return finite(_last_logits(self.model, self.ids[:, start:], NO_CACHE))

    def append(self, tokens: Int64[Tensor, " batch"]) -> None:
        """Add one token to each sequence."""
        self.ids = torch.cat((self.ids, tokens[:, None].to(self.ids.device)), dim=1)

    def select(self, rows: Int64[Tensor, " chosen"]) -> None:
        """Keep these sequences, in this order and as often as they are named."""
        self.ids = self.ids[rows.to(self.ids.device)]


class CachedContext(RecomputedContext):
    """Reads each token once, until the context is full."""

    def __init__(
        self,
        model: GPT,
        ids: Int64[Tensor, "batch time"],
        weights: WeightForm = "fp32",
        *,
        room: int | None = None,
    ) -> None:
        super().__init__(model, ids)
        keep_freed_memory()
        self.cache = KVCache(model.config, ids.shape[0], like=model.embedding.weight, room=room)
        self.decoder = _decoder(model, weights)
        self.start = 0

    def next_logits(self) -> Float[Tensor, "batch vocab"]:
        """Return the logits of the token after the last one."""
        start = context_start(self.ids.shape[1], self.model.config.block_size)
        if start != self.start:
            self.cache.clear()
            self.start = start
        unread = self.ids[:, start + self.cache.length :]
        return finite(read_on(self.model, self.decoder, self.cache, unread))

    def select(self, rows: Int64[Tensor, " chosen"]) -> None:
        """Keep these sequences, in this order and as often as they are named."""
        super().select(rows)
        self.cache.select(rows.to(self.ids.device))


def _decoder(model: GPT, weights: WeightForm) -> Decoder | None:
    decoder = open_decoder(model, weights)
    if decoder is None and weights != "fp32":
        raise GenerationError(
            f"weights in {weights} are read by the native kernels only, which cannot be used here "
            "(see bardling doctor); leave the weights as they are"
        )
    return decoder


def open_context(
    model: GPT,
    ids: Int64[Tensor, "batch time"],
    weights: WeightForm = "fp32",
    *,
    max_new_tokens: int | None = None,
) -> Context:
    """Return the cheapest context that is right for this model; it has room for tokens to come."""
    if not model.config.cacheable and weights == "fp32":
        return RecomputedContext(model, ids)
    return CachedContext(model, ids, weights, room=cache_room(model, ids, max_new_tokens))


def cache_room(
    model: GPT, ids: Int64[Tensor, "batch time"], max_new_tokens: int | None = None
) -> int:
    """Return how many tokens a cache for `ids` and what follows has to hold."""
    block = model.config.block_size
    return block if max_new_tokens is None else min(block, ids.shape[1] + max_new_tokens)


@torch.no_grad()
def decode(
    model: GPT,
    ids: Int64[Tensor, "batch time"],
    strategy: Greedy | Sample,
    *,
    max_new_tokens: int,
    seeds: list[int],
    weights: WeightForm = "fp32",
) -> Iterator[Int64[Tensor, " batch"]]:
    """Yield the next token of every sequence, `max_new_tokens` times.

    Sequence i draws from `seeds[i]` alone, so it does not depend on its neighbours. `weights` may
    be read in a shorter form than the model's own, which is quicker for large models and changes
    their logits a little. The caller stops early by no longer asking.
    """
    streams = [stream(seed, "sampling") for seed in seeds]
    context = open_context(model, ids, weights, max_new_tokens=max_new_tokens)
    for _ in range(max_new_tokens):
        draws = torch.tensor([s.random() for s in streams], dtype=torch.float64)
        tokens = strategy.pick(context.next_logits(), draws)
        context.append(tokens)
        yield tokens
