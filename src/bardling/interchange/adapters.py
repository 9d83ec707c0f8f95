"""LoRA adapters in the files of `peft`: adapter_config.json and adapter_model.safetensors.

For each layer that is adapted a file has two matrices, `lora_A` [rank, in] and `lora_B`
[out, rank], also where transformers' layer is a `Conv1D` whose own matrix is [in, out]. The layers
of Llama and Qwen3 are ours one by one. GPT-2 makes queries, keys and values in one layer: three
adapters of ours are one there, with their A one under the other and their B along a diagonal, of
three times the rank. So that a file has one rank and one scale, which is all that many of its
readers ask for, its other adapters are filled up with zeros, of which nothing is ever learned.
Tables of tokens that were trained whole are in the same file (adapter_tables.py).

The format: https://huggingface.co/docs/peft/developer_guides/checkpoint
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save as tensor_bytes
from torch import Tensor
from torch.nn import functional as F

from bardling import storage
from bardling.checkpoint import parse_weights
from bardling.errors import BardlingError, CheckpointError
from bardling.fields import read_value, show
from bardling.interchange import adapter_tables
from bardling.interchange.adapter_tables import PREFIX
from bardling.interchange.family import (
    Family,
    Weights,
    changed_rows,
    nearest_family,
    reasons,
    restate_rows,
)
from bardling.interchange.names import shapes_of, their_names
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from bardling.model.lora import A, B
from bardling.model.lora_config import JOINED, TARGETS, LoRA
from bardling.storage import Json

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_CONFIG_BYTES = 2**20
_TENSOR = re.compile(r"base_model\.model\.(.+)\.lora_(A|B)\.weight", re.ASCII)
_JOINED_A = f"attention.transform.pattern.query.{A}"
"""Where the one A of queries, keys and values is held."""
_KNOWN: dict[str, tuple[Json, ...]] = {
    "peft_type": ("LORA",),
    "task_type": ("CAUSAL_LM", None),
    "bias": ("none", None),
    "init_lora_weights": (True, False, "gaussian", None),
}
"""What an adapter_config.json may say of these; others begin by changing the model."""
_PASSED_OVER = {
    *(
        "r",
        "lora_alpha",
        "lora_dropout",
        "target_modules",
        *adapter_tables.SETTINGS,
    ),  # which are read
    *("fan_in_fan_out", "inference_mode"),  # how it is used, which does not change what it says
    *("base_model_name_or_path", "revision", "auto_mapping", "peft_version"),
    *("megatron_core", "qalora_group_size"),  # which mean something beside what is refused
}


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """An adapter that others made, as ours."""

    adapter: LoRA
    weights: Weights
    """By the names that a wrapped model has for them, in float32."""


def adapter_files(
    base: GPT, adapter: LoRA, weights: Mapping[str, Tensor], address: str, whole: GPT | None = None
) -> dict[str, bytes]:
    """Return the two files of an adapter by name.

    `weights` are those of a wrapped model, `base` is what they were before, `address` says where
    that lies as a folder of Hugging Face's, and `whole` is the model whose tables of tokens go
    along. The file's rank is the highest of its adapters, and its alpha as many times ours, so that
    alpha / rank stays.
    """
    family = nearest_family(base.config)
    pairs = _pairs(base, family, weights)
    rank = max(len(first) for first, _ in pairs.values())
    alpha = adapter.alpha * rank / adapter.rank
    told: dict[str, Json] = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": address,
        "inference_mode": True,
        "r": rank,
        "lora_alpha": int(alpha) if alpha.is_integer() else alpha,
        "lora_dropout": adapter.lora_dropout,
        "target_modules": sorted({_word(module) for module in pairs}),
        "fan_in_fan_out": family == "gpt2",
        "bias": "none",
    }
    more, tensors = adapter_tables.tables_of(whole)
    for module, (first, second) in pairs.items():
        missing = rank - len(first)
        tensors[f"{PREFIX}{module}.lora_A.weight"] = F.pad(first, (0, 0, 0, missing))
        tensors[f"{PREFIX}{module}.lora_B.weight"] = F.pad(second, (0, missing))
    return {
        CONFIG: storage.json_bytes(told | more),
        WEIGHTS: tensor_bytes(
            {name: tensor.clone().contiguous() for name, tensor in tensors.items()},
            metadata={"format": "pt"},
        ),
    }


def read_adapter(folder: Path, config: ModelConfig) -> Foreign:
    """Return the adapter in a folder, for a model of `config`.

    Raises `CheckpointError`, in one sentence that names the folder, where a file is missing or
    damaged, belongs to another model, or says what cannot be done here.
    """
    try:
        told = storage.read_json(folder / CONFIG, limit_bytes=_CONFIG_BYTES)
        if not isinstance(told, dict):
            raise CheckpointError(f"{CONFIG} is {show(told)}, and no settings by name")
        _require_plain(told)
        layers = _layers(config)
        if not storage.exists(folder / WEIGHTS):
            raise CheckpointError(f"it holds no {WEIGHTS}; weights in other forms are not read")
        tensors = dict(parse_weights(storage.read_bytes(folder / WEIGHTS), WEIGHTS))
        tables = adapter_tables.take_tables(told, tensors, config)
        found = _by_module(tensors, layers)
        _require_named(told.get("target_modules"), found, layers)
        adapter = LoRA(
            rank=read_value(int, told.get("r"), "r"),
            alpha=read_value(float, told.get("lora_alpha"), "lora_alpha"),
            lora_dropout=read_value(float, told.get("lora_dropout", 0.0), "lora_dropout"),
            targets=_targets(config, [layers[module] for module in found]),
            embeddings=bool(tables),
        )
        ours = _ours(config, adapter.rank, found, layers)
        return Foreign(adapter=adapter, weights=ours | tables)
    except BardlingError as error:
        raise CheckpointError(f"{folder} cannot be imported: {error}") from error


def _pairs(
    base: GPT, family: Family, weights: Mapping[str, Tensor]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Return A and B of each layer of transformers' that is adapted, by its name."""
    ours = [name.removesuffix(f".{B}") for name in sorted(weights) if name.endswith(f".{B}")]
    rows = restate_rows(base, {f"{n}.weight": weights[f"{n}.{B}"].float().cpu() for n in ours})
    places = their_names(family, base.config)
    parts: dict[str, list[tuple[int | None, str, Tensor]]] = {}
    for layer in ours:
        name, part = places[f"{layer}.weight"]
        first = f"{layer}.{A}"
        if first not in weights:
            first = layer.partition("attention.")[0] + _JOINED_A
        parts.setdefault(name.removesuffix(".weight"), []).append(
            (part, first, rows[f"{layer}.weight"])
        )
    return {module: _one(found, weights) for module, found in parts.items()}


