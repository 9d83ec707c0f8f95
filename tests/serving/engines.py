"""Engines for tests, and what they tell collected."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bardling.generation.sampling import Greedy
from bardling.serving.asking import Ask, End, Event, Token
from bardling.serving.engine import Engine
from bardling.trained import Run
from families import TOKENIZERS, family, randomised, run_of

PROMPTS = ("3 plus", "12 plus 30 is", "1", "7 plus 3 is 10\n4 plus", "0 plus 0 is 0", "zwei", "9 p")
PATIENCE_SECONDS = 60


def small_run(folder: Path, name: str = "llama", tokenizer: str = "bpe", **sizes: Any) -> Run:
    """Return a run with random weights."""
    words = TOKENIZERS[tokenizer]
    config = family(name, vocab_size=words.vocab_size, **{"block_size": 40, **sizes})
    return run_of(randomised(config), words, folder / "run")


class Listener:
    """Takes what is told of one text."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.ended = threading.Event()

    def __call__(self, events: list[Event]) -> None:
        self.events += events
        if isinstance(events[-1], End):
            self.ended.set()

    def wait(self) -> "Listener":
        assert self.ended.wait(PATIENCE_SECONDS), "no end was told"
        return self

    @property
    def end(self) -> End:
        assert isinstance(self.events[-1], End)
        return self.events[-1]

    @property
    def tokens(self) -> list[Token]:
        return [e for e in self.events if isinstance(e, Token) and not e.of_prompt]

    @property
    def text(self) -> str:
        return "".join(e.text for e in (*self.tokens, self.end))


def ask(run: Run, prompt: str, **wishes: Any) -> Ask:
    """Return a wish for a text; greedy and of 30 tokens unless said otherwise."""
    ids = tuple(run.tokenizer.encode(prompt, unknown="skip"))
    return Ask(**{"ids": ids, "strategy": Greedy(), "max_new_tokens": 30, **wishes})


def write(engine: Engine, *asks: Ask) -> list[Listener]:
    """Ask for all at once, and wait for all."""
    listeners = [Listener() for _ in asks]
    for one, listener in zip(asks, listeners, strict=True):
        engine.submit(one, listener)
    return [listener.wait() for listener in listeners]


def texts(listeners: Sequence[Listener]) -> list[str]:
    return [listener.text for listener in listeners]
