"""Looks inside a served model for the page: what comes next, where it attends, how text is cut.

A looker has the weights of the model that the engine writes with, and modules of its own: hooks on
the engine's would hear what it writes. It answers one question at a time, on the thread that asks.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from bardling.errors import GenerationError
from bardling.evaluation.probes import next_logits
from bardling.generation.sampling import Greedy, Sample, choose_strategy
from bardling.generation.text import HALF, Prompt, read_prompt
from bardling.model.attention import attention_weights
from bardling.model.gpt import GPT
from bardling.serving.asking import Overloaded
from bardling.text.bpe import BPETokenizer
from bardling.text.characters import CharacterTokenizer
from bardling.text.tokenizer import Tokenizer
from bardling.trained import Run

READ_TOKENS = 256
"""Of a text whose attention is shown, the last; all weights of all heads are held at once."""
SHOWN_TOKENS = 64
MOST_PICTURES = 256
"""Layers times heads."""
PATIENCE = 10.0
"""Seconds that a question waits for those before it."""


class Looker:
    """Looks inside one model, beside the engine that writes with it."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.model = same_weights(run.model)
        self._lock = Lock()
        self._known: tuple[tuple[int, ...], Tensor] | None = None

    @contextmanager
    def alone(self) -> Iterator[GPT]:
        """Give the model to one question at a time; raises `Overloaded` after `PATIENCE`."""
        if not self._lock.acquire(timeout=PATIENCE):
            raise Overloaded("many questions about this model are waiting; ask again in a moment")
        try:
            yield self.model
        finally:
            self._lock.release()

    def read(self, prompt: str | None, ids: Sequence[int] | None, *, begins: bool) -> Prompt:
        """Return a prompt, or ids of one, as the model can see it.

        A prompt that `begins` a document stands after an end token.
        """
        if ids is None:
            run = self.run
            return read_prompt(
                prompt or "", run.tokenizer, run.config.model.block_size, begins=begins
            )
        size, room = self.run.tokenizer.vocab_size, self.run.config.model.block_size
        if not ids:
            return self.run.prompt("")
        if wrong := [number for number in ids if not 0 <= number < size]:
            raise GenerationError(f"{wrong[0]} is no id of this model: it has 0 to {size - 1}")
        warnings = (f"only the last {room} tokens are seen",) if len(ids) > room else ()
        seen = list(ids)[-room:]
        return Prompt(ids=seen, text=self.run.tokenizer.decode(seen), warnings=warnings)

    def next_token(
        self, prompt: Prompt, *, temperature: float, top_k: int, top_p: float, count: int
    ) -> dict[str, Any]:
        """Return the likeliest tokens to come, before and after what sampling makes of them."""
        logits = self._logits(prompt.ids)
        before = Sample().distribution(logits[None])[0]
        strategy = choose_strategy(temperature=temperature, top_k=top_k, top_p=top_p)
        after = shaped(logits, strategy) if isinstance(strategy, Greedy | Sample) else before
        top = logits.topk(min(count, len(logits))).indices.tolist()
        tokens = pieces(self.run.tokenizer, top)
        return {
            "tokens": pieces(self.run.tokenizer, prompt.ids),
            "warnings": list(prompt.warnings),
            "candidates": [
                {**token, "p": float(before[one]), "shaped": float(after[one])}
                for token, one in zip(tokens, top, strict=True)
            ],
            "entropy": bits(before),
            "shaped_entropy": bits(after),
            "kept": int((after > 0).sum()),
            "vocab_size": len(logits),
        }

    def _logits(self, ids: Sequence[int]) -> Float[Tensor, " vocab"]:
        """Return what follows; asked of the same text again, as sliders do, it is known."""
        key = tuple(ids)
        with self.alone() as model:
            if self._known is None or self._known[0] != key:
                self._known = key, next_logits(model, ids)
            return self._known[1]

    def attention(self, prompt: Prompt) -> dict[str, Any]:
        """Return the weights of every layer and head among the last tokens of a text.

        Row i of a head is what token i takes of the tokens shown, up to itself where the model
        cannot look ahead; what is missing to 1 it takes of the text before them.
        """
        config = self.run.config.model
        if config.n_layer * config.n_head > MOST_PICTURES:
            raise GenerationError(
                f"{config.n_layer} layers of {config.n_head} heads are too many to show: "
                f"{MOST_PICTURES} pictures are the most"
            )
        read = prompt.ids[-READ_TOKENS:]
        with self.alone() as model:
            found = attention_weights(model, torch.tensor([read], device=model.device))
        shown, ahead = read[-SHOWN_TOKENS:], config.attention == "unmasked"
        warnings = list(prompt.warnings)
        if len(read) < len(prompt.ids):
            warnings.append(f"the last {READ_TOKENS} tokens are read here")
        return {
            "tokens": pieces(self.run.tokenizer, shown),
            "warnings": warnings,
            "earlier": len(read) - len(shown),
            "layers": [
                [_rows(head[-len(shown) :, -len(shown) :], ahead=ahead) for head in layer[0]]
                for layer in found
            ],
        }


