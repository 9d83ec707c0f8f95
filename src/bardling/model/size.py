"""How large a model is, from its config alone: parameters, and the memory that training it takes.

Plain arithmetic, so that a command line or a planner can weigh a hundred configs without building
one; nothing here imports torch. The tests hold every figure against built models. Choosing a
config that fits a machine is left to the planner.
"""

import math
from dataclasses import dataclass

from bardling.model.config import ModelConfig

FLOAT_BYTES = 4  # float32
ID_BYTES = 8  # int64

# Floats kept for each inner channel of the feed-forward layer: what its products and its
# activation read again on the way back. Where two of them read the same tensor it is kept once.
_KEPT_INSIDE = {"relu": 1, "gelu": 2, "gelu_tanh": 2, "gelu_sigmoid": 3, "swiglu": 4}

# A block of no width at all, 68 kB: its modules as Python objects (measured on CPython 3.11).
_BLOCK_BYTES = 70_000
_TABLE_BYTES = {"none": 0, "window": 0, "uniform": FLOAT_BYTES, "causal": 1, "unmasked": 1}


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Trainable numbers by component."""

    embeddings: int
    """The token table, and the learned positions."""
    attention: int
    feedforward: int
    norms: int
    """All of them: in the blocks, of queries and keys, and the final one."""
    output: int
    """The output layer; 0 when it is the token table."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.embeddings + self.attention + self.feedforward + self.norms + self.output


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes that a training step needs, by what they are for."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    """What the forward pass keeps for the backward pass."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.weights + self.gradients + self.optimizer + self.activations


def count_parameters(config: ModelConfig) -> Parameters:
    """Return how many parameters a model of this config has; `vocab_size` must be known."""
    places = config.block_size * config.n_embd if config.position == "learned" else 0
    output = 0 if config.tie_embeddings else config.vocab_size * config.n_embd
    return Parameters(
        embeddings=config.vocab_size * config.n_embd + places,
        attention=config.n_layer * _attention_parameters(config),
        feedforward=config.n_layer * _feedforward_parameters(config),
        norms=_norm_parameters(config),
        output=output + (config.vocab_size if config.output_bias else 0),
    )


def count_multiplied(config: ModelConfig) -> int:
    """Return the weights that take part in products: tables that are only looked up do not."""
    parameters = count_parameters(config)
    shared = config.vocab_size * config.n_embd if config.tie_embeddings else 0
    return parameters.total - parameters.embeddings + shared


def hidden_shapes(config: ModelConfig) -> list[tuple[int, int]]:
    """Return the shapes, (out, in), of one block's matrices, which Muon moves."""
    width, inner = config.n_embd, config.feedforward_width
    queries, keys = config.attention_width, config.kv_heads * config.head_width
    shapes: list[tuple[int, int]] = []
    if config.attention == "window":
        shapes += [(width, config.block_size * width)]
    elif config.attention != "none":
        shapes += [(keys, width)]  # values
        shapes += [] if config.attention == "uniform" else [(queries, width), (keys, width)]
        shapes += [(width, queries)] if config.attention_output else []
    if config.feedforward != "none":
        ups = 2 if config.feedforward == "swiglu" else 1
        shapes += [(inner, width)] * ups + [(width, inner)]
    return shapes


def training_memory(
    config: ModelConfig,
    *,
    batch_size: int,
    optimizer_states: int = 2,
    hidden_states: int | None = None,
) -> Memory:
    """Return what one step of float32 training holds at its peak, in bytes.

    `batch_size` is the sequences of one micro-batch, each `block_size` long; `optimizer_states`
    the numbers that the optimizer keeps for each parameter, `hidden_states` those for matrices
    inside the blocks where they differ (`kept_states` in training/optimizer_config.py has both).

    Activations are what autograd keeps between the forward and the backward pass of the uncompiled
    model and its cross-entropy, each storage once, as torch does it on a CPU. Left out are the
    temporaries inside a pass (the logits' gradient is the largest), the model's tables (masks,
    angles), and what the allocator rounds up or holds in reserve. A GPU's fused RMSNorm and
    compiled training keep less.
    """
    n_tokens = batch_size * config.block_size
    per_token = config.n_layer * (_attention_kept(config) + _feedforward_kept(config))
    per_token += _ends_kept(config)
    weights = count_parameters(config).total * FLOAT_BYTES
    in_block = sum(math.prod(shape) for shape in hidden_shapes(config))
    hidden = config.n_layer * in_block * FLOAT_BYTES
    fewer = 0 if hidden_states is None else optimizer_states - hidden_states
    return Memory(
        weights=weights,
        gradients=weights,
        optimizer=weights * optimizer_states - hidden * fewer,
        activations=n_tokens * (per_token * FLOAT_BYTES + 2 * ID_BYTES),  # ids and targets
    )


