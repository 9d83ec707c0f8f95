"""How much work training a model is, from its config alone, and how long a machine needs for it.

Plain arithmetic like model/size.py, on which it builds; how fast the machine is has to be
measured (machine/measure.py). No torch here.
"""

from bardling.model.config import ModelConfig
from bardling.model.size import count_parameters, hidden_shapes, training_memory

FLOPS_PER_WEIGHT = 6  # of a training step, for each token: two forward, four backward
# Of the squares of attention, for each of their entries and channels: a product for the scores and
# one for the mixture, each with two more on the way back; a fixed average has no gradient.
FLOPS_PER_SQUARE = {"none": 0, "uniform": 4, "window": 0, "causal": 12, "unmasked": 12}
ELEMENTWISE_PASSES = 8.0
"""Times that a step works through what autograd keeps, at the rate of SiLU and a product."""


def token_flops(config: ModelConfig) -> int:
    """Return the operations of the products that training takes for each token.

    Weights that are only looked up, the token table and the places, are in no product unless the
    table is the output layer too. Attention multiplies whole squares, the future included.
    """
    parameters = count_parameters(config)
    weights = parameters.total - parameters.embeddings
    if config.tie_embeddings:
        weights += config.vocab_size * config.n_embd
    row = config.n_layer * config.block_size * config.attention_width
    return FLOPS_PER_WEIGHT * weights + FLOPS_PER_SQUARE[config.attention] * row


def orthogonal_flops(config: ModelConfig, *, iterations: int) -> int:
    """Return the operations by which Muon makes one step's changes orthogonal, for all matrices.

    One Newton-Schulz iteration multiplies a matrix of m <= n rows and columns by its transpose,
    the result by itself, and that by the matrix: 4 m^2 n + 2 m^3.
    """
    sides = [sorted(shape) for shape in hidden_shapes(config)]
    one_block = sum(4 * m * m * n + 2 * m**3 for m, n in sides)
    return iterations * config.n_layer * one_block


def token_seconds(
    config: ModelConfig, *, flops_per_second: float, bytes_per_second: float
) -> float:
    """Return about how long training takes for each token, uncompiled, on a processor.

    Two terms: the products at the measured rate of products, and the rest, which is what autograd
    keeps (`training_memory`) worked through `ELEMENTWISE_PASSES` times at the measured
    elementwise rate. On one thread of an AVX512-BF16 processor this came within a fifth of the
    steps of four presets in fp32 and bf16, the worst being the one with dropout; with one factor
    for all, products would have to be anything from 29 to 100 % of a step. Left out: dropout's
    hash, and memory asked for anew in pieces above 32 MiB, which a processor pays dearly for. On
    a GPU, where small steps wait for their kernels to be launched, it is the least there can be.
    """
    kept = training_memory(config, batch_size=1).activations / config.block_size
    return token_flops(config) / flops_per_second + ELEMENTWISE_PASSES * kept / bytes_per_second