def _one(
    parts: Sequence[tuple[int | None, str, Tensor]], weights: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """Return A and B for a layer out of those of its thirds, or of the whole.

    Each different A has columns of its own in B.
    """
    parts = sorted(parts, key=lambda one: one[0] or 0)
    names = list(dict.fromkeys(first for _, first, _ in parts))
    firsts = torch.cat([weights[name].float().cpu() for name in names])
    if parts[0][0] is None:
        return firsts, parts[0][2]
    height, rank = parts[0][2].shape
    seconds = torch.zeros(len(TARGETS[JOINED]) * height, len(names) * rank)
    for part, first, second in parts:
        row, column = (part or 0) * height, names.index(first) * rank
        seconds[row : row + height, column : column + rank] = second
    return firsts, seconds


def _word(module: str) -> str:
    """Return a layer's name without its block; GPT-2 has two that end alike."""
    sublayer, _, word = module.rpartition(".")
    return f"{sublayer.rpartition('.')[2]}.{word}" if word == "c_proj" else word


def _require_plain(told: Mapping[str, Json]) -> None:
    """Refuse settings by which an adapter is more than two matrices beside a layer."""
    for key, value in told.items():
        if key not in _PASSED_OVER and value not in _KNOWN.get(key, (None, False, {}, [])):
            known = ", ".join(map(str, _KNOWN[key])) if key in _KNOWN else "none"
            raise CheckpointError(
                f"{show(key)} is {show(value)} in its {CONFIG}; {known} is read here"
            )


def _layers(config: ModelConfig) -> dict[str, list[str]]:
    """Return our layers that each layer of transformers' is, by its name: one, or three.

    Raises `CheckpointError` where an adapter's matrices would have to be changed to fit.
    """
    if found := reasons(config):
        raise CheckpointError(f"nobody else's adapters fit this run's model: {'; '.join(found)}")
    if found := changed_rows(config):
        raise CheckpointError(
            f"this run's model is another one elsewhere ({'; '.join(found)}): export it, import "
            "what was written, and take that as the base"
        )
    shapes = shapes_of(config)
    layers: dict[str, list[str]] = {}
    for name, (theirs, _) in their_names(nearest_family(config), config).items():
        if name.startswith("blocks.") and len(shapes.get(name, ())) == 2:
            module = theirs.removesuffix(".weight")
            layers.setdefault(module, []).append(name.removesuffix(".weight"))
    return layers


def _by_module(
    tensors: Mapping[str, Tensor], layers: Mapping[str, list[str]]
) -> dict[str, dict[str, Tensor]]:
    """Return the tensors by layer of transformers' and by A or B; both must be there."""
    found: dict[str, dict[str, Tensor]] = {}
    for name, tensor in sorted(tensors.items()):  # safetensors' order is another every time
        match = _TENSOR.fullmatch(name)
        if match is None or match[1] not in layers:
            raise CheckpointError(f"{show(name)} has no place beside a layer of this run's model")
        found.setdefault(match[1], {})[match[2]] = tensor
    for module, pair in found.items():
        for letter in ("A", "B"):
            if letter not in pair:
                raise CheckpointError(f"base_model.model.{module}.lora_{letter}.weight is missing")
    return found


def _require_named(
    named: Json, found: Mapping[str, object], layers: Mapping[str, list[str]]
) -> None:
    """Refuse matrices that are not of the layers that `target_modules` names, and of all those."""
    if not isinstance(named, list) or not all(isinstance(word, str) for word in named):
        raise CheckpointError(f"target_modules is {show(named)}; a list of names is read here")
    wanted: set[str] = set()
    for word in named:
        of_it = {module for module in layers if f".{module}".endswith(f".{word}")}
        if not of_it:
            raise CheckpointError(f"target_modules names {show(word)}, which no block here has")
        wanted |= of_it
    if surplus := sorted(found.keys() - wanted):
        raise CheckpointError(f"it adapts {surplus[0]}, which its target_modules do not name")
    if missing := sorted(wanted - found.keys()):
        raise CheckpointError(f"base_model.model.{missing[0]}.lora_A.weight is missing")


def _targets(config: ModelConfig, layers: Sequence[list[str]]) -> tuple[str, ...]:
    """Return the targets of an adapter by the layers that it goes with, alike in every block."""
    if not layers:
        raise CheckpointError("it adapts no layer at all")
    blocks: dict[str, set[str]] = {str(number): set() for number in range(config.n_layer)}
    for ours in layers:
        target = JOINED if len(ours) > 1 else ours[0].rpartition(".")[2]
        blocks[ours[0].split(".")[1]].add(target)
    every = set.union(*blocks.values())
    for number, targets in blocks.items():
        if targets != every:
            some = ", ".join(sorted(every - targets))
            raise CheckpointError(f"block {number} has no adapter on {some}, and others have")
    return tuple(target for target in TARGETS if target in every)


def _ours(
    config: ModelConfig,
    rank: int,
    found: Mapping[str, Mapping[str, Tensor]],
    layers: Mapping[str, list[str]],
) -> Weights:
    """Return A and B by our names, after their shapes were looked at."""
    shapes = shapes_of(config)
    weights: Weights = {}
    for module, pair in found.items():
        own = layers[module]
        sizes = [shapes[f"{layer}.weight"] for layer in own]
        expected = {"A": (rank, sizes[0][1]), "B": (sum(rows for rows, _ in sizes), rank)}
        for letter, shape in expected.items():
            if tuple(pair[letter].shape) != shape:
                raise CheckpointError(
                    f"base_model.model.{module}.lora_{letter}.weight has shape "
                    f"{list(pair[letter].shape)}; {list(shape)} was expected"
                )
        weights[f"{own[0]}.{A}"] = pair["A"].float().clone()
        for layer, second in zip(own, pair["B"].chunk(len(own)), strict=True):
            weights[f"{layer}.{B}"] = second.float().clone()
    return weights
