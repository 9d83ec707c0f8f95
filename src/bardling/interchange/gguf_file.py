"""A model as one GGUF file, which llama.cpp runs, and back again from such a file.

Written by `GGUFWriter` of the package gguf, which is llama.cpp's own. Read back are files as they
are written here: our check is by that, and by llama.cpp itself where it is installed.

Weights may be shortened: to float16, or to blocks of 32 that share a scale (q8_0, q4_0). As with
llama.cpp's own quantisation, norms, biases and places stay in float32, a matrix whose rows are no
multiple of 32 becomes float16, and the output layer (or the embedding that is it) is spared the
shortest form.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from bardling import storage
from bardling.errors import CheckpointError, ExportError, UsageError, nearest
from bardling.extras import optional
from bardling.interchange.family import Family, Restated
from bardling.interchange.gguf_names import from_gguf, to_gguf
from bardling.interchange.gguf_tokenizer import add_vocabulary, vocabulary
from bardling.model.config import ModelConfig
from bardling.model.families import classic, modern
from bardling.model.room import require_room
from bardling.text.tokenizer import Tokenizer

GGUFKind = Literal["f32", "f16", "q8_0", "q4_0"]
KINDS: tuple[GGUFKind, ...] = get_args(GGUFKind)
BLOCK = 32
"""Weights that share a scale."""
FILE_TYPES: dict[GGUFKind, int] = {"f32": 0, "f16": 1, "q4_0": 2, "q8_0": 7}
"""general.file_type: what most of the weights are."""
_SPARED: dict[GGUFKind, GGUFKind] = {"q4_0": "q8_0"}
MOST_LAYERS = 512
_WHOLE = ("position_embd.weight",)
_FAMILIES: dict[str, Family] = {"gpt2": "gpt2", "llama": "llama", "qwen3": "qwen3"}
_READ = {"f32", "f16", "q8_0", "q4_0"}
_DAMAGED = (ValueError, LookupError, TypeError, ArithmeticError, OSError)


def gguf_kind(word: str) -> GGUFKind:
    """Return the kind that a word names."""
    for kind in KINDS:
        if word == kind:
            return kind
    raise UsageError(
        f"'{word[:60]}' is no kind of GGUF file{nearest(word, KINDS)}; there are {', '.join(KINDS)}"
    )


def gguf_name(name: str, said: Restated, kind: GGUFKind) -> str:
    """Return how such files are called: name, size and kind."""
    library = optional("gguf", "export", "a GGUF file")
    size = library.size_label(_numbers(said), 0, 0, 0)
    return f"{library.naming_convention(name, None, None, None, size, kind)}.gguf"


def write_gguf(
    said: Restated,
    tokenizer: Tokenizer,
    path: Path,
    kind: GGUFKind = "f32",
    *,
    name: str,
    licence: str = "unknown",
    template: str = "",
) -> None:
    """Write a model, its tokenizer and the template of its chats, whole or not at all.

    Raises `ExportError` where llama.cpp cannot run the model or be its tokenizer.
    """
    library = optional("gguf", "export", "a GGUF file")
    _require_known(said, tokenizer)
    writer = library.GGUFWriter(None, said.family)
    writer.add_type("model")
    writer.add_name(name)
    if licence != "unknown":
        writer.add_license(licence)
    writer.add_size_label(library.size_label(_numbers(said), 0, 0, 0))
    writer.add_file_type(FILE_TYPES[kind])
    writer.add_quantization_version(library.GGML_QUANT_VERSION)
    _add_sizes(writer, said)
    add_vocabulary(writer, vocabulary(tokenizer, said))
    if template:
        writer.add_chat_template(template)
    weights = to_gguf(said)
    for called, tensor in weights.items():
        form = form_of(called, tensor.shape, kind, tied=said.config.tie_embeddings)
        type_ = library.GGMLQuantizationType[form.upper()]
        writer.add_tensor(called, _shortened(library, tensor, type_), raw_dtype=type_)
    with storage.atomic_file(path) as file:
        writer.fout, writer.state = [file], library.WriterState.EMPTY  # a file that is open
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()


def form_of(name: str, shape: tuple[int, ...], kind: GGUFKind, *, tied: bool) -> GGUFKind:
    """Return the form in which a tensor is written in a file of some kind."""
    if len(shape) < 2 or name in _WHOLE:
        return "f32"
    if name == ("token_embd.weight" if tied else "output.weight"):
        kind = _SPARED.get(kind, kind)
    return "f16" if kind.startswith("q") and shape[-1] % BLOCK else kind


def _shortened(library: Any, tensor: Tensor, type_: Any) -> Any:
    with np.errstate(all="ignore"):  # blocks of zeros have no scale; what is infinite is found
        return library.quants.quantize(tensor.contiguous().numpy(), type_)


def _numbers(said: Restated) -> int:
    return sum(tensor.numel() for tensor in said.weights.values())


def _require_known(said: Restated, tokenizer: Tokenizer) -> None:
    """Refuse a model that llama.cpp cannot run.

    Its GELU is the tanh form, which may stand for the exact one: of the largest logit, they differ
    by 3e-4 (a GPT-2 of 1.8M on Shakespeare), and llama.cpp's own table of it by 2.5e-4.
    """
    bend = said.config.feedforward
    if said.config.n_layer > MOST_LAYERS:
        raise ExportError(
            f"llama.cpp runs {MOST_LAYERS} layers at most, and this model has "
            f"{said.config.n_layer:,}: train one with fewer"
        )
    if bend not in ("swiglu", "gelu_tanh", "gelu"):
        raise ExportError(
            f"llama.cpp's GPT-2 has no {bend}, only gelu_tanh: "
            "train with --model.feedforward gelu_tanh"
        )
    if tokenizer.vocab_size != said.config.vocab_size:
        raise ExportError(
            f"the tokenizer has {tokenizer.vocab_size:,} tokens, and the model "
            f"{said.config.vocab_size:,}"
        )


def _add_sizes(writer: Any, said: Restated) -> None:
    config = said.config
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.block_size)
    writer.add_embedding_length(config.n_embd)
    writer.add_block_count(config.n_layer)
    writer.add_feed_forward_length(config.feedforward_width)
    writer.add_head_count(config.n_head)
    if said.family == "gpt2":
        writer.add_layer_norm_eps(config.norm_eps)
        return
    writer.add_head_count_kv(config.kv_heads)
    writer.add_key_length(config.head_width)
    writer.add_value_length(config.head_width)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    writer.add_rope_dimension_count(config.head_width)
    writer.add_rope_freq_base(config.rope_base)


def read_gguf(path: Path) -> Restated:
    """Return the model of a file that was written here, its weights as float32.

    It is what llama.cpp makes of the file, so GELU is in its tanh form. Raises `CheckpointError`
    for a file that is damaged or of others.
    """
    library = optional("gguf", "export", "a GGUF file")
    try:
        reader = library.GGUFReader(path)
        told = {name: field.contents() for name, field in reader.fields.items()}
        tensors = {
            tensor.name: torch.from_numpy(
                np.array(library.quants.dequantize(tensor.data, tensor.tensor_type))
            )
            for tensor in reader.tensors
            if tensor.tensor_type.name.lower() in _READ
        }
        family = _FAMILIES[told["general.architecture"]]
        config = _config(family, told, tensors)
    except _DAMAGED as error:
        raise CheckpointError(
            f"{path} is no GGUF file of ours: {str(error)[:100]!r} ({type(error).__name__})"
        ) from error
    require_room(config)
    return from_gguf(family, config, tensors)


def _config(family: Family, told: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> ModelConfig:
    """Return the settings that a file describes."""
    own = {
        key.removeprefix(f"{family}."): value
        for key, value in told.items()
        if key.startswith(f"{family}.")
    }
    sizes = {
        "vocab_size": len(told["tokenizer.ggml.tokens"]),
        "block_size": own["context_length"],
        "n_embd": own["embedding_length"],
        "n_layer": own["block_count"],
        "d_ff": own["feed_forward_length"],
        "n_head": own["attention.head_count"],
        "tie_embeddings": "output.weight" not in tensors,
    }
    if family == "gpt2":
        return classic(**sizes, norm_eps=_decimal(own["attention.layer_norm_epsilon"]))
    return modern(
        **sizes,
        norm_eps=_decimal(own["attention.layer_norm_rms_epsilon"]),
        n_kv_head=own["attention.head_count_kv"],
        head_dim=own["attention.key_length"],
        rope_base=_decimal(own["rope.freq_base"]),
        qk_norm=family == "qwen3",
        qkv_bias="blk.0.attn_q.bias" in tensors,
        bias="blk.0.ffn_up.bias" in tensors,
    )


def _decimal(number: float) -> float:
    """Return the shortest decimal number that is the same in float32, as it was before."""
    return float(str(np.float32(number)))
