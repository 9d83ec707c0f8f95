"""What GGUF calls the weights of the three families, both ways.

llama.cpp turns the channels of a head in neighbouring pairs where the family is Llama, and in the
halves that we have where it is Qwen3; so the rows of Llama's queries and keys change places. GPT-2
has one matrix for queries, keys and values, and all matrices are [out, in], as ours.

The names are those of `MODEL_TENSORS` in the package gguf.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from bardling.errors import CheckpointError
from bardling.interchange.family import Family, Restated, Weights
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT

_PATTERN = "attention.transform.pattern"
QKV = "attn_qkv"
_ENDS = {
    "embedding": "token_embd",
    "places": "position_embd",
    "final_norm": "output_norm",
    "output": "output",
}
_LAYERS = {
    "attention.norm_before": "attn_norm",
    f"{_PATTERN}.query": "attn_q",
    f"{_PATTERN}.key": "attn_k",
    "attention.transform.value": "attn_v",
    f"{_PATTERN}.query_norm": "attn_q_norm",
    f"{_PATTERN}.key_norm": "attn_k_norm",
    "attention.transform.output": "attn_output",
    "feedforward.norm_before": "ffn_norm",
    "feedforward.transform.layer.gate": "ffn_gate",
    "feedforward.transform.layer.up": "ffn_up",
    "feedforward.transform.layer.down": "ffn_down",
}
_JOINED = ("attn_q", "attn_k", "attn_v")


def to_gguf(said: Restated) -> Weights:
    """Return the weights of a restated model by GGUF's names, each with memory of its own.

    A tied output layer is left out: llama.cpp takes the embedding then.
    """
    return {
        name: torch.cat([_turned(said.weights[ours], ours, said) for ours in parts])
        for name, parts in _places(said.family, said.weights).items()
    }


def from_gguf(family: Family, config: ModelConfig, found: Mapping[str, Tensor]) -> Restated:
    """Return the model of a file's tensors; raises `CheckpointError` where they are others."""
    with torch.device("meta"):
        model = GPT(config)
    shapes = {name: p.shape for name, p in model.named_parameters()}
    places = _places(family, shapes)
    if wrong := sorted(places.keys() ^ found.keys()):
        raise CheckpointError(f"{wrong[0][:100]!r} is missing, or has no place in its model")
    said = Restated(family=family, config=config, weights={})
    for name, parts in places.items():
        sizes = [shapes[ours][0] for ours in parts]
        if found[name].shape != (sum(sizes), *shapes[parts[0]][1:]):
            raise CheckpointError(f"{name} has shape {list(found[name].shape)}, which does not fit")
        for ours, tensor in zip(parts, torch.split(found[name], sizes), strict=True):
            said.weights[ours] = _turned(tensor, ours, said, back=True)
    return said


def _places(family: Family, names: Iterable[str]) -> dict[str, list[str]]:
    """Return GGUF's names, each with those of our weights that it joins.

    Ours come as a model has them: queries before keys, and keys before values.
    """
    places: dict[str, list[str]] = {}
    for ours in names:
        layer, _, kind = ours.rpartition(".")
        name = _ENDS.get(layer)
        if name is None:
            _, number, _, part = layer.split(".", 3)
            short = _LAYERS[part]
            name = f"blk.{number}.{QKV if family == 'gpt2' and short in _JOINED else short}"
        places.setdefault(f"{name}.{kind}", []).append(ours)
    return places


def _turned(tensor: Tensor, ours: str, said: Restated, *, back: bool = False) -> Tensor:
    """Return Llama's queries and keys with their rows in the other order; others as they are.

    There, rows 0, 1, 2, 3, ... of a head are our 0, half, 1, half + 1, ...
    """
    heads = {"query": said.config.n_head, "key": said.config.kv_heads}.get(ours.split(".")[-2])
    if said.family != "llama" or heads is None:
        return tensor
    pairs = (-1, 2) if back else (2, -1)
    cut = tensor.reshape(heads, *pairs, *tensor.shape[1:])
    return cut.transpose(1, 2).reshape(tensor.shape)
