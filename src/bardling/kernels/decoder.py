"""Some tokens more for each sequence, by one call of C++ that reads every weight once.

What a small model spends on a token is mostly the way there: dozens of operations of which each
does next to nothing. `Decoder` hands the whole step to decode.cpp, on the weights and the cache
that the model has. Weights can be kept shorter than float32, which large models answer with speed,
because they wait for memory: `bf16` rounds them, `int8` keeps a factor for each row.
"""

import copy
import ctypes
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from bardling.errors import GenerationError, KernelError
from bardling.kernels.fused import fusable
from bardling.kernels.library import Library, load_library
from bardling.kernels.weights import FORMS, WeightForm, in_panels, shortened
from bardling.model.cache import KVCache
from bardling.model.gpt import GPT
from bardling.model.lora import weight_of

BENDS = {"relu": 0, "gelu": 1, "gelu_tanh": 2, "gelu_sigmoid": 3, "swiglu": 4}
PLAIN: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}
"""What C++ reads and writes, whatever torch's defaults are."""
LANES = 16
"""Numbers in a vector of decode.cpp."""
MOST_AT_ONCE = 32
"""Tokens of a sequence that are read in one step; torch is the quicker reader of many."""


def _fields(kind: Any, *names: str) -> list[tuple[str, Any]]:
    return [(name, kind) for name in names]


class _Matrix(ctypes.Structure):
    _fields_ = [
        *_fields(ctypes.c_void_p, "weights", "factors", "bias", "panels"),
        *_fields(ctypes.c_int64, "rows", "columns", "form"),
    ]


class _Norm(ctypes.Structure):
    _fields_ = [
        *_fields(ctypes.c_void_p, "weight", "bias"),
        *_fields(ctypes.c_int64, "centred"),
        *_fields(ctypes.c_float, "eps"),
    ]


class _Layer(ctypes.Structure):
    _fields_ = [
        *_fields(_Norm, "before_attention", "query_norm", "key_norm", "before_feedforward"),
        *_fields(_Matrix, "query", "key", "value", "output", "gate", "up", "down"),
        *_fields(ctypes.c_void_p, "keys", "values"),
    ]


class _Model(ctypes.Structure):
    _fields_ = [
        *_fields(ctypes.c_int64, "n_layer", "width", "heads", "kv_heads", "channels", "block"),
        *_fields(ctypes.c_int64, "bend"),
        *_fields(ctypes.c_float, "scale", "embedding_scale"),
        *_fields(ctypes.c_void_p, "embedding", "places", "cos", "sin", "layers"),
        *_fields(_Norm, "final_norm"),
        *_fields(_Matrix, "output"),
        *_fields(ctypes.c_void_p, "stream", "normed", "change", "query", "mixed"),
        *_fields(ctypes.c_void_p, "new_keys", "new_values", "inner", "gates", "scores"),
        *_fields(ctypes.c_void_p, "turned"),
    ]


class _Step(ctypes.Structure):
    _fields_ = [
        *_fields(ctypes.c_void_p, "tokens", "logits", "slots", "starts"),
        *_fields(ctypes.c_int64, "count", "span", "position", "all", "alike"),
    ]


