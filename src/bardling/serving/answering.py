"""From a request to its texts and back: the way between the event loop and the engine's thread.

The engine tells of every text on its own thread. Each batch of events crosses to the event loop by
one call, and waits there until it is written; what has come since the last write goes out as one.
Whoever leaves gives up all texts of the request at once, be they waiting, read or written.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bardling.errors import UsageError
from bardling.serving.asking import Ask, Event, Tell, Token
from bardling.serving.choices import Choice, News, Words
from bardling.serving.engine import GOING_DOWN, Engine, Ticket
from bardling.serving.limits import MOST_FIGURES, Limits
from bardling.serving.metrics import Metrics
from bardling.serving.models import Models, Served
from bardling.serving.refusals import Refused, json_line, json_response, leaving

LAST = b"data: [DONE]\n\n"


class Gone(Exception):
    """The client has left."""


class Texts:
    """The texts of one request on their way; made, asked and left on the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._awake = asyncio.Event()
        self._events: list[tuple[int, Event]] = []
        self._tickets: list[Ticket] = []
        self._is_left = False

    def begin(self, engine: Engine, asks: Iterable[Ask]) -> None:
        """Ask for all of them, or for none; raises what `Engine.submit` raises."""
        try:
            for index, ask in enumerate(asks):
                self._tickets.append(engine.submit(ask, self._tell(index)))
        except BaseException:
            self.cancel()
            raise

    async def news(self) -> list[tuple[int, Event]]:
        """Return what has come of any text, by its number; raises `Gone` once the client left."""
        await self._awake.wait()
        self._awake.clear()
        if self._is_left:
            raise Gone
        events, self._events = self._events, []
        return events

    def cancel(self) -> None:
        """Give all of them up."""
        for ticket in self._tickets:
            ticket.cancel()
        self._tickets = []

    @asynccontextmanager
    async def watched(self, receive: Receive) -> AsyncIterator[None]:
        """Within, give the texts up as soon as the client leaves; at the end what is left of them.

        `receive` is that of the request, whose body has been read.
        """
        watch = asyncio.create_task(self._watch(receive))
        try:
            yield
        finally:
            watch.cancel()
            self.cancel()

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._is_left = True
        self.cancel()
        self._awake.set()

    def _tell(self, index: int) -> Tell:
        def tell(events: list[Event]) -> None:
            with suppress(RuntimeError):  # the loop is closed, so nobody listens
                self._loop.call_soon_threadsafe(self._take, index, events)

        return tell

    def _take(self, index: int, events: Sequence[Event]) -> None:
        self._events += [(index, event) for event in events]
        self._awake.set()


@runtime_checkable
class Shape(Protocol):
    """How one kind of answer looks."""

    def opening(self) -> list[dict[str, Any]]:
        """Return the chunks of a stream before any text has come."""
        ...

    def chunk(self, index: int, news: News) -> dict[str, Any]:
        """Return the chunk of a stream that tells news of a choice."""
        ...

    def usage_chunk(self, usage: dict[str, int]) -> dict[str, Any]:
        """Return the last chunk, which tells how many tokens there were."""
        ...

    def whole(self, news: Sequence[News], usage: dict[str, int]) -> dict[str, Any]:
        """Return an answer that is told at once."""
        ...


