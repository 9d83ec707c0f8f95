"""One text while it is being written: what was read of it, what is to be told, when it ends."""

import time
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bardling.generation.decode import context_start
from bardling.generation.text import Writer
from bardling.machine.randomness import stream
from bardling.serving.asking import Ask, End, Event, Likely, Reason, Tell, Token
from bardling.serving.slots import Part
from bardling.text.tokenizer import Tokenizer


class Writing:
    """A text that an engine has taken in hand."""

    def __init__(self, ask: Ask, tell: Tell, tokenizer: Tokenizer) -> None:
        self.ask, self._tell = ask, tell
        self.ids = list(ask.ids)
        self.n_new = 0
        self.writer = Writer(tokenizer, ask.stop, ask.ends)
        self.tokenizer = tokenizer
        self.slot = -1
        self.cancelled = False
        self._start = self._n_read = 0
        self._untold: list[Event] = []
        self._told_at = 0.0

    def part(self, block_size: int, chunk: int) -> Part:
        """Return what is to be read next: from the context's start, if that has moved on."""
        start = context_start(len(self.ids), block_size)
        if start != self._start:
            self._start, self._n_read = start, 0
        end = min(len(self.ids), start + self._n_read + chunk)
        return Part(self.slot, self.ids[start:end], self._n_read, self._tells_of_prompt)

    def has_read(self, part: Part, logits: Float[Tensor, "told vocab"]) -> bool:
        """Take note of a part that was read; return whether the next token can be chosen."""
        if self._tells_of_prompt:
            self._tell_of_prompt(part, logits)
        self._n_read = len(part.ids)
        return self._start + self._n_read == len(self.ids)

    @property
    def _tells_of_prompt(self) -> bool:
        return self.ask.of_prompt and not self.n_new

    @cached_property
    def _draws(self) -> np.random.Generator:
        return stream(self.ask.seed, "sampling")

    def draw(self) -> float:
        """Return the next number that a token is drawn by, uniform in [0, 1)."""
        return float(self._draws.random())

    def write(self, token: int, logits: Float[Tensor, " vocab"]) -> Reason | None:
        """Add a token; return why the text ends with it, if it does."""
        self.ids.append(token)
        self.n_new += 1
        text = self.writer.take(token)
        if token not in self.writer.ends:
            self._untold.append(self._token(token, text, logits))
            text = ""
        if self.writer.done:
            self._untold.append(End("stop", text, len(self.ask.ids), self.n_new))
            return "stop"
        return "length" if self.n_new >= self.ask.max_new_tokens else None

    def end(self, reason: Reason, error: str = "") -> None:
        """Tell the end, with what was held back of the text."""
        if not (self._untold and isinstance(self._untold[-1], End)):
            text = "" if self.writer.done else self.writer.close()
            self._untold.append(End(reason, text, len(self.ask.ids), self.n_new, error))
        self.tell()

    def tell(self, pause: float = 0.0) -> None:
        """Hand on what there is to tell, if the last time was `pause` seconds ago."""
        moment = time.monotonic()
        if self._untold and moment - self._told_at >= pause:
            self._told_at, events, self._untold = moment, self._untold, []
            self._tell(events)

    def _tell_of_prompt(self, part: Part, logits: Float[Tensor, "told vocab"]) -> None:
        """Tell how likely the tokens after those just read were."""
        following = self.ids[part.n_read + 1 : len(part.ids) + 1]
        for token, row in zip(following, logits, strict=False):
            told = self._token(token, self.tokenizer.decode([token]), row)
            self._untold.append(told._replace(of_prompt=True))

    def _token(self, token: int, text: str, logits: Float[Tensor, " vocab"]) -> Token:
        n_top = self.ask.n_top
        if n_top is None:
            return Token(token, text)
        nats = logits.double().log_softmax(dim=-1)
        top = nats.topk(min(n_top, len(nats)))
        likeliest = zip(top.indices.tolist(), top.values.tolist(), strict=True)
        return Token(token, text, float(nats[token]), tuple(Likely(*one) for one in likeliest))


def choose(
    chosen: Sequence[tuple[Writing, Float[Tensor, " vocab"]]],
) -> list[int]:
    """Return the next token of each text; those that choose alike do it in one go."""
    tokens = [0] * len(chosen)
    alike: dict[object, list[int]] = {}
    for i, (writing, _) in enumerate(chosen):
        alike.setdefault(writing.ask.strategy, []).append(i)
    for group in alike.values():
        draws = torch.tensor([chosen[i][0].draw() for i in group], dtype=torch.float64)
        logits = torch.stack([chosen[i][1] for i in group])
        picked = chosen[group[0]][0].ask.strategy.pick(logits, draws)
        for i, token in zip(group, picked.tolist(), strict=True):
            tokens[i] = token
    return tokens