def model_memory(config: ModelConfig) -> int:
    """Return the bytes of a built model in float32."""
    return count_parameters(config).total * FLOAT_BYTES + fixed_memory(config)


def fixed_memory(config: ModelConfig) -> int:
    """Return the bytes of a built model besides its weights: its tables, and its modules.

    A table for each pair of places is held by every layer, and twice more while it is made.
    """
    table = config.block_size**2 * _TABLE_BYTES[config.attention]
    angles = 0
    if config.position == "rotary" and config.attention in ("causal", "unmasked"):
        angles = 2 * config.block_size * config.head_width * FLOAT_BYTES
    waves = 0
    if config.position in ("sinusoidal", "sinusoidal_scaled"):
        waves = config.block_size * config.n_embd * FLOAT_BYTES
    layers = config.n_layer * (table + angles + _BLOCK_BYTES)
    return layers + waves + (2 * table if config.n_layer else 0)


def _linear(n_in: int, n_out: int, *, bias: bool) -> int:
    return n_in * n_out + (n_out if bias else 0)


def _attention_parameters(config: ModelConfig) -> int:
    """Return the weights and biases of one layer's attention, without its norms."""
    if config.attention == "none":
        return 0
    width, kv_width = config.n_embd, config.kv_heads * config.head_width
    if config.attention == "window":
        return _linear(config.block_size * width, width, bias=config.bias)
    total = _linear(width, kv_width, bias=config.qkv_bias)  # values
    if config.attention != "uniform":
        total += _linear(width, config.attention_width, bias=config.qkv_bias)  # queries
        total += _linear(width, kv_width, bias=config.qkv_bias)  # keys
    if config.attention_output:
        total += _linear(config.attention_width, width, bias=config.bias)
    return total


def _feedforward_parameters(config: ModelConfig) -> int:
    """Return the weights and biases of one layer's feed-forward part."""
    if config.feedforward == "none":
        return 0
    width, inner = config.n_embd, config.feedforward_width
    n_up = 2 if config.feedforward == "swiglu" else 1
    up = n_up * _linear(width, inner, bias=config.bias)
    return up + _linear(inner, width, bias=config.bias)


def _norm_parameters(config: ModelConfig) -> int:
    """Return the weights and biases of all norms of the model."""
    one = {"none": 0, "rmsnorm": 1, "layernorm": 2 if config.bias else 1}[config.norm]
    over_stream = config.n_sublayers + (1 if config.final_norm else 0)
    over_heads = 2 * config.n_layer if _normalises_heads(config) else 0
    return over_stream * one * config.n_embd + over_heads * config.head_width


def _normalises_heads(config: ModelConfig) -> bool:
    return config.qk_norm and config.attention in ("causal", "unmasked")


# What autograd keeps, in floats for each token. A linear layer or a matrix product keeps its
# inputs, a norm its input and statistics, softmax its result, dropout its mask.


def _norm_kept(config: ModelConfig) -> int:
    """Return what one norm of the stream keeps; RMSNorm also keeps x / length, for its weight."""
    width = config.n_embd
    return {"none": 0, "layernorm": width + 2, "rmsnorm": 2 * width + 1}[config.norm]


def _sublayer_kept(config: ModelConfig) -> int:
    """Return what surrounds a transformation: its input, its norm and the mask of its result."""
    return config.n_embd + _norm_kept(config) + _mask_kept(config)


def _mask_kept(config: ModelConfig) -> int:
    return config.n_embd if config.dropout > 0.0 else 0


def _attention_kept(config: ModelConfig) -> int:
    """Return what one attention sublayer keeps."""
    if config.attention == "none":
        return 0
    width = config.attention_width
    weights = config.n_head * config.block_size  # one row of each head's square
    joined = width if config.attention_output else 0
    around = _sublayer_kept(config) + joined
    if config.attention == "window":
        return _sublayer_kept(config) + (config.block_size - 1) * config.n_embd
    if config.attention == "uniform":  # a table, and a copy for each head once elements drop out
        return around + (weights if config.dropout > 0.0 else 0)
    squares = 3 if config.dropout > 0.0 else 1  # softmax's result, the mask, their product
    heads = 2 * (width + config.kv_heads * config.head_width) + config.n_head + config.kv_heads
    of_norms = heads if _normalises_heads(config) else 0
    return around + 3 * width + squares * weights + of_norms  # 3: queries, shared keys and values


def _feedforward_kept(config: ModelConfig) -> int:
    """Return what one feed-forward sublayer keeps."""
    if config.feedforward == "none":
        return 0
    return _sublayer_kept(config) + _KEPT_INSIDE[config.feedforward] * config.feedforward_width


def _ends_kept(config: ModelConfig) -> int:
    """Return what lies before and after the blocks: mask, final norm, output layer, loss."""
    final_norm = _norm_kept(config) if config.final_norm else 0
    return _mask_kept(config) + final_norm + config.n_embd + config.vocab_size
