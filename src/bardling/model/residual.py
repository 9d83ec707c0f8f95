"""A block: attention, then feed-forward, each with its norm, its dropout and its way around.

before:  x + dropout(sublayer(norm(x)))        (GPT-2 and everything since)
after:   norm(x + dropout(sublayer(x)))        (Vaswani et al. 2017)

Without the residual, `x +` falls away. All four are one class, put together when it is built.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bardling.model.attention import Attention, Pass
from bardling.model.config import ModelConfig
from bardling.model.dropout import build_dropout
from bardling.model.feedforward import build_feedforward
from bardling.model.norms import build_norm
from bardling.model.window import Window

Stream = Float[Tensor, "batch time width"]

SITES_PER_BLOCK = 3  # attention weights, attention's result, feed-forward's result


def _replace(x: Tensor, change: Tensor) -> Tensor:
    return change


class PositionWise(nn.Module):
    """Gives a layer that needs only `x` the interface of one that also needs the pass."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Stream, state: Pass) -> Stream:
        """Apply the layer to each position."""
        return self.layer(x)


class Sublayer(nn.Module):
    """One transformation of the residual stream."""

    def __init__(self, transform: nn.Module, config: ModelConfig, site: int) -> None:
        super().__init__()
        self.norm_before = build_norm(config, present=config.norm_place == "before")
        self.transform = transform
        self.dropout = build_dropout(config.dropout, site)
        self.join: Callable[[Tensor, Tensor], Tensor] = torch.add if config.residual else _replace
        self.norm_after = build_norm(config, present=config.norm_place == "after")

    def forward(self, x: Stream, state: Pass) -> Stream:
        """Return the stream after this sublayer."""
        change = self.dropout(self.transform(self.norm_before(x), state), state.noise)
        return self.norm_after(self.join(x, change))


class Block(nn.Module):
    """The sublayers of one layer of the model; a part that is switched off is not there."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        site = 1 + layer * SITES_PER_BLOCK
        parts: dict[str, Sublayer] = {}
        if config.attention != "none":
            mixer = Window(config) if config.attention == "window" else Attention(config, site)
            parts["attention"] = Sublayer(mixer, config, site + 1)
        if config.feedforward != "none":
            transform = PositionWise(build_feedforward(config))
            parts["feedforward"] = Sublayer(transform, config, site + 2)
        self.sublayers = nn.ModuleDict(parts)

    def forward(self, x: Stream, state: Pass) -> Stream:
        """Pass the stream through the sublayers in order."""
        for sublayer in self.sublayers.values():
            x = sublayer(x, state)
        return x
