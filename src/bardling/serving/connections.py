"""A client's connection: uvicorn's, with an end to everything that a client can be slow at.

What is slow after the head of a request is bounded elsewhere: its body by the guard, its answer by
whoever writes it.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from bardling.serving.limits import Limits
from bardling.serving.refusals import Refused, json_line

FULL = json_line(Refused(503, "too many clients are connected", code="overloaded").body())


class Connection(H11Protocol):
    """One that is cut where its client neither asks nor reads."""

    limits = Limits()

    def __init__(self, *words: Any, **named: Any) -> None:
        super().__init__(*words, **named)
        self._head: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a head, if there is room for one more."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a connection is a stream in both directions")
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            transport.write(
                b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n"
                b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(FULL) + FULL
            )
            transport.close()
        else:
            self._await_head()

    def data_received(self, data: bytes) -> None:
        """Read on; what is no answer's business has to become a head in time."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            _end(self._head)
            self._head = None
        elif self._head is None:
            self._await_head()

    def pause_writing(self) -> None:
        """Hear that the client does not read what waits for it."""
        super().pause_writing()
        if self._stall is None:
            self._stall = self.loop.call_later(self.limits.stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Hear that it reads again."""
        super().resume_writing()
        _end(self._stall)
        self._stall = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        _end(self._head)
        super().connection_lost(exc)
        _end(self._stall)

    def _await_head(self) -> None:
        self._head = self.loop.call_later(self.limits.head_seconds, self.transport.abort)


def _end(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


def bounded(limits: Limits) -> type[asyncio.Protocol]:
    """Return the class of connections within some limits."""
    return type("BoundedConnection", (Connection,), {"limits": limits})
