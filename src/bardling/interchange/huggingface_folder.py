"""A folder of transformers' read: its config as ours, its weights by our names, its tokenizer.

Read are the classes of GPT-2, Llama and Qwen3, from safetensors. What a config says that our block
cannot do is refused by name, because a model that is read nearly right is worse than none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from bardling import storage
from bardling.checkpoint import parse_weights
from bardling.errors import BardlingError, CheckpointError
from bardling.fields import show
from bardling.interchange.family import Family, Weights
from bardling.interchange.huggingface import ACTIVATIONS, CLASSES, WEIGHTS
from bardling.interchange.names import from_transformers, is_table
from bardling.model.config import ModelConfig
from bardling.model.families import classic, modern
from bardling.model.gpt import GPT
from bardling.model.room import require_room
from bardling.storage import Json
from bardling.text.tokenizer import Tokenizer
from bardling.text.tokenizer_file import load_tokenizer

INDEX = f"{WEIGHTS}.index.json"
_INDEX_BYTES = 2**24
_CONFIG_BYTES = 2**20
LONGEST_CONTEXT = 4096
"""Taken of a model where no other is asked for: the tables of a context grow with its square."""
PADDING = 1024
"""Rows of an embedding beyond the tokenizer's tokens, at most: sizes are rounded up so."""
_GELUS = {theirs: ours for ours, theirs in ACTIVATIONS.items()} | {
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
}


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """A model that others made, as ours."""

    family: Family
    config: ModelConfig
    weights: Weights
    tokenizer: Tokenizer
    notes: tuple[str, ...] = ()
    """What is not as it was there."""

    def build(self) -> GPT:
        """Return the model."""
        model = GPT(self.config)
        own = dict(self.weights)
        if self.config.tie_embeddings:
            own["output.weight"] = own["embedding.weight"]
        model.load_state_dict(own)
        return model


def read_folder(folder: Path, *, block_size: int | None = None) -> Foreign:
    """Return the model in a folder, for contexts of `block_size` tokens or as many as it has.

    Raises `CheckpointError`, in one sentence that names the folder, where a file is missing or
    damaged, or where it says what cannot be done here.
    """
    try:
        told = storage.read_json(folder / "config.json", limit_bytes=_CONFIG_BYTES)
        family, config = model_config(told)
        there, context = config.block_size, _context(config, block_size)
        if family != "gpt2":  # which learned a vector for each place
            config = replace(config, block_size=context)
        require_room(config)
        tokenizer = load_tokenizer(folder)
        surplus = config.vocab_size - tokenizer.vocab_size
        if not 0 <= surplus <= PADDING:
            raise CheckpointError(
                f"its tokenizer has {tokenizer.vocab_size:,} tokens, and its model "
                f"{config.vocab_size:,}"
            )
        weights = from_transformers(family, config, _tensors(folder))
        notes = [
            *(
                [f"{surplus:,} rows of its embedding that no text can reach were left out"]
                if surplus
                else []
            ),
            *([f"contexts are cut to {context:,} of {there:,} tokens"] if context < there else []),
        ]
        config = replace(config, block_size=context, vocab_size=tokenizer.vocab_size)
        return Foreign(
            family=family,
            config=config,
            weights=_fitted(config, weights),
            tokenizer=tokenizer,
            notes=tuple(notes),
        )
    except BardlingError as error:
        raise CheckpointError(f"{folder} cannot be imported: {error}") from error


def _context(config: ModelConfig, wanted: int | None) -> int:
    """Return the tokens of a context."""
    if wanted is None:
        return min(config.block_size, LONGEST_CONTEXT)
    if not 1 <= wanted <= config.block_size:
        raise CheckpointError(
            f"it was made for contexts of {config.block_size:,} tokens, and {wanted:,} were asked"
        )
    return wanted


def _fitted(config: ModelConfig, weights: Weights) -> Weights:
    """Return the weights with the rows of tables that a vocabulary and a context need."""
    rows = {
        "places.weight": config.block_size,
        "embedding.weight": config.vocab_size,
        "output.weight": config.vocab_size,
    }
    return {n: t[: rows[n]].clone() if n in rows else t for n, t in weights.items()}


def _tensors(folder: Path) -> dict[str, Tensor]:
    """Return the tensors of a folder: of one file, or of those that an index names."""
    names = [WEIGHTS] if storage.exists(folder / WEIGHTS) else _indexed(folder)
    found: dict[str, Tensor] = {}
    for name in names:
        data = storage.read_bytes(folder / name)
        found |= parse_weights(data, name, passed_over=is_table)
    return found


