"""Low-rank adapters: a model that stays as it is, and small matrices beside some of its layers.

A layer W becomes W + (alpha / rank) B A, with A [rank, in] drawn at random and B [out, rank] at
zero, so that a wrapped model begins as the one it was (Hu et al., "LoRA", 2021, section 4.1).
Wrapping changes layers in place and keeps their names: beside `query.weight` there are
`query.lora_a` and `query.lora_b`. Unwrapping adds the product to the weight, and leaves a model
that knows nothing of adapters.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from bardling.errors import ConfigError
from bardling.machine.randomness import word
from bardling.model.attention import Pass
from bardling.model.dropout import SILENCE, Noise, Silence, build_dropout
from bardling.model.gpt import GPT
from bardling.model.lora_config import JOINED, TARGETS, Adapter, LoRA

A, B = "lora_a", "lora_b"
FIRST_SITE = 2**20
"""Of dropout in adapters, beyond those of any model."""


class LoRALinear(nn.Linear):
    """A linear layer that is frozen, with an adapter beside it."""

    lora_a: nn.Parameter
    lora_b: nn.Parameter

    def __init__(
        self, layer: nn.Linear, config: LoRA, site: int, lora_a: nn.Parameter | None = None
    ) -> None:
        """Take over the weights of `layer`, and the A of another layer where one is given."""
        nn.Module.__init__(self)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.weight, self.bias = layer.weight, layer.bias
        like = layer.weight.detach()
        if lora_a is None:
            lora_a = nn.Parameter(like.new_empty(config.rank, layer.in_features))
        self.lora_a = lora_a
        self.lora_b = nn.Parameter(like.new_zeros(layer.out_features, config.rank))
        self.scale = config.alpha / config.rank
        self.dropout = build_dropout(config.lora_dropout, site)
        self.noise: Noise | Silence = SILENCE
        self.hook: RemovableHandle | None = None

    def merged(self) -> Float[Tensor, "out_width in_width"]:
        """Return the weight with what the adapter adds to it."""
        return self.weight + (self.lora_b @ self.lora_a) * self.scale

    def forward(self, input: Float[Tensor, "*rows in_width"]) -> Float[Tensor, "*rows out_width"]:
        """Return the layer's answer and the adapter's, which is added without making a matrix."""
        seen = self.dropout(input, self.noise)
        low = F.linear(F.linear(seen, self.lora_a), self.lora_b)
        return F.linear(input, self.weight, self.bias) + low * self.scale


def weight_of(layer: nn.Linear) -> Float[Tensor, "out_width in_width"]:
    """Return what a layer multiplies by, its adapter included."""
    return layer.merged() if isinstance(layer, LoRALinear) else layer.weight


def wrap(model: GPT, adapter: Adapter, *, seed: int = 0) -> GPT:
    """Freeze `model` and put adapters beside its layers, in place; `Whole` leaves it alone.

    Where the adapter says so, the embedding and the output layer are not frozen.
    A is uniform within ±1/sqrt(in), each drawn from a stream of its own, keyed by seed and name.
    Raises `ConfigError` where the model has none of the layers that the adapter names.
    """
    if not isinstance(adapter, LoRA):
        return model
    model.requires_grad_(False)
    for table in (model.embedding, model.output):
        table.requires_grad_(adapter.embeddings)
    n_wrapped = 0
    for block in model.blocks:
        n_wrapped += _wrap_block(block, adapter, FIRST_SITE + n_wrapped)
    if not n_wrapped:
        raise ConfigError(
            f"the model has no layer among {', '.join(adapter.targets)}, so there is nothing that "
            "an adapter could be put beside"
        )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(A):
                random = torch.Generator().manual_seed(word("adapters", seed, name) >> 1)
                bound = 1.0 / math.sqrt(parameter.shape[1])
                drawn = torch.empty(parameter.shape).uniform_(-bound, bound, generator=random)
                parameter.copy_(drawn)
    return model


def unwrap(model: GPT) -> GPT:
    """Add what adapters say to their layers' weights, in place; none stays, nothing is frozen."""
    for parent, name, layer in list(_adapted(model)):
        plain = nn.Linear(
            layer.in_features, layer.out_features, layer.bias is not None, device="meta"
        )
        plain.weight = nn.Parameter(layer.merged().detach())
        plain.bias = layer.bias
        setattr(parent, name, plain)
        if layer.hook is not None:
            layer.hook.remove()
    return model.requires_grad_(True)


@contextmanager
def without_adapters(model: GPT) -> Iterator[None]:
    """Within, a wrapped model is the one that it was before its adapters learned."""
    scales = [(layer, layer.scale) for _, _, layer in _adapted(model)]
    for layer, _ in scales:
        layer.scale = 0.0
    try:
        yield
    finally:
        for layer, scale in scales:
            layer.scale = scale


def count_adapters(model: GPT) -> int:
    """Return how many numbers the adapters of a model have."""
    return sum(p.numel() for name, p in model.named_parameters() if name.endswith((A, B)))


def _wrap_block(block: nn.Module, adapter: LoRA, site: int) -> int:
    """Put adapters beside the layers of a block, which drop at `site` and on; return how many."""
    places = {
        name: parent
        for parent in block.modules()
        for name, layer in parent.named_children()
        if isinstance(layer, nn.Linear)
    }
    wrapped: list[LoRALinear] = []
    for target in adapter.targets:
        shared: nn.Parameter | None = None
        for name in (name for name in TARGETS[target] if name in places):
            layer = places[name].get_submodule(name)
            if isinstance(layer, nn.Linear):
                wrapped.append(LoRALinear(layer, adapter, site + len(wrapped), shared))
                shared = wrapped[-1].lora_a if target == JOINED else None
                setattr(places[name], name, wrapped[-1])
    hook = block.register_forward_pre_hook(partial(_hear, wrapped))
    for adapted in wrapped:
        adapted.hook = hook
    return len(wrapped)


def _hear(wrapped: list[LoRALinear], block: nn.Module, given: tuple[Tensor, Pass]) -> None:
    """Let adapters know what is dropped in a pass through their block."""
    for layer in wrapped:
        layer.noise = given[1].noise


def _adapted(model: nn.Module) -> Iterator[tuple[nn.Module, str, LoRALinear]]:
    for parent in model.modules():
        for name, layer in parent.named_children():
            if isinstance(layer, LoRALinear):
                yield parent, name, layer
