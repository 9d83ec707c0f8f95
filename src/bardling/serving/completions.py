"""POST /v1/completions: a text is gone on with, or how likely it is is told."""

import secrets
import time
from collections.abc import Sequence
from typing import Any

from bardling.generation.text import Prompt
from bardling.serving.answering import Desk, Order
from bardling.serving.choices import Choice, News, Words, completion_figures
from bardling.serving.refusals import Refused
from bardling.serving.schemas import CompletionRequest, Ids
from bardling.serving.wanted import asks_for, finish_reason, seed_of
from bardling.trained import Run

NEW_TOKENS = 16
"""Where nothing is said; OpenAI's own default."""


def order_completion(desk: Desk, request: CompletionRequest) -> Order:
    """Return what a request asks of the engine; raises `Refused` where that cannot be."""
    served = desk.served(request.model)
    run, words = served.run, desk.words(served)
    count = request.n or 1
    desk.require_room(served, len(request.prompt) * count, 0, None)
    prompts = [read(run, prompt) for prompt in request.prompt]
    most = NEW_TOKENS if request.max_tokens is None else request.max_tokens
    echo, tells = bool(request.echo), request.logprobs is not None
    n_read = sum(len(prompt.ids) for prompt in prompts) if echo else 0
    n_texts, n_tokens = len(prompts) * count, count * (n_read + len(prompts) * most)
    desk.require_room(served, n_texts, n_tokens, request.logprobs)
    choices = [
        Choice(words, prompt, echo=echo, tells=tells) for prompt in prompts for _ in range(count)
    ]
    seed = seed_of(request)
    asks = [
        ask
        for place, prompt in enumerate(prompts)
        for ask in asks_for(
            prompt,
            request,
            count=count,
            seed=seed,
            most=most,
            n_top=request.logprobs,
            of_prompt=choices[place * count].asks_of_prompt,
        )
    ]
    warnings = list(dict.fromkeys(told for prompt in prompts for told in prompt.warnings))
    shape = CompletionShape(served.name, words, warnings, tells=tells, usage=request.tells_usage)
    return Order(
        served=served,
        asks=asks,
        choices=choices,
        n_prompts=len(prompts),
        shape=shape,
        streams=bool(request.stream),
        tells_usage=request.tells_usage,
    )


def read(run: Run, prompt: str | Ids) -> Prompt:
    """Return a prompt as the model sees it; ids are taken as they are, special ones too."""
    if isinstance(prompt, str):
        return run.prompt(prompt)
    size, n_words = run.config.model.block_size, run.tokenizer.vocab_size
    if max(prompt) >= n_words:
        raise Refused(400, f"the model's token ids are 0 to {n_words - 1:,}", param="prompt")
    ids, warnings = list(prompt[-size:]), ()
    if len(prompt) > size:
        told = f"the prompt has {len(prompt)} tokens: only the last {size} are seen"
        return Prompt(ids=ids, text=run.tokenizer.decode(ids), warnings=(told,))
    return Prompt(ids=ids, text=run.tokenizer.decode(ids), warnings=warnings)


class CompletionShape:
    """A completion as OpenAI has it, and how likely tokens were with their ids."""

    def __init__(
        self, model: str, words: Words, warnings: list[str], *, tells: bool, usage: bool
    ) -> None:
        self._head = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": model,
        }
        self._words, self._tells = words, tells
        self._warnings = {"warnings": warnings} if warnings else {}
        self._no_usage = {"usage": None} if usage else {}

    def opening(self) -> list[dict[str, Any]]:
        """Return nothing: text comes at once."""
        return []

    def chunk(self, index: int, news: News) -> dict[str, Any]:
        """Return the chunk of a stream that tells news of a choice; the first has the warnings."""
        told, self._warnings = self._warnings, {}
        return {**self._head, "choices": [self._choice(index, news)], **self._no_usage, **told}

    def usage_chunk(self, usage: dict[str, int]) -> dict[str, Any]:
        """Return the last chunk, which tells how many tokens there were."""
        return {**self._head, "choices": [], "usage": usage}

    def whole(self, news: Sequence[News], usage: dict[str, int]) -> dict[str, Any]:
        """Return an answer that is told at once."""
        choices = [self._choice(index, one) for index, one in enumerate(news)]
        return {**self._head, "choices": choices, "usage": usage, **self._warnings}

    def _choice(self, index: int, news: News) -> dict[str, Any]:
        figures = completion_figures(news.figures, self._words) if self._tells else None
        return {
            "text": news.text,
            "index": index,
            "logprobs": figures,
            "finish_reason": finish_reason(news.end),
        }