def _rows(weights: Float[Tensor, "row column"], *, ahead: bool) -> list[list[float]]:
    """Return weights in thousandths' precision, each row up to its own token."""
    rows = weights.double().cpu().tolist()
    return [
        [round(weight, 3) for weight in (row if ahead else row[: place + 1])]
        for place, row in enumerate(rows)
    ]


def same_weights(model: GPT) -> GPT:
    """Return a model of the same weights in modules of its own."""
    shared = (*model.parameters(), *model.buffers())
    return copy.deepcopy(model, {id(tensor): tensor for tensor in shared})


def shaped(logits: Float[Tensor, " vocab"], strategy: Greedy | Sample) -> Float[Tensor, " vocab"]:
    """Return the distribution from which a strategy draws."""
    if isinstance(strategy, Sample):
        return strategy.distribution(logits[None])[0]
    certain = torch.zeros_like(logits, dtype=torch.float64)
    certain[int(logits.argmax())] = 1.0
    return certain


def bits(p: Float[Tensor, " vocab"]) -> float:
    """Return the entropy of a distribution in bits."""
    return float(torch.special.entr(p).sum() / torch.log(torch.tensor(2.0)))


def pieces(tokenizer: Tokenizer, ids: Sequence[int]) -> list[dict[str, Any]]:
    """Return tokens with what each is written as."""
    names = {number: name for name, number in tokenizer.special_tokens.items()}
    return [
        {"id": number, "text": names.get(number) or written(tokenizer, number)}
        | ({"special": True} if number in names else {})
        for number in ids
    ]


def written(tokenizer: Tokenizer, number: int) -> str:
    r"""Return a token's text; bytes that are no whole character as \xe2."""
    text = tokenizer.decode([number])
    if HALF in text and isinstance(tokenizer, BPETokenizer):
        return tokenizer.decode_bytes([number]).decode("utf-8", "backslashreplace")
    return text


def cut(tokenizer: Tokenizer, text: str) -> dict[str, Any]:
    """Return how a tokenizer cuts a text, and how many bytes it puts into a token."""
    ids = tokenizer.encode(text, unknown="skip")
    sizes = tokenizer.token_sizes[ids].tolist() if ids else []
    return {
        "tokens": [
            {**piece, "bytes": size}
            for piece, size in zip(pieces(tokenizer, ids), sizes, strict=True)
        ],
        "unknown": tokenizer.count_unknown(text),
        "bytes_per_token": sum(sizes) / len(ids) if ids else None,
        "vocab_size": tokenizer.vocab_size,
        "kind": kind_of(tokenizer),
    }


def kind_of(tokenizer: Tokenizer) -> str:
    """Return what a tokenizer is called among people."""
    return "characters" if isinstance(tokenizer, CharacterTokenizer) else "byte pairs"
