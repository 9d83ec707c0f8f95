"""Room for several texts at once, and how a model reads some tokens of some of them.

Texts come and go, so each is at a place of its own. The native kernels read one token of every
text in one call; what a text gets is the same, bit for bit, whoever is read beside it. Where they
cannot be used, torch reads one text after the other, which is the same by nature.
"""

import threading
from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from bardling.errors import GenerationError
from bardling.kernels.decoder import MOST_AT_ONCE, Decoder, open_decoder
from bardling.kernels.weights import WeightForm
from bardling.model.cache import NO_CACHE, KVCache
from bardling.model.gpt import GPT

CHUNK = 256
"""Tokens of a prompt that torch reads at once."""


class Part(NamedTuple):
    """Some tokens of one text."""

    slot: int
    ids: Sequence[int]
    """The text as far as the model is to have read it, from the beginning of its context."""
    n_read: int
    """How many of them it has read already."""
    everywhere: bool = False
    """Whether the logits after every token are wanted, and not only those after the last."""

    @property
    def unread(self) -> Sequence[int]:
        """The tokens that it is to read now."""
        return self.ids[self.n_read :]


@runtime_checkable
class Slots(Protocol):
    """What an engine needs of a model."""

    chunk: int
    """Most tokens of a text in one go."""
    hands: int
    """Threads that may read at the same time, other slots each."""

    def read(self, parts: Sequence[Part]) -> list[Float[Tensor, "told vocab"]]:
        """Read parts, each of another slot; return logits after the last token of each, or all."""
        ...


class NativeSlots:
    """One cache for all, read by decode.cpp."""

    chunk, hands = MOST_AT_ONCE, 2

    def __init__(self, model: GPT, decoder: Decoder, count: int) -> None:
        self.decoder, self._own = decoder, threading.local()
        self.cache = KVCache(model.config, count, like=model.embedding.weight)

    def read(self, parts: Sequence[Part]) -> list[Float[Tensor, "told vocab"]]:
        """Read parts; those with as many tokens as each other are read in one call."""
        if not hasattr(self._own, "decoder"):
            self._own.decoder = self.decoder.beside()
        found: list[Tensor] = [torch.empty(0)] * len(parts)
        alike: dict[tuple[int, bool], list[int]] = {}
        for i, part in enumerate(parts):
            alike.setdefault((len(part.unread), part.everywhere), []).append(i)
        for (_, everywhere), group in alike.items():
            logits = self._own.decoder.read_slots(
                torch.tensor([list(parts[i].unread) for i in group]),
                self.cache,
                torch.tensor([parts[i].slot for i in group]),
                torch.tensor([parts[i].n_read for i in group]),
                everywhere=everywhere,
            )
            for row, i in enumerate(group):
                found[i] = logits[row]
        return found


class SeparateSlots:
    """A cache for each, read by torch one after the other; none where nothing can be kept."""

    chunk, hands = CHUNK, 1

    def __init__(self, model: GPT, count: int) -> None:
        self.model = model
        self.caches: list[KVCache | None] = [None] * count

    def read(self, parts: Sequence[Part]) -> list[Float[Tensor, "told vocab"]]:
        """Read parts."""
        return [self._read(part) for part in parts]

    def _read(self, part: Part) -> Float[Tensor, "told vocab"]:
        model, unread = self.model, part.unread
        if not model.config.cacheable:
            ids = torch.tensor([list(part.ids)], device=model.device)
            hidden = model.hidden(ids, cache=NO_CACHE)[0, -len(unread) :]
        else:
            cache = self._cache(part.slot)
            cache.length = part.n_read
            hidden = model.hidden(torch.tensor([list(unread)], device=model.device), cache=cache)[0]
        return model.output(hidden if part.everywhere else hidden[-1:]).float().cpu()

    def _cache(self, slot: int) -> KVCache:
        """Return a slot's cache, which takes memory when it is needed first."""
        cache = self.caches[slot]
        if cache is None:
            cache = KVCache(self.model.config, 1, like=self.model.embedding.weight)
            self.caches[slot] = cache
        return cache


def open_slots(model: GPT, count: int, weights: WeightForm = "fp32") -> Slots:
    """Return room for `count` texts; raises `GenerationError` for weights in a form unknown here.

    The form matters to the native kernels only.
    """
    decoder = open_decoder(model, weights, panels=True)
    if decoder is not None:
        return NativeSlots(model, decoder, count)
    if weights != "fp32":
        raise GenerationError(f"weights in {weights} are read by the native kernels only")
    return SeparateSlots(model, count)
