"""A model in the terms of a family that the ecosystem knows: GPT-2, Llama or Qwen3.

Most switches of a `ModelConfig` are no switches elsewhere. Some can be said all the same, by other
weights with the same logits: sinusoidal places are learned ones that hold the waves, a bias that
is absent is a bias of zeros, heads that are only laid side by side are projected by the identity,
scores that are not scaled are those of longer queries. `restate` does that, so that whoever writes
a format knows three blocks and no more. What cannot be said is refused, with the reasons.

GPT-2: Radford et al. (2019); Llama: Touvron et al. (2023); Qwen3: Yang et al. (2025).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from bardling.errors import ExportError
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from bardling.model.size import count_parameters
from bardling.presets.table import PRESETS

Family = Literal["gpt2", "llama", "qwen3"]
Weights = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Restated:
    """A model that is of a family to the letter; its logits are those of the model it was."""

    family: Family
    config: ModelConfig
    weights: Weights
    """By the names of a `GPT` of this config, in float32; a tied output layer is left out."""

    def build(self) -> GPT:
        """Return the model."""
        model = GPT(self.config)
        model.load_state_dict(self.weights | self._tied())
        return model

    def _tied(self) -> dict[str, Tensor]:
        tied = self.config.tie_embeddings
        return {"output.weight": self.weights["embedding.weight"]} if tied else {}


def nearest_family(config: ModelConfig) -> Family:
    """Return the family that a model is of, or would be without what `reasons` names."""
    if config.position != "rotary":
        return "gpt2"
    return "qwen3" if config.qk_norm else "llama"


def reasons(config: ModelConfig) -> list[str]:
    """Return what no family can say of a model; nothing where it can be restated."""
    family = nearest_family(config)
    name = {"gpt2": "GPT-2", "llama": "Llama", "qwen3": "Qwen3"}[family]
    gpt2 = family == "gpt2"
    wrong = {
        "no block at all": config.n_layer == 0,
        f"attention '{config.attention}'": config.attention != "causal",
        "no feed-forward layer": config.feedforward == "none",
        f"norm '{config.norm}'": config.norm != ("layernorm" if gpt2 else "rmsnorm"),
        "norms after the sublayers": config.norm_place != "before",
        "no final norm": not config.final_norm,
        "no residual": not config.residual,
        "a bias in the output layer": config.output_bias,
        "qk_norm": gpt2 and config.qk_norm,
        f"feedforward '{config.feedforward}'": config.feedforward != "none"
        and gpt2 == (config.feedforward == "swiglu"),
        f"heads of {config.head_width} that are not n_embd / n_head": gpt2
        and config.attention_width != config.n_embd,
        "biases": family == "qwen3" and (config.bias or config.qkv_bias),
    }
    return [f"{what} is not in {name}'s block" for what, found in wrong.items() if found]


def require_family(config: ModelConfig) -> Family:
    """Return the family of a model.

    Raises `ExportError` with the reasons where there is none, and the nearest preset that has one.
    """
    found = reasons(config)
    if found:
        raise ExportError(
            f"this model cannot be said in any format but ours: {'; '.join(found)}. "
            f"The nearest preset that can is {nearest_preset(config)}"
        )
    return nearest_family(config)


def nearest_preset(config: ModelConfig) -> str:
    """Return the preset with a family whose size, with this vocabulary, is nearest."""
    wanted = math.log(count_parameters(config).total)

    def distance(model: ModelConfig) -> float:
        sized = replace(model, vocab_size=config.vocab_size)
        return abs(math.log(count_parameters(sized).total) - wanted)

    models = {name: preset().config.model for name, preset in PRESETS.items()}
    return min((n for n, m in models.items() if not reasons(m)), key=lambda n: distance(models[n]))


def restate(model: GPT) -> Restated:
    """Return `model` as one of its family, with the same logits; see `require_family`."""
    config = model.config
    family = require_family(config)
    tied = config.tie_embeddings and config.embedding_scale == 1.0
    found = {name: p.detach().float().cpu() for name, p in model.named_parameters()}
    weights = {
        "embedding.weight": found["embedding.weight"] * config.embedding_scale,
        **dict(_places(model)),
        **{name: tensor for layer in range(config.n_layer) for name, tensor in
           _block(found, config, family, f"blocks.{layer}.sublayers.")},
        **dict(_norm(found, config, family, "final_norm")),
    }  # fmt: skip
    if not tied:
        weights["output.weight"] = model.output.weight.detach().float().cpu()
    biased = _biased(config, family)
    said = replace(
        config,
        position="learned" if family == "gpt2" else "rotary",
        n_kv_head=config.n_head if family == "gpt2" else config.kv_heads,
        head_dim=config.head_width,
        d_ff=config.feedforward_width,
        attention_output=True,
        attention_scale=True,
        qkv_bias=biased,
        bias=biased,
        tie_embeddings=tied,
    )
    return Restated(family=family, config=said, weights=weights)


def restate_rows(model: GPT, rows: Weights) -> Weights:
    """Return matrices [out, any], by the names of layers' weights, as they go with the restated.

    `restate` scales, copies or keeps the rows of a layer's weight, and does the same to these: so
    the B of an adapter, which stands where the weight stands, is carried along exactly.
    """
    family = require_family(model.config)
    found = {name: p.detach().float().cpu() for name, p in model.named_parameters()} | rows
    blocks = (f"blocks.{layer}.sublayers." for layer in range(model.config.n_layer))
    said = (_block(found, model.config, family, block) for block in blocks)
    return {name: tensor for block in said for name, tensor in block if name in rows}


def changed_rows(config: ModelConfig) -> list[str]:
    """Return why layers have other rows when they are restated; nothing where they are the same."""
    shared = nearest_family(config) == "gpt2" and config.kv_heads != config.n_head
    wrong = {
        "its scores are not scaled": not (config.attention_scale or config.qk_norm),
        "its heads of keys and values are shared": shared,
    }
    return [what for what, found in wrong.items() if found]


Named = Iterator[tuple[str, Tensor]]


def _places(model: GPT) -> Named:
    """Yield what GPT-2 adds to its embeddings: learned places, the waves, or zeros."""
    config = model.config
    if config.position == "rotary":
        return
    nothing = torch.zeros(config.block_size, config.n_embd)
    held = dict(model.places.named_parameters()) | dict(model.places.named_buffers())
    yield "places.weight", next(iter(held.values()), nothing).detach().float().cpu()


def _block(found: Weights, config: ModelConfig, family: Family, block: str) -> Named:
    """Yield the weights of one block."""
    biased = _biased(config, family)
    attention, feedforward = f"{block}attention.", f"{block}feedforward.transform.layer."
    for sublayer in ("attention", "feedforward"):
        yield from _norm(found, config, family, f"{block}{sublayer}.norm_before")
    yield from _queries(found, config, biased, f"{attention}transform.pattern.")
    copies = config.n_head // config.kv_heads if family == "gpt2" else 1
    for layer in (f"{attention}transform.pattern.key", f"{attention}transform.value"):
        for name, tensor in _linear(found, layer, config.kv_heads * config.head_width, biased):
            heads = tensor.reshape(config.kv_heads, config.head_width, *tensor.shape[1:])
            yield name, heads.repeat_interleave(copies, dim=0).flatten(0, 1)
    joined = f"{attention}transform.output"
    beside = {} if config.attention_output else {f"{joined}.weight": torch.eye(config.n_embd)}
    yield from _linear(found | beside, joined, config.n_embd, biased)
    inner = {"gate": config.feedforward_width} if config.feedforward == "swiglu" else {}
    for layer, size in (inner | {"up": config.feedforward_width, "down": config.n_embd}).items():
        yield from _linear(found, f"{feedforward}{layer}", size, biased)


def _queries(found: Weights, config: ModelConfig, biased: bool, pattern: str) -> Named:
    """Yield the query layer, and the norms of heads; scores that are not scaled are so by them."""
    longer = 1.0 if config.attention_scale else math.sqrt(config.head_width)
    for name, tensor in _linear(found, f"{pattern}query", config.attention_width, biased):
        yield name, tensor if config.qk_norm else tensor * longer
    if config.qk_norm:
        yield f"{pattern}query_norm.weight", found[f"{pattern}query_norm.weight"] * longer
        yield f"{pattern}key_norm.weight", found[f"{pattern}key_norm.weight"]


def _biased(config: ModelConfig, family: Family) -> bool:
    return family == "gpt2" or config.bias or config.qkv_bias


def _linear(found: Weights, layer: str, size: int, biased: bool) -> Named:
    """Yield a layer's weight, and its bias where the family has one: zeros for one that is not."""
    yield f"{layer}.weight", found[f"{layer}.weight"]
    if biased:
        yield f"{layer}.bias", found.get(f"{layer}.bias", torch.zeros(size))


def _norm(found: Weights, config: ModelConfig, family: Family, norm: str) -> Named:
    """Yield a norm's weight, and the bias of a LayerNorm."""
    return _linear(found, norm, config.n_embd, family == "gpt2")