class Decoder:
    """A model's weights as decode.cpp reads them, and room for a number of sequences.

    The weights in float32 are the model's own, so they have to stay where they are.
    """

    def __init__(
        self, model: GPT, lib: Library, form: WeightForm = "fp32", *, panels: bool = False
    ) -> None:
        self.config, self.lib, self.form, self.panels = model.config, lib, form, panels
        self._held: list[Tensor] = []
        self._layers = (_Layer * self.config.n_layer)()
        for layer, block in zip(self._layers, model.blocks, strict=True):
            self._fill(layer, block)
        self._model = self._describe(model)
        self._keys: Tensor | None = None
        self._rows, self._threads = 0, 0

    def beside(self) -> "Decoder":
        """Return one that reads the same weights, at the same time, with room of its own."""
        other = copy.copy(self)
        other._model = _Model.from_buffer_copy(self._model)
        other._rows, other._threads = 0, 0
        return other

    def step(
        self, tokens: Int64[Tensor, "batch time"], cache: KVCache
    ) -> Float[Tensor, "batch vocab"]:
        """Read a few tokens of each sequence into the cache; return the logits after the last."""
        return self._read(tokens, cache, everywhere=False)

    def read(
        self, tokens: Int64[Tensor, "batch time"], cache: KVCache
    ) -> Float[Tensor, "batch time vocab"]:
        """Read a few tokens of each sequence into the cache; return the logits after each."""
        return self._read(tokens, cache, everywhere=True).view(*tokens.shape, -1)

    def read_slots(
        self,
        tokens: Int64[Tensor, "count time"],
        cache: KVCache,
        slots: Int64[Tensor, " count"],
        starts: Int64[Tensor, " count"],
        *,
        everywhere: bool = False,
    ) -> Float[Tensor, "count told vocab"]:
        """Read a few tokens of some of a cache's sequences, each from a position of its own.

        The logits are those after the last token of each, or after every one. What a sequence gets
        is the same to the last bit whichever others are read beside it, and in however many goes it
        is read. The caller keeps the lengths; `cache.length` stays.
        """
        self._check(tokens)
        last = int(starts.max()) + tokens.shape[1]
        if not 0 <= int(slots.min()) <= int(slots.max()) < len(cache.layers[0].keys):
            raise GenerationError(f"the cache has {len(cache.layers[0].keys)} sequences")
        if int(starts.min()) < 0 or last > cache.room:
            raise GenerationError(f"the cache is full: it holds {cache.room} tokens")
        places = slots.contiguous(), starts.contiguous()
        slots_at, starts_at = (place.data_ptr() for place in places)
        step = _Step(slots=slots_at, starts=starts_at, all=everywhere, alike=True)
        return self._run(step, tokens, cache).view(len(tokens), -1, self.config.vocab_size)

    def _read(self, tokens: Tensor, cache: KVCache, *, everywhere: bool) -> Tensor:
        """Read tokens of every sequence of a cache, all from where it ends."""
        self._check(tokens)
        rows = len(cache.layers[0].keys)
        if len(tokens) != rows:
            raise GenerationError(f"{len(tokens)} rows came for a cache of {rows}")
        if cache.length + tokens.shape[1] > cache.room:
            raise GenerationError(f"the cache is full: it holds {cache.room} tokens")
        logits = self._run(_Step(position=cache.length, all=everywhere), tokens, cache)
        cache.advance(tokens.shape[1])
        return logits

    def _run(self, step: _Step, tokens: Tensor, cache: KVCache) -> Tensor:
        """Call C++ with what a step leaves open."""
        batch, span = tokens.shape
        if self._keys is not cache.layers[0].keys:
            self._enter(cache)
        if batch * span > self._rows or torch.get_num_threads() > self._threads:
            self._make_room(max(batch * span, self._rows))
        logits = torch.empty(batch * span if step.all else batch, self.config.vocab_size, **PLAIN)
        tokens = tokens.contiguous()
        step.tokens, step.logits = tokens.data_ptr(), logits.data_ptr()
        step.count, step.span = batch, span
        self.lib.call("decode_step", self._model, step)
        return logits

    def _check(self, tokens: Tensor) -> None:
        """Refuse what would read past the end of something."""
        if tokens.dtype != torch.int64:
            raise GenerationError(f"tokens came as {tokens.dtype}; they are read as int64")
        least, largest = tokens.aminmax()
        if least < 0 or largest >= self.config.vocab_size:
            raise GenerationError(
                f"token {int(largest if least >= 0 else least)} is none of the model's "
                f"{self.config.vocab_size}"
            )
        if tokens.shape[1] > MOST_AT_ONCE:
            raise GenerationError(f"{tokens.shape[1]} tokens at once; it reads {MOST_AT_ONCE}")

    def _enter(self, cache: KVCache) -> None:
        """Read and write another cache from now on."""
        for layer, stored in zip(self._layers, cache.layers, strict=True):
            layer.keys, layer.values = stored.keys.data_ptr(), stored.values.data_ptr()
        self._keys, self._model.block = cache.layers[0].keys, cache.room

    def _make_room(self, rows: int) -> None:
        """Take memory for so many tokens at once, and for the threads that there are now."""
        config, self._rows, self._threads = self.config, rows, torch.get_num_threads()
        kv_width = config.kv_heads * config.head_width
        widest = max(config.n_embd, config.attention_width, config.feedforward_width)
        sizes = {
            **dict.fromkeys(("stream", "normed", "change"), rows * config.n_embd),
            **dict.fromkeys(("query", "mixed"), rows * config.attention_width),
            **dict.fromkeys(("new_keys", "new_values"), rows * kv_width),
            **dict.fromkeys(("inner", "gates"), rows * config.feedforward_width),
            "scores": self._threads * _lanes(config.block_size),
            "turned": _lanes(rows) * widest,
        }
        self._room = {name: torch.empty(size, **PLAIN) for name, size in sizes.items()}
        for name, room in self._room.items():
            setattr(self._model, name, room.data_ptr())

    def _fill(self, layer: _Layer, block: nn.Module) -> None:
        parts = dict(block.named_modules())
        attention, inner = "sublayers.attention", "sublayers.feedforward"
        pattern, wide = f"{attention}.transform.pattern", f"{inner}.transform.layer"
        layer.before_attention = self._norm(parts[f"{attention}.norm_before"])
        layer.query_norm = self._norm(parts[f"{pattern}.query_norm"])
        layer.key_norm = self._norm(parts[f"{pattern}.key_norm"])
        layer.before_feedforward = self._norm(parts[f"{inner}.norm_before"])
        layer.query = self._matrix(parts[f"{pattern}.query"])
        layer.key = self._matrix(parts[f"{pattern}.key"])
        layer.value = self._matrix(parts[f"{attention}.transform.value"])
        layer.output = self._matrix(parts[f"{attention}.transform.output"])
        layer.gate = self._matrix(parts.get(f"{wide}.gate"))
        layer.up = self._matrix(parts[f"{wide}.up"])
        layer.down = self._matrix(parts[f"{wide}.down"])

    def _describe(self, model: GPT) -> _Model:
        config, tables = self.config, dict(model.blocks[0].named_buffers())
        places = [*model.places.parameters(), *model.places.buffers()]
        rotation = "sublayers.attention.transform.pattern.rotate"
        return _Model(
            n_layer=config.n_layer,
            width=config.n_embd,
            heads=config.n_head,
            kv_heads=config.kv_heads,
            channels=config.head_width,
            bend=BENDS[config.feedforward],
            scale=config.head_width**-0.5 if config.attention_scale else 1.0,
            embedding_scale=config.embedding_scale,
            embedding=self._place(model.embedding.weight),
            places=self._place(places[0] if places else None),
            cos=self._place(tables.get(f"{rotation}.cos")),
            sin=self._place(tables.get(f"{rotation}.sin")),
            layers=ctypes.addressof(self._layers),
            final_norm=self._norm(model.final_norm),
            output=self._matrix(model.output),
        )

    def _norm(self, module: nn.Module) -> _Norm:
        weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
        centred, eps = isinstance(module, nn.LayerNorm), getattr(module, "eps", 0.0)
        return _Norm(self._place(weight), self._place(bias), centred, eps)

    def _matrix(self, layer: nn.Module | None) -> _Matrix:
        if not isinstance(layer, nn.Linear):
            return _Matrix()
        weight, factors = shortened(weight_of(layer).detach(), self.form)
        panels = in_panels(weight) if self.panels and self.form == "fp32" else None
        places = (self._place(part) for part in (weight, factors, layer.bias, panels))
        return _Matrix(*places, *weight.shape, FORMS[self.form])

    def _place(self, tensor: Tensor | None) -> int | None:
        """Return where a tensor lies, and keep it there."""
        if tensor is None:
            return None
        self._held.append(tensor.detach().contiguous())
        return self._held[-1].data_ptr()


def _lanes(count: int) -> int:
    """Return `count` rounded up to whole vectors."""
    return -(-count // LANES) * LANES


def open_decoder(model: GPT, form: WeightForm = "fp32", *, panels: bool = False) -> Decoder | None:
    """Return what decodes `model` natively, or None where torch has to.

    With `panels`, `read_slots` is quicker and the weights in float32 take twice the memory.
    That is where the model is not on a processor in float32, is of a kind that decode.cpp does
    not know, or nothing compiles it.
    """
    weight = model.embedding.weight
    if weight.device.type != "cpu" or weight.dtype != torch.float32 or not fusable(model.config):
        return None
    try:
        return Decoder(model, load_library("decoding"), form, panels=panels)
    except KernelError:
        return None
