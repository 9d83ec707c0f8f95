"""The server leaves gracefully, and slow clients hold nothing.

Real processes get real signals. What slow clients may take is bounded by limits that are made short
here; with `sweep` they are what they are.
"""

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from promises import Protection

from bardling.serving.limits import Limits
from servers import (
    PATIENCE_SECONDS,
    Place,
    percentile,
    random_run,
    raw,
    served,
    serving,
    text_of,
    trained_run,
    wait_for,
)

SECONDS = 10.0
SPARE_SECONDS = 0.1
"""That an answer may take longer than twice its time because the machine is busy."""
SHORT = Limits(head_seconds=0.6, body_seconds=0.6, stall_seconds=0.6, leave_seconds=0.5)
WHOLE = Limits()

PROTECTIONS = (
    Protection(
        file="serving/server.py",
        line="self._models.close, seconds=self._limits.leave_seconds)",
        broken="self._models.close, seconds=0.0)",
        test="test_streams_end_and_new_ones_hear_why[SIGTERM]",
    ),
    Protection(
        file="serving/server.py",
        line="seconds=self._limits.leave_seconds)",
        broken="seconds=60.0)",
        test="test_a_stream_that_is_too_long_hears_why_it_ends",
    ),
    Protection(
        file="serving/connections.py",
        line="self._head = self.loop.call_later(self.limits.head_seconds, self.transport.abort)",
        broken="self._head = self.loop.call_later(60.0, self.transport.abort)",
        test="test_who_hardly_writes_is_cut[short]",
    ),
    Protection(
        file="serving/connections.py",
        line="        elif self._head is None:\n            self._await_head()\n",
        broken="",
        test="test_who_hardly_writes_is_cut[short]",
    ),
    Protection(
        file="serving/connections.py",
        line="self.loop.call_later(self.limits.stall_seconds, self.transport.abort)",
        broken="self.loop.call_later(60.0, self.transport.abort)",
        test="test_who_never_reads_is_cut[short]",
    ),
    Protection(
        file="serving/guard.py",
        line="async with asyncio.timeout(self._limits.body_seconds):",
        broken="async with asyncio.timeout(60.0):",
        test="test_a_body_that_never_comes_is_given_up[short]",
    ),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    trained_run(folder)
    return folder


def refusal(place: Place) -> int:
    """Return the status of a new request; 0 where nobody listens any more."""
    try:
        return place.complete(prompt="one", max_tokens=1).status
    except OSError:
        return 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_streams_end_and_new_ones_hear_why(folder, number, record_property):
    with served("demo", "--runs-dir", folder) as place, ExitStack() as stack:
        assert place.process is not None
        wishes = {"prompt": "one", "max_tokens": 3000, "temperature": 0}
        streams = [stack.enter_context(place.streaming(**wishes)) for _ in range(2)]
        firsts = [next(iter(stream)) for stream in streams]
        place.process.send_signal(number)
        began = time.monotonic()
        statuses: list[int] = []
        wait_for(lambda: statuses.append(refusal(place)) or statuses[-1] != 200, 1.0)
        heard = time.monotonic() - began
        assert statuses[-1] == 503
        texts = [text_of([first, *stream]) for first, stream in zip(firsts, streams, strict=True)]
        _, err = place.process.communicate(timeout=30)
        took = time.monotonic() - began
    assert place.process.returncode == 0 and err == ""
    assert len(set(texts)) == 1 and len(texts[0]) > 1000
    assert took < SECONDS
    record_property(
        "measured",
        f"signal {number.name}: 503 after {heard * 1e3:.0f} ms, 2 of 2 streams whole, gone after "
        f"{took:.1f} s",
    )


def test_a_stream_that_is_too_long_hears_why_it_ends(tmp_path, record_property):
    run = random_run(tmp_path, tokenizer="endless", block_size=512)
    with serving(run, runs_dir=tmp_path, limits=SHORT, pace=0.01) as place:
        with place.streaming(prompt="1", max_tokens=16_000, seed=1) as stream:
            events = iter(stream)
            next(events)
            place.server.stop()
            began = time.monotonic()
            *_, last = events
        took = time.monotonic() - began
    assert last["error"]["code"] == "closing"
    assert took < SHORT.leave_seconds + 2
    record_property("measured", f"a longer one hears why it ends after {took:.1f} s")


def test_a_second_signal_ends_it_at_once(folder):
    with served("demo", "--runs-dir", folder) as place:
        assert place.process is not None
        with place.streaming(prompt="one", max_tokens=16_000) as stream:
            next(iter(stream))
            place.process.send_signal(signal.SIGTERM)
            wait_for(lambda: refusal(place) == 503, 2.0)
            place.process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            assert place.process.wait(5) == -signal.SIGTERM
        assert time.monotonic() - began < 2


@pytest.fixture(params=["short", pytest.param("whole", marks=pytest.mark.sweep)])
def limits(request) -> Limits:
    return SHORT if request.param == "short" else WHOLE


@pytest.fixture
def place(limits: Limits, tmp_path) -> Iterator[Place]:
    run = random_run(tmp_path, tokenizer="endless", block_size=512)
    with serving(run, runs_dir=tmp_path, limits=limits) as found:
        yield found


def until_closed(connection: socket.socket, drip: bytes = b"") -> float:
    """Return after how many seconds a connection is closed, into which something drips."""
    began = time.monotonic()
    connection.settimeout(0.1)
    while time.monotonic() - began < PATIENCE_SECONDS:
        try:
            if drip:
                connection.sendall(drip)
            if not connection.recv(2**16):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - began


def seconds_of_most(place: Place, count: int = 40) -> float:
    """Return how long 95 of 100 short texts take at most."""
    took = []
    for _ in range(count):
        began = time.monotonic()
        assert place.complete(prompt="1", max_tokens=8, temperature=0).status == 200
        took.append(time.monotonic() - began)
    return percentile(took, 0.95)


DRIPS = {
    "says nothing": (b"", b""),
    "half a head": (b"GET /health HTTP/1.1\r\n", b""),
    "a head in drops": (b"GET /health HTTP/1.1\r\n", b"X: y\r\n"),
    "the next head in drops": (b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET", b"x"),
    "a body that nobody reads": (
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n",
        b"x",
    ),
}


def test_who_hardly_writes_is_cut(place: Place, limits: Limits, record_property):
    usual = seconds_of_most(place)
    kinds = [*DRIPS.values()] * 10
    closed: list[float] = []

    def drip(begin: bytes, drop: bytes) -> None:
        with raw(place.port, begin) as connection:
            closed.append(until_closed(connection, drop))

    threads = [threading.Thread(target=drip, args=kind) for kind in kinds]
    for thread in threads:
        thread.start()
    beside = seconds_of_most(place)
    for thread in threads:
        thread.join()
    assert len(closed) == len(kinds) and max(closed) < 2 * limits.head_seconds + 1
    assert beside < 2 * usual + SPARE_SECONDS
    record_property(
        "measured",
        f"{len(closed)} clients that hardly write are cut within {max(closed):.1f} s (limit "
        f"{limits.head_seconds:g} s); 95 % of answers beside them within {beside * 1e3:.0f} ms, "
        f"alone {usual * 1e3:.0f} ms",
    )


def test_a_body_that_never_comes_is_given_up(place: Place, limits: Limits):
    head = (
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\n\r\n{"
    )
    began = time.monotonic()
    with raw(place.port, head) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began < limits.body_seconds + 1


def test_who_never_reads_is_cut(place: Place, limits: Limits, record_property):
    assert place.models is not None and place.server is not None
    engine = next(iter(place.models)).engine
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", place.port))
    body = b'{"prompt": "1", "max_tokens": 6000, "logprobs": 20, "seed": 1, "stream": true}'
    head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with connection:
        connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        wait_for(lambda: engine.counters["running"] == 1)
        took = wait_for(lambda: not place.server._doors.n_inside)
    took += wait_for(lambda: engine.counters["running"] == 0)
    assert took < max(30.0, limits.stall_seconds + 5)
    assert place.complete(prompt="1", max_tokens=1).status == 200
    assert place.metric("bardling_disconnects_total") == 1
    record_property("measured", f"who never reads is cut, and the slot free, after {took:.1f} s")
