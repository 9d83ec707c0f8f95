"""Normalisation of a vector: by mean and variance, by its length alone, or not at all.

LayerNorm (Ba et al. 2016):  (x - mean) / sqrt(variance + eps) * weight + bias
RMSNorm (Zhang and Sennrich 2019):  x / sqrt(mean(x²) + eps) * weight

torch's fused forms of both are used; the formulas above are what the tests compare with.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

from bardling.model.config import ModelConfig


class RMSNorm(nn.RMSNorm):
    """torch's RMSNorm, always in the precision of its weight.

    Under autocast layers hand on bfloat16; torch would leave its fused form then, with a warning.
    """

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return `x` at a root mean square of one, weighted."""
        return super().forward(x.to(self.weight.dtype))


NORMS: dict[str, Callable[[ModelConfig], nn.Module]] = {
    "none": lambda config: nn.Identity(),
    "layernorm": lambda config: nn.LayerNorm(config.n_embd, config.norm_eps, bias=config.bias),
    "rmsnorm": lambda config: RMSNorm(config.n_embd, config.norm_eps),
}


def build_norm(config: ModelConfig, *, present: bool) -> nn.Module:
    """Return the configured norm over the residual stream, or what leaves it alone."""
    return NORMS[config.norm if present else "none"](config)


def build_head_norm(config: ModelConfig) -> nn.Module:
    """Return the norm of one head's queries or keys (Henry et al. 2020; Qwen3's form)."""
    return RMSNorm(config.head_width, config.norm_eps) if config.qk_norm else nn.Identity()
