"""POST /v1/chat/completions: a conversation is answered, by a model that has learned some."""

import secrets
import time
from collections.abc import Sequence
from typing import Any

from bardling.finetuning.chatting import chat_prompt
from bardling.serving.answering import Desk, Order
from bardling.serving.choices import Choice, News, Words, chat_figures
from bardling.serving.refusals import Refused
from bardling.serving.schemas import ChatRequest
from bardling.serving.wanted import asks_for, finish_reason, seed_of
from bardling.text.chat import ANSWERS, Message

SPEAKS = {"role": ANSWERS, "content": ""}


def order_chat(desk: Desk, request: ChatRequest) -> Order:
    """Return what a request asks of the engine; raises `Refused` where that cannot be."""
    served = desk.served(request.model)
    run, words = served.run, desk.words(served)
    if not run.config.chat:
        raise Refused(
            400,
            f"{served.name} has learned no conversations; ask for /v1/completions",
            param="model",
            code="no_chat",
        )
    roles = run.config.chat.prefix
    for message in request.messages:
        if message.role not in roles:
            raise Refused(400, f"a role is one of {', '.join(roles)}", param="messages")
    count, most = request.n or 1, _most_tokens(request, run.config.model.block_size)
    n_top = (request.top_logprobs or 0) if request.logprobs else None
    desk.require_room(served, count, count * most, n_top)
    said = [Message(message.role, message.text) for message in request.messages]
    prompt = chat_prompt(run, said, max_new_tokens=most)
    seed = seed_of(request)
    return Order(
        served=served,
        asks=asks_for(prompt, request, count=count, seed=seed, most=most, n_top=n_top),
        choices=[Choice(words, prompt, tells=n_top is not None) for _ in range(count)],
        n_prompts=1,
        shape=ChatShape(
            served.name, words, list(prompt.warnings), n_top, count, usage=request.tells_usage
        ),
        streams=bool(request.stream),
        tells_usage=request.tells_usage,
    )


def _most_tokens(request: ChatRequest, block_size: int) -> int:
    """Return how long an answer may be: as long as the context, where nothing is said."""
    asked = request.max_completion_tokens
    asked = request.max_tokens if asked is None else asked
    return block_size if asked is None else asked


class ChatShape:
    """A chat completion as OpenAI has it."""

    def __init__(
        self,
        model: str,
        words: Words,
        warnings: list[str],
        n_top: int | None,
        count: int,
        *,
        usage: bool,
    ) -> None:
        self._head = {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": model,
        }
        self._chunk_head = {**self._head, "object": "chat.completion.chunk"}
        self._words, self._n_top, self._count = words, n_top, count
        self._warnings = {"warnings": warnings} if warnings else {}
        self._no_usage = {"usage": None} if usage else {}

    def opening(self) -> list[dict[str, Any]]:
        """Return a chunk for each choice that says who speaks."""
        return [self._delta(index, SPEAKS, None, None) for index in range(self._count)]

    def chunk(self, index: int, news: News) -> dict[str, Any]:
        """Return the chunk of a stream that tells news of a choice."""
        delta = {"content": news.text} if news.text or news.end is None else {}
        return self._delta(index, delta, self._figures(news), finish_reason(news.end))

    def usage_chunk(self, usage: dict[str, int]) -> dict[str, Any]:
        """Return the last chunk, which tells how many tokens there were."""
        return {**self._chunk_head, "choices": [], "usage": usage}

    def whole(self, news: Sequence[News], usage: dict[str, int]) -> dict[str, Any]:
        """Return an answer that is told at once."""
        choices = [
            {
                "index": index,
                "message": {"role": ANSWERS, "content": one.text, "refusal": None},
                "logprobs": self._figures(one),
                "finish_reason": finish_reason(one.end),
            }
            for index, one in enumerate(news)
        ]
        return {**self._head, "choices": choices, "usage": usage, **self._warnings}

    def _delta(
        self, index: int, delta: dict[str, str], figures: dict[str, Any] | None, end: str | None
    ) -> dict[str, Any]:
        told, self._warnings = self._warnings, {}
        choice = {"index": index, "delta": delta, "logprobs": figures, "finish_reason": end}
        return {**self._chunk_head, "choices": [choice], **self._no_usage, **told}

    def _figures(self, news: News) -> dict[str, Any] | None:
        if self._n_top is None:
            return None
        return chat_figures(news.figures, self._words, self._n_top)
