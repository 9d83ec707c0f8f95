"""What transformers calls the weights of the three families, both ways.

GPT-2's layers are `Conv1D`s, whose matrices are [in, out], and one of them holds queries, keys and
values side by side; the other two families name one matrix as we do, only otherwise.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from bardling.errors import CheckpointError
from bardling.interchange.family import Family, Restated, Weights
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT

_PATTERN = "attention.transform.pattern"
_ENDS: dict[Family, dict[str, str]] = {
    "gpt2": {
        "embedding.weight": "transformer.wte.weight",
        "places.weight": "transformer.wpe.weight",
        "final_norm.weight": "transformer.ln_f.weight",
        "final_norm.bias": "transformer.ln_f.bias",
        "output.weight": "lm_head.weight",
    },
    "llama": {
        "embedding.weight": "model.embed_tokens.weight",
        "final_norm.weight": "model.norm.weight",
        "output.weight": "lm_head.weight",
    },
}
_LAYERS: dict[Family, dict[str, str]] = {
    "gpt2": {
        "attention.norm_before": "transformer.h.{}.ln_1",
        "attention.transform.output": "transformer.h.{}.attn.c_proj",
        "feedforward.norm_before": "transformer.h.{}.ln_2",
        "feedforward.transform.layer.up": "transformer.h.{}.mlp.c_fc",
        "feedforward.transform.layer.down": "transformer.h.{}.mlp.c_proj",
    },
    "llama": {
        "attention.norm_before": "model.layers.{}.input_layernorm",
        f"{_PATTERN}.query": "model.layers.{}.self_attn.q_proj",
        f"{_PATTERN}.key": "model.layers.{}.self_attn.k_proj",
        f"{_PATTERN}.query_norm": "model.layers.{}.self_attn.q_norm",
        f"{_PATTERN}.key_norm": "model.layers.{}.self_attn.k_norm",
        "attention.transform.value": "model.layers.{}.self_attn.v_proj",
        "attention.transform.output": "model.layers.{}.self_attn.o_proj",
        "feedforward.norm_before": "model.layers.{}.post_attention_layernorm",
        "feedforward.transform.layer.gate": "model.layers.{}.mlp.gate_proj",
        "feedforward.transform.layer.up": "model.layers.{}.mlp.up_proj",
        "feedforward.transform.layer.down": "model.layers.{}.mlp.down_proj",
    },
}
_JOINS = (f"{_PATTERN}.query", f"{_PATTERN}.key", "attention.transform.value")
_TABLES = (".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq")
"""What older files hold besides weights: masks and angles."""


def is_table(name: str) -> bool:
    """Tell the name of a table from that of a weight."""
    return name.endswith(_TABLES)


def to_transformers(said: Restated) -> Weights:
    """Return the weights of a restated model by transformers' names, each with memory of its own.

    A tied output layer is left out, as in its own files.
    """
    parts: dict[str, list[Tensor]] = {}
    places = their_names(said.family, said.config)
    for ours, tensor in said.weights.items():  # queries come before keys, and keys before values
        parts.setdefault(places[ours][0], []).append(tensor)
    return {name: _turned(name, torch.cat(found)).contiguous() for name, found in parts.items()}


def from_transformers(family: Family, config: ModelConfig, found: Mapping[str, Tensor]) -> Weights:
    """Return the weights of a `GPT` of `config` from those of a file of transformers'.

    Biases that the file does not have are zeros. Raises `CheckpointError` where a weight is
    missing, is of another shape or has no place here.
    """
    theirs = dict(_prefixed("transformer." if family == "gpt2" else "model.", found))
    places = their_names(family, config)
    weights, used = dict[str, Tensor](), set[str]()
    for ours, shape in shapes_of(config).items():
        name, part = places[ours]
        if name in theirs:
            weights[ours] = _taken(theirs[name], name, part, shape)
            used.add(name)
        elif ours.endswith(".bias"):
            weights[ours] = torch.zeros(shape)
        else:
            raise CheckpointError(f"{name} is missing")
    tied = {"lm_head.weight"} if config.tie_embeddings else set()
    if extra := sorted(theirs.keys() - used - tied):
        raise CheckpointError(f"{extra[0][:100]!r} has no place in a model of this config.json")
    return weights


def _taken(tensor: Tensor, name: str, part: int | None, shape: tuple[int, ...]) -> Tensor:
    """Return one of our weights out of what a file has by a name: the whole, or a third."""
    turned = _turned(name, tensor)
    if part is not None and turned.shape[:1] == (len(_JOINS) * shape[0],):
        turned = turned.chunk(len(_JOINS))[part]
    if tuple(turned.shape) != shape:
        raise CheckpointError(
            f"{name} has shape {list(tensor.shape)}, which does not fit its config.json"
        )
    return turned.float().contiguous()


def their_names(family: Family, config: ModelConfig) -> dict[str, tuple[str, int | None]]:
    """Return transformers' name for each of our weights, and which third of what it names it is."""
    table: Family = "gpt2" if family == "gpt2" else "llama"
    names: dict[str, tuple[str, int | None]] = {n: (t, None) for n, t in _ENDS[table].items()}
    for layer in range(config.n_layer):
        block = f"blocks.{layer}.sublayers."
        for kind in ("weight", "bias"):
            for ours, theirs in _LAYERS[table].items():
                names[f"{block}{ours}.{kind}"] = f"{theirs.format(layer)}.{kind}", None
            if family == "gpt2":
                joined = f"transformer.h.{layer}.attn.c_attn.{kind}"
                names |= {f"{block}{ours}.{kind}": (joined, i) for i, ours in enumerate(_JOINS)}
    return names


def shapes_of(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight of a model; a tied output layer is none."""
    with torch.device("meta"):
        model = GPT(config)
    return {name: tuple(p.shape) for name, p in model.named_parameters()}


def _prefixed(prefix: str, found: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors by full names: files of a model without its head leave the prefix away."""
    for name, tensor in found.items():
        bare = not name.startswith((prefix, "lm_head."))
        yield (prefix + name if bare else name), tensor


def _turned(name: str, tensor: Tensor) -> Tensor:
    """Return the matrix of a `Conv1D` turned; anything else is as it was."""
    conv = ".attn.c_" in name or ".mlp.c_" in name
    return tensor.T if conv and tensor.dim() == 2 else tensor