@dataclass(kw_only=True)
class Order:
    """A request that has been read: what to ask of the engine, and how to tell what comes."""

    served: Served
    asks: Sequence[Ask]
    choices: Sequence[Choice]
    """One for each of the asks."""
    n_prompts: int
    """Each has as many choices as the others, one after another."""
    shape: Shape
    streams: bool = False
    tells_usage: bool = False
    begun: float = field(default_factory=time.monotonic)

    def usage(self) -> dict[str, int]:
        """Return the numbers of tokens: each prompt counts once, however often it is gone on with.

        Raises `Refused` where a text has not come to its own end.
        """
        ends = [choice.end for choice in self.choices if choice.end is not None]
        for end in ends:
            if end.error == GOING_DOWN:
                raise leaving()
            if end.reason == "error":
                raise Refused(500, end.error or "the model failed", code="model_error")
            if end.reason == "cancelled":
                raise Refused(503, "the server gave this text up", code="closing")
        n_read = sum(end.n_prompt for end in ends[:: max(1, len(ends) // self.n_prompts)])
        n_new = sum(end.n_new for end in ends)
        return {
            "prompt_tokens": n_read,
            "completion_tokens": n_new,
            "total_tokens": n_read + n_new,
        }


@dataclass(kw_only=True)
class Desk:
    """What every request needs: the models, the limits, and somewhere to count."""

    models: Models
    limits: Limits
    metrics: Metrics
    _words: dict[str, Words] = field(default_factory=dict)

    def served(self, name: str | None) -> Served:
        """Return the model of a name; raises `Refused` where there is none."""
        try:
            return self.models.get(name)
        except UsageError as error:
            raise Refused(404, str(error), param="model", code="model_not_found") from error

    def words(self, served: Served) -> Words:
        """Return how a model's tokens are shown."""
        if served.name not in self._words:
            self._words[served.name] = Words(served.run.tokenizer)
        return self._words[served.name]

    def require_room(self, served: Served, n_texts: int, n_tokens: int, n_top: int | None) -> None:
        """Refuse more texts than one request may have, or more figures than fit in an answer."""
        most = min(self.limits.texts, served.engine.most)
        if n_texts > most:
            raise Refused(400, f"{n_texts} texts are asked for, and {most} are the most")
        figures = n_tokens * (1 if n_top is None else 2 + n_top)
        if figures > MOST_FIGURES:
            raise Refused(
                400,
                f"tokens and likely ones beside them make {figures:,}, and {MOST_FIGURES:,} are "
                "the most for one request",
            )

    async def answer(self, order: Order, request: Request) -> Response:
        """Begin the texts of an order, and return the answer: whole, or a stream of it."""
        texts = Texts()
        texts.begin(order.served.engine, order.asks)
        if order.streams:
            return Stream(self, order, texts)
        try:
            async with texts.watched(request.receive), asyncio.timeout(self.limits.answer_seconds):
                async for _ in self.writes(order, texts):
                    pass
        except TimeoutError as error:
            raise Refused(504, "writing took too long", code="timeout") from error
        except Gone:
            self.metrics.disconnects += 1
            return Response(status_code=499)
        usage = order.usage()
        return json_response(order.shape.whole([choice.drain() for choice in order.choices], usage))

    async def writes(self, order: Order, texts: Texts) -> AsyncIterator[list[int]]:
        """Yield, until all texts have ended, which of the choices have news."""
        n_open, is_waiting = len(order.asks), True
        while n_open:
            fresh: dict[int, None] = {}
            for index, event in await texts.news():
                order.choices[index].take(event)
                fresh[index] = None
                n_open -= not isinstance(event, Token)
            if is_waiting:
                self.metrics.first_token.observe(time.monotonic() - order.begun)
                is_waiting = False
            yield list(fresh)


class Stream(Response):
    """An answer as server-sent events, written while the texts are."""

    media_type = "text/event-stream"

    def __init__(self, desk: Desk, order: Order, texts: Texts) -> None:
        self._desk, self._order, self._texts = desk, order, texts
        self.status_code, self.background = 200, None
        self.init_headers({"cache-control": "no-store", "x-accel-buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head, then whatever comes, and say how it ended."""
        start = {"status": self.status_code, "headers": self.raw_headers}
        async with self._texts.watched(receive):
            await send({"type": "http.response.start", **start})
            try:
                async with asyncio.timeout(self._desk.limits.answer_seconds):
                    async for body in self._events():
                        await send({"type": "http.response.body", "body": body, "more_body": True})
                last = LAST
            except TimeoutError:
                last = _event(Refused(504, "writing took too long", code="timeout").body()) + LAST
            except Refused as refusal:
                last = _event(refusal.body()) + LAST
            except Gone:
                self._desk.metrics.disconnects += 1
                return
            await send({"type": "http.response.body", "body": last})

    async def _events(self) -> AsyncIterator[bytes]:
        order = self._order
        if opening := order.shape.opening():
            yield b"".join(map(_event, opening))
        async for fresh in self._desk.writes(order, self._texts):
            news = {index: order.choices[index].drain() for index in fresh}
            if any(one.end for one in news.values()):
                order.usage()  # raises where one has failed
            yield b"".join(_event(order.shape.chunk(index, one)) for index, one in news.items())
        if order.tells_usage:
            yield _event(order.shape.usage_chunk(order.usage()))


def _event(value: object) -> bytes:
    """Return a server-sent event."""
    return b"data: " + json_line(value) + b"\n\n"
