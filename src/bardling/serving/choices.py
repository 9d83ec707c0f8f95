"""The texts of a request as they grow: what has come of each since it was last told of."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from bardling.generation.text import HALF, LONGEST_BEGINNING, Prompt
from bardling.serving.asking import End, Event, Likely, Token
from bardling.text.tokenizer import Tokenizer

LEAST_LOGPROB = -9999.0
"""What OpenAI says for ln 0, which JSON has no word for."""


class Words:
    """How single tokens are shown; each is worked out once."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self._shown = {number: name for name, number in tokenizer.special_tokens.items()}

    def __getitem__(self, number: int) -> str:
        """Return the text of a token, or the name of a special one; half a character is U+FFFD."""
        if number not in self._shown:
            self._shown[number] = self.tokenizer.decode([number])
        return self._shown[number]


class Figures(NamedTuple):
    """A token and how likely it was, for those who want to know."""

    id: int
    text: str
    logprob: float | None
    """None for the first of all, where nothing stands before it."""
    top: tuple[Likely, ...]
    """The likeliest in its place, and itself where it is not among them."""
    offset: int
    """The character of the choice's text where it begins."""


class News(NamedTuple):
    """What has come of a text."""

    text: str
    figures: Sequence[Figures]
    end: End | None


class Choice:
    """One text of an answer, from the engine's events to what is told of it."""

    def __init__(
        self, words: Words, prompt: Prompt, *, echo: bool = False, tells: bool = False
    ) -> None:
        self._words, self._tells = words, tells
        self._text = [prompt.text] if echo else []
        self._figures: list[Figures] = []
        self._half: list[int] = []
        self._n_characters = 0
        self._is_prompt_told = echo and tells and bool(prompt.text)
        self.end: End | None = None
        if self._is_prompt_told and not prompt.n_before:
            self._note(Token(prompt.ids[0], ""))
        elif echo and not self._is_prompt_told:
            self._n_characters = len(prompt.text)

    @property
    def asks_of_prompt(self) -> bool:
        """Whether its tokens are told of: not where they only stand for an empty prompt."""
        return self._is_prompt_told

    def take(self, event: Event) -> None:
        """Hear what the engine tells."""
        if isinstance(event, End):
            self._text.append(event.text)
            self.end = event
            return
        if not event.of_prompt:
            self._text.append(event.text)
        if self._tells:
            self._note(event)

    def drain(self) -> News:
        """Return what has come since the last time."""
        news = News("".join(self._text), self._figures, self.end)
        self._text, self._figures = [], []
        return news

    def _note(self, token: Token) -> None:
        """Keep the figures of a token, and count on to where the next one begins."""
        top, logprob = token.top, token.logprob
        if logprob is not None:
            logprob = max(logprob, LEAST_LOGPROB)
            if all(token.id != other.id for other in top):
                top = (*top, Likely(token.id, logprob))
        top = tuple(Likely(id, max(nats, LEAST_LOGPROB)) for id, nats in top)
        shown = self._words[token.id]
        self._figures.append(Figures(token.id, shown, logprob, top, self._n_characters))
        self._half.append(token.id)
        text = self._words.tokenizer.decode(self._half)
        if text.endswith(HALF) and len(self._half) <= LONGEST_BEGINNING:
            return  # the next token may bring the rest of a character
        self._n_characters += len(text)
        self._half = []


def completion_figures(figures: Sequence[Figures], words: Words) -> dict[str, Any]:
    """Return figures as `logprobs` of a completion's choice, and after them the ids."""
    tops: list[dict[str, float]] = [{} for _ in figures]
    for shown, one in zip(tops, figures, strict=True):
        for id, nats in one.top:
            shown.setdefault(words[id], nats)  # of two that are shown alike the likelier one
    return {
        "tokens": [one.text for one in figures],
        "token_logprobs": [one.logprob for one in figures],
        "top_logprobs": [top or None for top in tops],
        "text_offset": [one.offset for one in figures],
        "token_ids": [one.id for one in figures],
        "top_ids": [[[id, nats] for id, nats in one.top] for one in figures],
    }


def chat_figures(figures: Sequence[Figures], words: Words, n_top: int) -> dict[str, Any]:
    """Return figures as `logprobs` of a chat's choice."""

    def one(text: str, logprob: float | None) -> dict[str, Any]:
        whole = HALF not in text
        return {
            "token": text,
            "logprob": LEAST_LOGPROB if logprob is None else logprob,
            "bytes": list(text.encode()) if whole else None,
        }

    content = [
        one(each.text, each.logprob)
        | {"top_logprobs": [one(words[id], nats) for id, nats in each.top[:n_top]]}
        for each in figures
    ]
    return {"content": content, "refusal": None}
