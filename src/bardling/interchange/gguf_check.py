"""A GGUF file read back: by our own reader, and by llama.cpp where it is installed.

Each weight must lie as near as rounding to its form can bring it, whatever reads the file. Logits
of shorter forms may be further off, and llama.cpp's own arithmetic is rougher than ours: it rounds
what meets shortened weights to the same form, and GPT-2's GELU goes through a table in float16.
"""

from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from bardling.data.tokens import Tokens
from bardling.errors import ExportError
from bardling.extras import when_needed
from bardling.interchange.family import Restated, restate
from bardling.interchange.gguf_file import BLOCK, GGUFKind, form_of, read_gguf
from bardling.interchange.gguf_names import to_gguf
from bardling.interchange.parity import EXACT, LONGEST, Parity, compare, require_same
from bardling.model.gpt import GPT
from bardling.text.tokenizer import Tokenizer

WHAT = "the GGUF file"
UNCHECKED = "whether llama.cpp runs it: pip install llama-cpp-python"
BOUNDS: dict[GGUFKind, float] = {"f32": EXACT, "f16": 1e-2, "q8_0": 0.1, "q4_0": 1.0}
"""How far logits may be off, of the largest."""
OTHER_ORDER = 1e-4
"""The least of these bounds for llama.cpp, which adds in another order."""
ROUGH = 1e-2
"""The least where GELU is another: the nearest that the file can say, or llama.cpp's table."""
TEXT = "It's 1984:  two spaces,\n\n\ttabs & 12345 + \u00e9\u20ac\U0001f600 \u4e16\u0434!\r\n "
_FLOAT16 = 2.0**-11  # half a step, of a number or of a scale
_LEAST = 2.0**-18  # where float16 has steps of 2^-24, a scale of 127 steps is as far off
_STEPS = {"q8_0": 1 / 254, "q4_0": 1 / 8}
"""Of the largest weight of a block: half a step, or for q4_0 a whole one, where it ends early."""


def check_gguf(
    model: GPT,
    path: Path,
    tokenizer: Tokenizer,
    kind: GGUFKind,
    *,
    tokens: Tokens | None = None,
) -> tuple[Parity, ...]:
    """Return how far a file's model is from `model`, by each that can read it here.

    Raises `ExportError` where that is further than the file's kind explains, or where llama.cpp
    makes other tokens of a text. On `tokens`, which `model` has not seen, losses are compared.
    """
    said, back = restate(model), read_gguf(path)
    _require_rounded(said, back, kind)
    library, bound = _llama_cpp(), BOUNDS[kind]
    unchecked = UNCHECKED if library is None else ""
    ours = compare(model, back.build(), read_by="bardling", unchecked=unchecked, tokens=tokens)
    same_bend = said.config.feedforward == back.config.feedforward
    require_same(ours, WHAT, bound if same_bend else max(bound, ROUGH))
    if library is None:
        return (ours,)
    theirs = LlamaCpp(library, path, min(LONGEST, model.config.block_size))
    _require_same_ids(theirs, tokenizer)
    read = compare(model, theirs, read_by=theirs.name, tokens=tokens)
    require_same(read, WHAT, max(bound, ROUGH if said.family == "gpt2" else OTHER_ORDER))
    return ours, read


def _llama_cpp() -> Any:
    """Return llama.cpp's library, or None where it is not installed or cannot be loaded."""
    try:
        return when_needed("llama_cpp")
    except (ImportError, OSError, RuntimeError):
        return None


class LlamaCpp:
    """A GGUF file as llama.cpp runs it, on the CPU and with nothing of its own shortened."""

    def __init__(self, library: Any, path: Path, block_size: int) -> None:
        self.name = f"llama.cpp (llama-cpp-python {library.__version__})"
        threads = torch.get_num_threads()
        heard = StringIO()  # a warning where a context is under 256 tokens, which it rounds up
        try:
            with redirect_stderr(heard):
                self._model: Any = library.Llama(
                    str(path),
                    n_ctx=block_size,
                    n_batch=block_size,
                    n_ubatch=block_size,
                    n_threads=threads,
                    n_threads_batch=threads,
                    n_gpu_layers=0,
                    logits_all=True,
                    flash_attn=False,
                    type_k=library.GGML_TYPE_F32,
                    type_v=library.GGML_TYPE_F32,
                    verbose=False,
                )
        except ValueError as error:
            reason = " ".join(heard.getvalue().split())[:200] or str(error)[:200]
            raise ExportError(f"{WHAT} was not written: {self.name} says {reason!r}") from error

    def __call__(self, ids: Int64[Tensor, "batch time"]) -> Float[Tensor, "batch time vocab"]:
        """Return the logits, read one sequence after the other."""
        return torch.stack([self._read(row) for row in ids.tolist()])

    def _read(self, ids: list[int]) -> Tensor:
        self._model.reset()
        self._model.eval(ids)
        return torch.from_numpy(self._model.scores[: len(ids)].copy())

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, as if it were a prompt."""
        found: list[int] = self._model.tokenize(text.encode("utf-8"), add_bos=True, special=False)
        return found


def _require_rounded(said: Restated, back: Restated, kind: GGUFKind) -> None:
    """Refuse a file with a weight that is further off than rounding brings it."""
    read = to_gguf(back)
    for name, tensor in to_gguf(said).items():
        form = form_of(name, tensor.shape, kind, tied=said.config.tie_embeddings)
        off = (read[name] - tensor).abs()
        if not bool((off <= _allowed(tensor, form)).all()):  # also where it is not a number
            raise ExportError(
                f"{WHAT} was not written: its {name} is off by up to "
                f"{float(off.max()):.2g}, more than rounding to {form} explains"
            )


def _allowed(tensor: Tensor, form: GGUFKind) -> Tensor:
    """Return how far each weight may be off."""
    if form == "f32":
        return torch.zeros_like(tensor)
    if form == "f16":
        return tensor.abs() * _FLOAT16 + _LEAST
    blocks = tensor.reshape(-1, BLOCK)
    largest = blocks.abs().amax(dim=-1, keepdim=True).expand_as(blocks).reshape(tensor.shape)
    return largest * (_STEPS[form] + _FLOAT16) + _LEAST


def _require_same_ids(theirs: LlamaCpp, tokenizer: Tokenizer) -> None:
    """Refuse a file whose text becomes other tokens in llama.cpp; what is unknown is left out."""
    random = torch.Generator().manual_seed(0)
    some = torch.randint(tokenizer.vocab_size, (500,), generator=random).tolist()
    for text in (TEXT, tokenizer.decode(some)):
        ours, found = tokenizer.encode(text, unknown="skip"), theirs.encode(text)
        if ours != found:
            place = next((i for i, (a, b) in enumerate(zip(ours, found)) if a != b), len(ours))
            raise ExportError(
                f"{WHAT} was not written: {theirs.name} makes other tokens of a text, "
                f"{found[place : place + 3]} instead of {ours[place : place + 3]} at place {place}"
            )
