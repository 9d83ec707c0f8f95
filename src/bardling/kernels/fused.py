"""A GPT read by the kernels: the same weights, another way through them.

`FusedGPT` stands where a `GPT` would in training and evaluation. It holds no weights of its own;
what it computes is what the model computes, but for the rounding of sums (tests/kernels). Which
models it can read is said by `fusable`; the others go the plain way.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bardling.kernels.halves import (
    Attending,
    Bending,
    DropRows,
    Half,
    Inner,
    LastNorm,
    Layer,
    Linears,
    Work,
    apply,
)
from bardling.kernels.library import Library
from bardling.kernels.loss import Judge, judged_loss, summed_loss
from bardling.kernels.operations import NO_DROP, Drop, Heads, Norm
from bardling.model.config import ModelConfig
from bardling.model.dropout import SILENCE, Noise, Silence
from bardling.model.gpt import GPT

WIDEST_HEAD = 1024  # beyond, a block of a head no longer fits into a core's cache


def fusable(config: ModelConfig) -> bool:
    """Tell whether the kernels can read a model of this config."""
    return (
        config.n_layer > 0
        and (config.attention, config.norm_place) == ("causal", "before")
        and config.norm != "none"
        and config.feedforward != "none"
        and config.residual
        and config.final_norm
        and config.attention_output
        and config.head_width <= WIDEST_HEAD
    )


@dataclass(frozen=True)
class _Sublayer:
    """One half of a block, and where its dropout falls."""

    norm: Norm
    first: Linears
    second: Linears
    site: int
    inner: Callable[[int, Drop], Inner]
    """(sequences, what is dropped of attention weights) → what lies between the layers."""


class FusedGPT:
    """The kernels' way through a model, multiplying in `dtype`."""

    def __init__(self, model: GPT, lib: Library, dtype: torch.dtype) -> None:
        self.model, self.lib, self.dtype = model, lib, dtype
        self.config = model.config
        self.sublayers = [
            self._sublayer(name, sublayer)
            for block in model.blocks
            for name, sublayer in block.get_submodule("sublayers").named_children()
        ]
        self.last_norm = _norm(model.final_norm)
        self.output = Linears([model.output])

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.device

    def _sublayer(self, name: str, sublayer: nn.Module) -> _Sublayer:
        layer = dict(sublayer.get_submodule("transform").named_modules())
        if name == "attention":
            heads = _heads(self.config, layer["pattern"])
            names, last = ["pattern.query", "pattern.key", "value"], "output"
            inner: Callable[[int, Drop], Inner] = partial(_attending, heads)
        else:
            names, last = [n for n in ("layer.gate", "layer.up") if n in layer], "layer.down"
            inner = partial(_bending, self.config.feedforward)
        return _Sublayer(
            norm=_norm(sublayer.get_submodule("norm_before")),
            first=_linear(layer[n] for n in names),
            second=_linear([layer[last]]),
            site=getattr(sublayer.get_submodule("dropout"), "site", 0),
            inner=inner,
        )

    def hidden(
        self, ids: Int64[Tensor, "batch time"], *, noise: Noise | Silence = SILENCE
    ) -> Float[Tensor, "rows width"]:
        """Return what `GPT.hidden` does, in rows of tokens and in the type of products."""
        batch, time = ids.shape
        self.model.check_room(time)
        rate = self.config.dropout
        keys = noise.row_keys if isinstance(noise, Noise) and rate > 0 else None

        def drop(site: int) -> Drop:
            return NO_DROP if keys is None else Drop(site, rate, keys, time)

        x = self.model.places(self.model.embedding(ids), 0).flatten(0, 1)
        if keys is not None:
            x = apply(DropRows, self.lib, drop(0), x)
        change, dropped = None, NO_DROP
        for part, first, second in self._with_layers():
            work = Work(
                lib=self.lib,
                norm=part.norm,
                drop_change=dropped,
                first=first,
                inner=part.inner(batch, drop(part.site - 1)),
                second=second,
            )
            x, change = apply(Half, work, x, change, *work.parameters)
            dropped = drop(part.site)
        norm = self.last_norm
        last: Tensor = apply(
            LastNorm, (self.lib, norm, dropped, self.dtype), x, change, norm.weight, norm.bias
        )
        return last

    @torch.no_grad()
    def _with_layers(self) -> Iterator[tuple[_Sublayer, Layer, Layer]]:
        """Yield all sublayers, with their linear layers as their weights are now."""
        for part in self.sublayers:
            yield part, part.first.copied(self.dtype), part.second.copied(self.dtype)

    def summed_loss(
        self,
        ids: Int64[Tensor, "batch time"],
        targets: Int64[Tensor, "batch time"],
        noise: Noise | Silence = SILENCE,
    ) -> Float[Tensor, ""]:
        """Return the summed cross-entropy of the targets, in nats; those below 0 count nothing."""
        hidden = self.hidden(ids, noise=noise)
        return summed_loss(self.lib, self.output_layer(), hidden, targets.flatten())

    def judged_loss(
        self,
        judge: Judge,
        ids: Int64[Tensor, "batch time"],
        known: tuple[Tensor, ...],
        noise: Noise | Silence = SILENCE,
    ) -> Float[Tensor, ""]:
        """Return the summed loss by `judge`, which is given logits and what is `known` by rows."""
        return judged_loss(judge, self.output_layer(), self.hidden(ids, noise=noise), known)

    @torch.no_grad()
    def output_layer(self) -> Layer:
        """Return the output layer with its weights as they are now."""
        return self.output.copied(self.dtype)

    def logits(
        self, ids: Int64[Tensor, "batch time"], noise: Noise | Silence = SILENCE
    ) -> Float[Tensor, "batch time vocab"]:
        """Return what `GPT` does, all logits at once, for losses that the kernels do not know."""
        output = self.model.output
        hidden = self.hidden(ids, noise=noise).to(output.weight.dtype)
        logits: Tensor = output(hidden.view(*ids.shape, -1))
        return logits


def _attending(heads: Heads, batch: int, drop: Drop) -> Inner:
    return Attending(batch, heads, drop)


def _bending(kind: str, batch: int, drop: Drop) -> Inner:
    return Bending(kind)


def _linear(modules: Iterable[nn.Module]) -> Linears:
    return Linears([module for module in modules if isinstance(module, nn.Linear)])


def _norm(module: nn.Module) -> Norm:
    bias, eps = getattr(module, "bias", None), float(getattr(module, "eps", 0.0) or 0.0)
    weight = module.get_parameter("weight")
    return Norm(weight, bias, eps, isinstance(module, nn.LayerNorm))


def _heads(config: ModelConfig, pattern: nn.Module) -> Heads:
    """Return the heads of a layer, with the weights of their norms and the tables of rotation."""
    weights = dict(pattern.named_parameters())
    tables = dict(pattern.get_submodule("rotate").named_buffers())
    return Heads(
        n_head=config.n_head,
        n_kv_head=config.kv_heads,
        channels=config.head_width,
        scale=config.head_width**-0.5 if config.attention_scale else 1.0,
        eps=config.norm_eps,
        query_weight=weights.get("query_norm.weight"),
        key_weight=weights.get("key_norm.weight"),
        cos=tables.get("cos"),
        sin=tables.get("sin"),
    )
