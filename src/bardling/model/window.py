"""The window: a model without attention that still sees the past, for comparison.

Each token's vector and those of the tokens before it, `block_size` of them, are laid side by side
and go through one linear layer, which has a weight of its own for every distance (Bengio et al.
2003, "A neural probabilistic language model", section 2). Where the past is shorter, zeros stand.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from bardling.model.attention import Pass, merge_heads, split_heads
from bardling.model.config import ModelConfig


class Window(nn.Module):
    """Stands where attention would, and is as wide as the stream."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.n_head, self.size = config.n_head, config.block_size
        self.output = nn.Linear(self.size * config.n_embd, config.n_embd, bias=config.bias)

    def forward(
        self, x: Float[Tensor, "batch time width"], state: Pass
    ) -> Float[Tensor, "batch time width"]:
        """Return what follows for each position from the window that ends there."""
        past = merge_heads(state.cache.append_values(split_heads(x, self.n_head)))
        reach = self.size - 1
        recent = F.pad(past, (0, 0, reach, 0))[:, -(x.shape[1] + reach) :]
        return self.output(recent.unfold(1, self.size, 1).mT.flatten(2))
