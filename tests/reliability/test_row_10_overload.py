"""Overload is refused, not swallowed: what fits is written to its end, the rest hears at once."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from promises import Protection

from servers import Place, percentile, resident_bytes, served, trained_run

SLOTS, QUEUE = 2, 8
REFUSED_SECONDS, HEALTH_SECONDS, MOST_GROWTH = 0.25, 0.1, 50 * 2**20
CLIENTS = 200
"""Fewer come in the quick form, which runs beside others."""
SPARE = {CLIENTS: 2}
"""Times the limits that are borne; ten times in the quick form."""
KIND = pytest.mark.parametrize(
    ("clients", "n_tokens"), [(60, 4000), pytest.param(CLIENTS, 12_000, marks=pytest.mark.sweep)]
)

PROTECTIONS = (
    Protection(
        file="serving/engine.py",
        line="if len(self._waiting) >= self._most_waiting + len(self._free):",
        broken="if len(self._waiting) >= 2**16:",
        test="test_what_fits_is_written_and_the_rest_hears_so_at_once[60-4000]",
    ),
    Protection(
        file="serving/refusals.py",
        line='return Refused(429, str(error), code="overloaded", headers=SOON)',
        broken='return Refused(429, str(error), code="overloaded")',
        test="test_what_fits_is_written_and_the_rest_hears_so_at_once[60-4000]",
    ),
)


@dataclass(frozen=True)
class Told:
    """What one client heard."""

    status: int
    seconds: float
    """Until the head of the answer."""
    head: str
    body: bytes


async def ask(port: int, request: bytes) -> Told:
    """Ask over a connection of its own."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    seconds = time.monotonic() - began
    body = await reader.read()
    writer.close()
    return Told(int(head.split()[1]), seconds, head, body)


def request(n_tokens: int) -> bytes:
    """Return a request for a stream, whose head comes as soon as it is let in."""
    wishes = {"prompt": "one", "max_tokens": n_tokens, "temperature": 0, "stream": True}
    body = json.dumps(wishes).encode()
    head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    words = f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return words.encode() + body


HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def crowd(port: int, clients: int, n_tokens: int) -> tuple[list[Told], list[Told]]:
    """Let clients ask at once, and somebody for the health until all have their answer."""
    asked = request(n_tokens)
    waiting = asyncio.gather(*(ask(port, asked) for _ in range(clients)))
    health = []
    while not waiting.done():
        health.append(await ask(port, HEALTH))
        await asyncio.sleep(0.01)
    return await waiting, health


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("runs")
    trained_run(folder)
    with served("demo", "--runs-dir", folder, "--slots", SLOTS, "--queue", QUEUE) as found:
        yield found


@KIND
def test_what_fits_is_written_and_the_rest_hears_so_at_once(
    place: Place, clients, n_tokens, record_property
):
    assert place.process is not None
    asyncio.run(crowd(place.port, SLOTS, 10))
    before = resident_bytes(place.process.pid)
    told, health = asyncio.run(crowd(place.port, clients, n_tokens))
    admitted = [one for one in told if one.status == 200]
    refused = [one for one in told if one.status != 200]
    assert SLOTS <= len(admitted) <= SLOTS + QUEUE
    assert len({text(one.body) for one in admitted}) == 1
    assert all(one.body.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n") for one in admitted)
    for one in refused:
        assert one.status == 429 and "retry-after: 1\r\n" in one.head
        assert json.loads(one.body)["error"]["code"] == "overloaded"
    assert {one.status for one in health} == {200}
    late, ill = ([one.seconds for one in some] for some in (refused, health))
    spare = SPARE.get(clients, 10)
    assert percentile(late, 0.99) < spare * REFUSED_SECONDS
    assert percentile(ill, 0.99) < spare * HEALTH_SECONDS
    grown = resident_bytes(place.process.pid) - before
    assert grown < MOST_GROWTH
    assert place.complete(prompt="one", max_tokens=1).status == 200
    record_property(
        "measured",
        f"{clients} clients: {len(admitted)} served to the end, {len(refused)} refused, 99 % "
        f"within {percentile(late, 0.99) * 1e3:.0f} ms; health within "
        f"{percentile(ill, 0.99) * 1e3:.0f} ms; memory {grown / 2**20:+.1f} MiB",
    )


def text(body: bytes) -> str:
    """Return the text of a stream."""
    lines = [line for line in body.splitlines() if line.startswith(b"data: {")]
    return "".join(choice["text"] for line in lines for choice in json.loads(line[6:])["choices"])
