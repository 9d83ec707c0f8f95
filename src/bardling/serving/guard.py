"""The door: who may come in, with how much, and how long that may take.

Pure ASGI and closed by default: whatever is not in the list of open paths needs the key, routes
that nobody thought of included. It reads every body itself, up to its limit and as strict JSON, so
that nothing behind it meets numbers that are none, keys that come twice, or brackets without end.
"""

import asyncio
import hmac
import ipaddress
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any

from bardling.errors import StorageError
from bardling.fields import show
from bardling.serving.limits import DEEPEST, MOST_KEYS, Limits
from bardling.serving.metrics import Metrics
from bardling.serving.refusals import LOG, Refused, failed, leaving
from bardling.storage import parse_json

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
HEALTH = "/health"
LEFT = 499
"""The status that is counted where the client has left, as nginx has it."""
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (
        b"content-security-policy",
        b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
)
"""Of every answer that says nothing else: nothing in it runs, and no page shows it in itself."""


class Doors:
    """Whether new requests are let in, and how many are inside."""

    def __init__(self) -> None:
        self.are_closing = False
        self.n_inside = 0


class Guard:
    """Lets requests through to an app, or says why not."""

    def __init__(
        self,
        app: App,
        *,
        doors: Doors,
        key: str | None,
        hosts: frozenset[str],
        open_paths: frozenset[str],
        limits: Limits,
        metrics: Metrics,
    ) -> None:
        self._app, self._doors, self._limits, self._metrics = app, doors, limits, metrics
        self._key = None if key is None else f"Bearer {key}".encode()
        self._hosts, self._open = hosts | LOOPBACK, open_paths | {HEALTH}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._watched(scope, receive, send)

    async def _watched(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count a request, from its head to its last byte."""
        begun, status = time.monotonic(), LEFT

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message.get("headers", ())]
                said = {name for name, _ in headers}
                headers += [one for one in HEADERS if one[0] not in said]
                if self._doors.are_closing:
                    headers.append((b"connection", b"close"))
                message = {**message, "headers": headers}
            await send(message)

        self._doors.n_inside += 1
        try:
            await self._let_in(scope, receive, send_on)
        except asyncio.CancelledError:
            if not self._doors.are_closing or status != LEFT:
                raise
            # a question about a model may take longer than there is time to leave
            await leaving().response()(scope, receive, send_on)
        except Exception:
            if status != LEFT:  # half an answer is out, and there is no taking it back
                raise
            LOG.exception("%s %s failed", scope["method"], scope["path"])
            await failed().response()(scope, receive, send_on)
        finally:
            self._doors.n_inside -= 1
            self._metrics.answered(scope["path"], status, time.monotonic() - begun)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._check(scope)
            body = None
            if scope["method"] not in ("GET", "HEAD", "OPTIONS"):
                body = await self._read(scope, receive)
        except Refused as refusal:
            await refusal.response()(scope, receive, send)
        except _Left:
            return
        else:
            await self._app(scope, receive if body is None else _again(body, receive), send)

    def _check(self, scope: Scope) -> None:
        """Refuse who is not to come in, by what the head of the request says."""
        headers = _single(scope)
        host = headers.get(b"host", b"").decode("latin-1").lower()
        name = _without_port(host)
        if name not in self._hosts and name != _own_address(scope):
            raise Refused(
                421,
                f"this server does not answer for the host {show(name)}; "
                "it can be started with --allow-host",
                code="unknown_host",
            )
        origin = headers.get(b"origin")
        if origin is not None and origin.lower().partition(b"://")[2] != host.encode("latin-1"):
            raise Refused(403, "pages of other sites may not ask here", code="foreign_origin")
        if self._doors.are_closing:
            raise leaving()
        if self._key is None or scope["path"] in self._open:
            return
        if not hmac.compare_digest(headers.get(b"authorization", b""), self._key):
            raise Refused(
                401,
                "this server needs its key: send it as 'Authorization: Bearer KEY'",
                code="invalid_api_key",
                headers={"www-authenticate": "Bearer"},
            )

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        """Return the body, which is JSON; refuse a larger one before it is there."""
        headers = _single(scope)
        kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        if kind != b"application/json":
            raise Refused(415, "a body is sent as JSON, with 'Content-Type: application/json'")
        most, body = self._limits.body_bytes, bytearray()
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length[:20]) > most:
            raise _too_large(most)
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Left
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body) > most:
                        raise _too_large(most)
        except TimeoutError as error:
            raise Refused(
                408, "the body took too long to come", headers={"connection": "close"}
            ) from error
        check_json(bytes(body))
        return bytes(body)


class _Left(Exception):
    """The client has gone before it had asked."""


def check_json(body: bytes) -> None:
    """Refuse what is not strict JSON, or deeper or with more keys than anything that is asked."""
    try:
        value = parse_json(body, "the body")
    except StorageError as error:
        raise Refused(400, str(error), code="invalid_json") from error
    level, depth, n_keys = [value], 0, 0
    while level:
        containers = [one for one in level if isinstance(one, dict | list)]
        n_keys += sum(len(one) for one in containers if isinstance(one, dict))
        depth += bool(containers)
        if depth > DEEPEST or n_keys > MOST_KEYS:
            what = "nested too deeply" if depth > DEEPEST else "made of too many fields"
            raise Refused(400, f"the body is {what}", code="invalid_json")
        level = [inner for one in containers for inner in _inside(one)]


def _inside(container: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container


def _too_large(most: int) -> Refused:
    return Refused(413, f"a body has {most:,} bytes at most", code="body_too_large")


def _single(scope: Scope) -> Mapping[bytes, bytes]:
    """Return the headers by name; what comes twice is joined, so that it is neither."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        found[name] = found[name] + b", " + value if name in found else value
    return found


def _without_port(host: str) -> str:
    """Return a host's name; an IPv6 address keeps its brackets."""
    name, colon, port = host.rpartition(":")
    return name if colon and (not port or port.isdigit()) and not host.endswith("]") else host


def _own_address(scope: Scope) -> str:
    """Return the address at which this connection came in, as a Host header has it.

    An attacker who lets a name of theirs point here can send that name, and no address.
    """
    address = (scope.get("server") or ("",))[0] or ""
    with suppress(ValueError):  # a listener of IPv6 hears IPv4 too, under such addresses
        known = ipaddress.ip_address(address)
        mapped = known.ipv4_mapped if isinstance(known, ipaddress.IPv6Address) else None
        address = address if mapped is None else str(mapped)
    return f"[{address}]" if ":" in address else address


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a way to receive a body that has been read, and then what comes after it."""
    parts = [body]

    async def receive_again() -> Message:
        if parts:
            return {"type": "http.request", "body": parts.pop(), "more_body": False}
        return await receive()

    return receive_again
