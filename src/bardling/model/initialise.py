"""How the weights begin.

Each parameter is drawn from a stream of its own, keyed by seed and name. So switching a part on
or off leaves the beginning of every other part as it was, which is what an ablation wants.

plain   torch's defaults: matrices uniform within ±1/sqrt(fan_in), embeddings N(0, 1)
gpt2    N(0, 0.02); what writes into the residual stream N(0, 0.02 / sqrt(2 n_layer))
        (Radford et al. 2019, section 2.3, and OpenAI's code)
modern  N(0, 1/sqrt(fan_in)); what is added to the residual stream starts at zero, so that a deep
        model begins as a shallow one; embeddings N(0, 0.02), an untied output layer at zero, so
        that the first loss is ln(vocab_size)

copying as modern, but attention hands on what it looks at: values are an orthogonal matrix,
        which the output turns back. To copy a word, a head then only has to find it (after
        Trockman and Kolter 2023, "Mimetic initialization of self-attention layers", whose
        product of the two matrices resembles an identity too)

N takes the standard deviation. Norm weights begin at 1 and biases at 0 (plain: uniform within
±1/sqrt(fan_in)).
"""

import math
from collections.abc import Callable

import torch
from torch import nn

from bardling.machine.randomness import word
from bardling.model.config import ModelConfig

Rule = Callable[[ModelConfig, str, nn.Parameter, torch.Generator], None]


def is_embedding(name: str) -> bool:
    """Tell whether a parameter is a table of vectors, looked up rather than multiplied."""
    return name in ("embedding.weight", "places.weight")


def writes_into_stream(name: str) -> bool:
    """Tell whether a weight is the last of a sublayer."""
    return name.endswith(("transform.output.weight", "layer.down.weight"))


def _plain(config: ModelConfig, name: str, p: nn.Parameter, random: torch.Generator) -> None:
    if is_embedding(name):
        nn.init.normal_(p, generator=random)
        return
    fan_in = p.shape[1] if p.dim() == 2 else _bias_fan_in(config, name)
    bound = 1.0 / math.sqrt(fan_in)
    nn.init.uniform_(p, -bound, bound, generator=random)


def _bias_fan_in(config: ModelConfig, name: str) -> int:
    """Return the width of the input of the layer that a bias belongs to."""
    if name.endswith("layer.down.bias"):
        return config.feedforward_width
    if name.endswith("transform.output.bias"):
        windows = config.block_size if config.attention == "window" else 1
        return windows * config.attention_width
    return config.n_embd


def _gpt2(config: ModelConfig, name: str, p: nn.Parameter, random: torch.Generator) -> None:
    std = 0.02 / math.sqrt(2 * config.n_layer) if writes_into_stream(name) else 0.02
    nn.init.normal_(p, std=std, generator=random) if p.dim() == 2 else nn.init.zeros_(p)


def _modern(config: ModelConfig, name: str, p: nn.Parameter, random: torch.Generator) -> None:
    # A sublayer that replaces the stream must not be zero: nothing would pass, not even gradients.
    silent = writes_into_stream(name) and config.residual
    if p.dim() == 1 or name == "output.weight" or silent:
        nn.init.zeros_(p)
    elif is_embedding(name):
        nn.init.normal_(p, std=0.02, generator=random)
    else:
        nn.init.normal_(p, std=p.shape[1] ** -0.5, generator=random)


def _copying(config: ModelConfig, name: str, p: nn.Parameter, random: torch.Generator) -> None:
    if name.endswith("attention.transform.value.weight"):
        square = torch.empty(p.shape, dtype=torch.float64)  # the rounding is the same everywhere
        p.copy_(nn.init.orthogonal_(square, generator=random))
    else:
        _modern(config, name, p, random)


RULES: dict[str, Rule] = {
    "plain": _plain,
    "gpt2": _gpt2,
    "modern": _modern,
    "copying": _copying,
}


@torch.no_grad()
def initialise(model: nn.Module, config: ModelConfig, seed: int) -> None:
    """Set every parameter of `model` in place, as a pure function of (config, seed)."""
    rule = RULES[config.init]
    for name, parameter in model.named_parameters():
        if "norm" in name:
            parameter.fill_(1.0 if name.endswith("weight") else 0.0)
        else:
            random = torch.Generator().manual_seed(word("weights", seed, name) >> 1)
            rule(config, name, parameter, random)
    undone = config.attention_output and config.attention != "window"  # which has no values
    if config.init == "copying" and undone:
        for name, module in model.named_modules():
            if name.endswith("attention.transform"):
                _turn_back(config, module)


def _turn_back(config: ModelConfig, attention: nn.Module) -> None:
    """Let the output of an attention layer undo what the value layer does."""
    group = config.n_head // config.kv_heads
    heads = attention.get_parameter("value.weight").chunk(config.kv_heads)
    per_head = torch.cat([head for head in heads for _ in range(group)])
    attention.get_parameter("output.weight").copy_(per_head.T / group)
