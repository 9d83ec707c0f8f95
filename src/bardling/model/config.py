"""What a GPT is made of, as one frozen value.

Every part of the model can be switched here and nowhere else. The values are read once, when
the model is built; no `forward` looks at them. This file imports no torch, so that a command
line or a table of sizes need not wait for it.
"""

import math
from dataclasses import dataclass
from typing import Literal

from bardling.errors import ConfigError
from bardling.fields import check_fields

Position = Literal["none", "learned", "sinusoidal", "sinusoidal_scaled", "rotary"]
Norm = Literal["none", "layernorm", "rmsnorm"]
NormPlace = Literal["before", "after"]
AttentionKind = Literal["none", "uniform", "window", "causal", "unmasked"]
FeedForwardKind = Literal["none", "relu", "gelu", "gelu_tanh", "gelu_sigmoid", "swiglu"]
Initialisation = Literal["plain", "gpt2", "modern", "copying"]


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The switches of a GPT; the defaults are the modern family (Qwen3's block)."""

    vocab_size: int = 0
    """Different tokens; a run takes as many as its tokenizer has."""
    block_size: int = 128
    """Context length in tokens."""
    n_layer: int = 4
    """Blocks; 0 leaves embedding and output alone, which is a bigram model."""
    n_head: int = 6
    """Attention heads (queries)."""
    n_kv_head: int | None = None
    """Heads of keys and values, shared by groups of queries; none means n_head."""
    head_dim: int | None = None
    """Width of one head; none means n_embd / n_head."""
    n_embd: int = 192
    """Width of the residual stream."""

    position: Position = "rotary"
    """How a token knows its place; sinusoidal_scaled adds the waves to embeddings times
    sqrt(n_embd), so that they do not drown them."""
    rope_base: float = 10_000.0
    """Base of the wavelengths of rotary and sinusoidal positions."""
    norm: Norm = "rmsnorm"
    """Normalisation of every sublayer."""
    norm_place: NormPlace = "before"
    """Normalise the sublayer's input, or what comes after the residual sum."""
    final_norm: bool = True
    """Normalise once more before the output layer."""
    norm_eps: float = 1e-6
    """Added to the variance."""
    residual: bool = True
    """Add each sublayer's result to its input instead of replacing it."""

    attention: AttentionKind = "causal"
    """Learned causal attention; plain averaging of the past; the past as one long vector (an MLP
    over a window); unmasked, to show the cheating."""
    attention_output: bool = True
    """Project the joined heads back; without it the heads are only laid side by side."""
    attention_scale: bool = True
    """Divide the scores by sqrt(head_dim)."""
    qk_norm: bool = True
    """RMS-normalise each head's queries and keys."""
    feedforward: FeedForwardKind = "swiglu"
    """The layer that works on each position alone."""
    d_ff: int | None = None
    """Its inner width; none means 4 n_embd, for SwiGLU 8/3 n_embd rounded up to 16s."""

    qkv_bias: bool = False
    """Bias in the query, key and value layers."""
    bias: bool = False
    """Bias in the other layers and in LayerNorm."""
    output_bias: bool = False
    """Bias in the output layer."""
    tie_embeddings: bool = True
    """The output layer shares the embedding's matrix."""
    dropout: float = 0.0
    """Share of activations dropped in training: embeddings, attention weights, sublayers."""
    init: Initialisation = "modern"
    """How the weights begin; see model/initialise.py."""

    def __post_init__(self) -> None:
        check_fields(self)
        self._check_sizes()
        self._check_heads()
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"dropout is {self.dropout}; it must be at least 0 and below 1")
        if not 0.0 < self.norm_eps < 1.0:
            raise ConfigError(f"norm_eps is {self.norm_eps}; it must lie between 0 and 1")
        if self.rope_base <= 1.0:
            raise ConfigError(f"rope_base is {self.rope_base}; it must be above 1")
        if self.tie_embeddings and self.output_bias:
            raise ConfigError(
                "output_bias needs a layer of its own; set tie_embeddings to false, or the bias off"
            )

    def _check_sizes(self) -> None:
        smallest = {"vocab_size": 0, "block_size": 1, "n_layer": 0, "n_embd": 1, "n_head": 1}
        for name, least in smallest.items():
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        for name in ("n_kv_head", "head_dim", "d_ff"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; it must be at least 1, or none")

    def _check_heads(self) -> None:
        if self.head_dim is None and self.n_embd % self.n_head:
            near = _divisors_near(self.n_embd, self.n_head)
            raise ConfigError(
                f"n_embd {self.n_embd} is not divisible by n_head {self.n_head}; "
                f"take n_head {' or '.join(map(str, near))}, or set head_dim"
            )
        if self.n_head % self.kv_heads:
            raise ConfigError(
                f"n_head {self.n_head} is not divisible by n_kv_head {self.kv_heads}; "
                "heads of keys and values serve equal groups of queries, so take a divisor, or none"
            )
        if not self.attention_output and self.attention_width != self.n_embd:
            raise ConfigError(
                f"without attention_output the {self.n_head} heads of {self.head_width} channels "
                f"must be as wide as n_embd {self.n_embd} together; leave head_dim to it"
            )
        if self.attention == "window" and (self.head_dim, self.n_kv_head) != (None, None):
            raise ConfigError("a window has neither head_dim nor n_kv_head; leave them away")
        if self.position == "rotary" and self.head_width % 2:
            raise ConfigError(
                f"rotary positions turn pairs of channels, but a head has {self.head_width}; "
                "choose an even head_dim or another position"
            )

    @property
    def kv_heads(self) -> int:
        """Heads of keys and values."""
        return self.n_head if self.n_kv_head is None else self.n_kv_head

    @property
    def head_width(self) -> int:
        """Channels of one head."""
        return self.n_embd // self.n_head if self.head_dim is None else self.head_dim

    @property
    def attention_width(self) -> int:
        """Channels of all heads joined."""
        return self.n_head * self.head_width

    @property
    def embedding_scale(self) -> float:
        """Factor of a token's vector before the vector of its place is added."""
        return math.sqrt(self.n_embd) if self.position == "sinusoidal_scaled" else 1.0

    @property
    def feedforward_width(self) -> int:
        """Channels inside the feed-forward layer."""
        if self.d_ff is not None:
            return self.d_ff
        if self.feedforward == "swiglu":
            return -(-8 * self.n_embd // (3 * 16)) * 16
        return 4 * self.n_embd

    @property
    def n_sublayers(self) -> int:
        """Sublayers that write into the residual stream, over all blocks."""
        kinds = (self.attention, self.feedforward)
        return self.n_layer * sum(kind != "none" for kind in kinds)

    @property
    def cacheable(self) -> bool:
        """Whether past keys and values stay what they were when a token is added."""
        return self.attention != "unmasked"


def _divisors_near(number: int, wanted: int) -> list[int]:
    """Return the divisors of `number` nearest to `wanted`, two if there are, in order.

    Only the divisors up to 1024 and their partners are looked for, which are all of them for a
    width up to a million; with a slip of the finger in the width, all would take hours.
    """
    small = [n for n in range(1, min(number, 1024) + 1) if number % n == 0]
    every = sorted({*small, *(number // n for n in small)})
    return sorted(sorted(every, key=lambda n: abs(n - wanted))[:2])