def _indexed(folder: Path) -> list[str]:
    """Return the files that an index of weights names, which lie beside it."""
    if not storage.exists(folder / INDEX):
        raise CheckpointError(f"it holds no {WEIGHTS}; weights in other forms are not read")
    match storage.read_json(folder / INDEX, limit_bytes=_INDEX_BYTES):
        case {"weight_map": dict(places)}:
            names = sorted({str(name) for name in places.values()})
        case _:
            raise CheckpointError(f"{INDEX} has no 'weight_map'")
    for name in names:
        if not name.endswith(".safetensors") or {"/", "\\"} & set(name):
            raise CheckpointError(f"{INDEX} names {show(name)}, which is no file of this folder")
    return names


def model_config(told: Json) -> tuple[Family, ModelConfig]:
    """Return the family and the settings that a config.json describes."""
    kind = told.get("model_type") if isinstance(told, dict) else None
    if not isinstance(kind, str) or kind not in CLASSES:
        raise CheckpointError(
            f"its config.json is of model_type {show(kind)}; {', '.join(CLASSES)} are read"
        )
    read = _gpt2 if kind == "gpt2" else _llama
    for key in ("quantization_config", "auto_map"):
        if told.get(key) is not None:
            raise CheckpointError(f"{key!r} in its config.json is not read here")
    return ("gpt2" if kind == "gpt2" else "qwen3" if kind == "qwen3" else "llama"), read(told)


def _gpt2(told: Mapping[str, Any]) -> ModelConfig:
    _require(told, "scale_attn_by_inverse_layer_idx", False)
    _require(told, "add_cross_attention", False)
    bend = told.get("activation_function", "gelu_new")
    if bend not in _GELUS:
        raise CheckpointError(f"its activation {show(bend)} is not known here")
    return classic(
        vocab_size=_whole(told, "vocab_size", 50257),
        block_size=_whole(told, "n_positions", 1024),
        n_embd=_whole(told, "n_embd", 768),
        n_layer=_whole(told, "n_layer", 12),
        n_head=_whole(told, "n_head", 12),
        d_ff=_whole(told, "n_inner", None),
        norm_eps=_number(told, "layer_norm_epsilon", 1e-5),
        attention_scale=bool(told.get("scale_attn_weights", True)),
        tie_embeddings=bool(told.get("tie_word_embeddings", True)),
        feedforward=_GELUS[bend],
    )


def _llama(told: Mapping[str, Any]) -> ModelConfig:
    _require(told, "hidden_act", "silu")
    _require(told, "use_sliding_window", False)
    attention, feedforward = told.get("attention_bias"), told.get("mlp_bias")
    return modern(
        vocab_size=_whole(told, "vocab_size", 32000),
        block_size=_whole(told, "max_position_embeddings", 2048),
        n_embd=_whole(told, "hidden_size", 4096),
        n_layer=_whole(told, "num_hidden_layers", 32),
        n_head=_whole(told, "num_attention_heads", 32),
        n_kv_head=_whole(told, "num_key_value_heads", None),
        head_dim=_whole(told, "head_dim", 128 if told["model_type"] == "qwen3" else None),
        d_ff=_whole(told, "intermediate_size", 11008),
        norm_eps=_number(told, "rms_norm_eps", 1e-6),
        rope_base=_rope_base(told),
        qk_norm=told["model_type"] == "qwen3",
        qkv_bias=bool(attention),
        bias=bool(attention) or bool(feedforward),
        tie_embeddings=bool(told.get("tie_word_embeddings", False)),
    )


def _rope_base(told: Mapping[str, Any]) -> float:
    """Return the base of the wavelengths; any other way of stretching them is refused."""
    rope = told.get("rope_parameters") or told.get("rope_scaling") or {}
    kind = rope.get("rope_type", rope.get("type", "default")) if isinstance(rope, dict) else rope
    if kind != "default":
        raise CheckpointError(
            f"its rotary positions are of type {show(kind)}; only default is read"
        )
    return _number(rope if "rope_theta" in rope else told, "rope_theta", 10_000.0)


def _require(told: Mapping[str, Any], key: str, value: Json) -> None:
    if told.get(key) not in (None, value):
        raise CheckpointError(f"{key} is {show(told[key])} in its config.json; {value} is read")


def _whole(told: Mapping[str, Any], key: str, default: int | None) -> Any:
    """Return a whole number of a config.json; where it is absent, what transformers takes."""
    value = told.get(key, default)
    if type(value) is int or (value is None and default is None):
        return value
    raise CheckpointError(f"{key} is {show(value)} in its config.json, not a whole number")


def _number(told: Mapping[str, Any], key: str, default: float) -> float:
    value = told.get(key, default)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise CheckpointError(f"{key} is {show(value)} in its config.json, not a number")
