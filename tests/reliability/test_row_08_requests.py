"""No request crashes or stalls the server: whatever comes is refused quickly, in one sentence.

The server is a process of its own, so that its memory and its number tell whether it is still the
same. Every request has a fault, so that none is to be answered.
"""

import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from promises import Protection

from bardling.serving.guard import check_json
from bardling.serving.refusals import Refused
from servers import Place, percentile, raw, resident_bytes, served, trained_run

MOST_SECONDS, HEALTH_SECONDS, MOST_GROWTH = 0.1, 0.1, 50 * 2**20
SPARE = 10
"""Times the limits in the quick form, which runs beside others."""
WARM = 60
"""Requests after which the server has what it needs."""
GOOD = {"prompt": "one", "max_tokens": 1, "temperature": 0.5}
HUGE = (10**12, -1, 2**63, -(2**63) - 1, 10**400, 1e308, -1e308, 1.5, True, "1", [], {}, [1])
FAULTS: dict[str, tuple[Any, ...]] = {
    "max_tokens": (*HUGE, 16_385),
    "n": (*HUGE, 0, 65),
    "temperature": (-1, 2.01, 1e308, -1e-9, "0", [], {}, True, 10**400),
    "top_p": (0, -0.1, 1.1, 1e308, "1", [], True),
    "top_k": (*HUGE, 10**6 + 1),
    "seed": (2**63, -(2**63) - 1, 10**400, 0.5, "7", [], True),
    "logprobs": (*HUGE, 21),
    "best_of": (*HUGE, 2, 65),
    "stop": (["x"] * 17, ["x"] * 10**5, "x" * 257, [1], {}, 3, [None], [["x"]], "\ud800"),
    "prompt": (
        3, {}, [], [[]], [""] * 65, [1, "x"], [[1], "x"], [-1], [10**9], [2**70], [1.0], [True],
        ["x", 3], "\ud83d", [[[1]]], ["x" * 9, None], [[1] * 9] * 65,
    ),
    "stream": (1, "true", [], {}),
    "stream_options": ({"include_usage": True}, [], "x", {"other": 1}),
    "model": ("none", "../demo", "demo\x00", "x" * 201, 3, [], {}),
    "echo": (1, "no", []),
    "user": (3, "x" * 1001, []),
    "suffix": ("x", 3),
    "frequency_penalty": (1, -1, 1e308, "0"),
    "logit_bias": ({"1": 5}, [], "x"),
    "messages": ([], [{}], "x"),
    "__proto__": ({},),
    "Prompt": ("x",),
    "\x00": (1,),
    "x" * 5000: (1,),
}  # fmt: skip
USER = {"role": "user", "content": "x"}
MESSAGES = (
    [], "x", {}, [{}], [3], [{"role": "user"}], [{**USER, "role": 3}], [USER] * 513, [USER],
    [{**USER, "content": [{"type": "image_url", "image_url": "file:///x"}]}],
    [{**USER, "tool_calls": []}],
    [USER],
)  # fmt: skip
"""The last is right; the model has learned no conversations."""

PROTECTIONS = (
    Protection(
        file="serving/schemas.py",
        line="temperature: Annotated[float, Field(ge=0, le=2)] | None = None",
        broken="temperature: Annotated[float, Field(ge=0)] | None = None",
        test="test_every_fault_alone_is_refused[temperature]",
    ),
    Protection(
        file="serving/schemas.py",
        line='extra="forbid", strict=True',
        broken='extra="forbid", strict=False',
        test="test_every_fault_alone_is_refused[n]",
    ),
    Protection(
        file="serving/schemas.py",
        line="and all(type(i) is int and 0 <= i < _LARGEST for i in value)",
        broken="and all(0 <= i < _LARGEST for i in value)",
        test="test_every_fault_alone_is_refused[prompt]",
    ),
    Protection(
        file="serving/guard.py",
        line="if depth > DEEPEST or n_keys > MOST_KEYS:",
        broken="if n_keys > 10 * MOST_KEYS:",
        test="test_json_has_a_depth_and_a_width",
    ),
    Protection(
        file="serving/guard.py",
        line="                    if len(body) > most:\n",
        broken="                    if len(body) > 2**30:\n",
        test="test_a_body_in_pieces_has_the_same_end",
    ),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("runs")
    trained_run(folder)
    with served("demo", "--runs-dir", folder, "--slots", 2, "--queue", 4) as found:
        yield found


def wrong_value(chance: random.Random) -> bytes:
    """Return a request whose fields are known and whose values mean nothing."""
    names = chance.sample([*FAULTS], chance.choice((1, 1, 1, 2, 3)))
    wrong = {name: chance.choice(FAULTS[name]) for name in names}
    items = [*{**GOOD, **wrong}.items()]
    chance.shuffle(items)
    return json.dumps(dict(items)).encode()


def wrong_bytes(chance: random.Random) -> bytes:
    """Return what is no JSON, or not the JSON of a request."""
    text = json.dumps(GOOD).encode()
    cut = chance.randrange(1, len(text))
    return chance.choice(
        (
            text[:-cut],
            text[:cut] + b"\xff\xfe" + text[cut:],
            b"\xef\xbb\xbf" + text,
            b'{"prompt": "x", "temperature": NaN}',
            b'{"prompt": "x", "temperature": -Infinity}',
            b'{"prompt": "x", "temperature": 1e999}',
            b'{"prompt": "x", "prompt": "y"}',
            b'{"prompt": "x", "n": ' + b"9" * 5000 + b"}",
            b"[" * chance.randrange(1, 10_000),
            b'{"a":' * 10_000,
            b"[" * 10_000 + b"]" * 10_000,
            b'{"prompt": ' + b"[" * 40 + b"]" * 40 + b"}",
            json.dumps({str(number): 0 for number in range(20_000)}).encode(),
            b"",
            b"null",
            b"[]",
            b'"prompt"',
            bytes(chance.randrange(256) for _ in range(chance.randrange(1, 200))),
            b" " * 2**20 + b"{}",
        )
    )


def wrong_chat(chance: random.Random) -> bytes:
    """Return a conversation that cannot be answered."""
    return json.dumps({"messages": chance.choice(MESSAGES), "max_tokens": 1}).encode()


def wrong_question(chance: random.Random) -> bytes:
    """Return a question of the page with a field that means nothing, or a value that does."""
    known = {
        "prompt": (3, {}, ["x"], "x" * 100_001),
        "ids": ([-1], [2**24 + 1], ["x"], 3, [1.5]),
        "temperature": (-1, 101, "hot", []),
        "top_p": (0, 2, "x"),
        "top_k": (-1, 1.5, "x"),
        "count": (0, 10**6, "x"),
        "model": ("none", 3, "x" * 201),
        "word": ("", 3, "x" * 101),
        "a": (3, ""),
        "b": ([], ""),
        "c": ({}, ""),
        "source": ("else", 3),
        "text": (3, "x" * 20_001),
        "models": ("x", [3], ["none"], ["x"] * 13),
        "begins": ("perhaps", 3, []),
        "other": (1,),
    }
    names = chance.sample([*known], chance.choice((1, 2, 3)))
    return json.dumps({name: chance.choice(known[name]) for name in names}).encode()


def wrong_place(chance: random.Random) -> str:
    """Return the path of what is not there, or asked for as nobody can."""
    return chance.choice(
        (
            "/play/embedding?model=none",
            "/play/embedding?source=else",
            "/play/runs/none/log",
            "/play/runs/demo/log?from=-1",
            "/play/runs/demo/log?from=x",
            "/play/runs/demo/log?from=1e9",
            f"/play/runs/demo/log?from={2**60}",
            f"/play/runs/demo/log?file={'x' * 41}",
            "/play/runs/demo/samples?after=-2",
            "/play/runs/..%2f..%2fetc/log",
            "/play/runs/%00/log",
            "/play/runs/demo/samples?after=%ff",
            "/v1/models/none",
            "/v1/models/..%2f..",
            "/play/none",
        )
    )


KINDS: tuple[tuple[str, Callable[[random.Random], bytes]], ...] = (
    ("/v1/completions", wrong_value),
    ("/v1/completions", wrong_value),
    ("/v1/completions", wrong_bytes),
    ("/v1/chat/completions", wrong_chat),
    ("/v1/chat/completions", wrong_bytes),
    ("/play/next", wrong_bytes),
    ("/play/next", wrong_question),
    ("/play/attention", wrong_question),
    ("/play/neighbours", wrong_question),
    ("/play/analogy", wrong_question),
    ("/play/tokens", wrong_question),
)


@pytest.mark.parametrize("count", [200, pytest.param(5000, marks=pytest.mark.sweep)])
def test_hostile_requests_are_refused(place: Place, count, record_property):
    assert place.process is not None
    chance, pid = random.Random(count), place.process.pid
    took, waited, statuses, before = [], [], set(), 0
    for number in range(count + WARM):
        if number == WARM:
            before = resident_bytes(pid)
        path, make = chance.choice(KINDS)
        body = make(chance)
        began = time.monotonic()
        answer = place.ask("POST", path, body)
        took.append(time.monotonic() - began)
        assert 400 <= answer.status < 500, (path, body[:200], answer.body)
        error = answer.json["error"]
        assert error["message"] and len(error["message"]) < 1000, body[:200]
        statuses.add(answer.status)
        if number % 5 == 0:
            lost = place.ask("GET", wrong_place(chance))
            assert 400 <= lost.status < 500 and lost.json["error"]["message"], lost.body
        if number % 20 == 0:
            began = time.monotonic()
            assert place.ask("GET", "/health").status == 200
            waited.append(time.monotonic() - began)
    grown = resident_bytes(pid) - before
    assert {400, 413} <= statuses <= {400, 404, 413}
    assert place.process.poll() is None
    assert grown < MOST_GROWTH
    spare = 1 if count == 5000 else SPARE
    assert percentile(took, 0.99) < spare * MOST_SECONDS
    assert percentile(waited, 0.99) < spare * HEALTH_SECONDS
    good = place.complete(prompt="one", max_tokens=3)
    assert good.status == 200 and good.json["usage"]["completion_tokens"] == 3
    record_property(
        "measured",
        f"{count} of {count} refused, 99 % within {percentile(took, 0.99) * 1e3:.0f} ms; health "
        f"within {percentile(waited, 0.99) * 1e3:.0f} ms; memory {grown / 2**20:+.1f} MiB",
    )


@pytest.mark.parametrize("name", FAULTS, ids=lambda name: name[:20])
def test_every_fault_alone_is_refused(place: Place, name):
    for value in FAULTS[name]:
        answer = place.complete(**GOOD | {name: value})
        assert answer.status in (400, 404), (name, str(value)[:99], answer.body)


def test_ten_megabytes_are_refused_by_their_length_alone(place: Place):
    for path in ("/v1/completions", "/v1/chat/completions", "/play/next", "/nothing"):
        began = time.monotonic()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {10 * 2**20}\r\n\r\n"
        )
        with raw(place.port, head.encode() + b"{") as connection:
            assert connection.recv(64).startswith(b"HTTP/1.1 413 ")
        assert time.monotonic() - began < 1.0
    whole = json.dumps({"prompt": "x" * 10 * 2**20}).encode()
    assert place.ask("POST", "/v1/completions", whole).status == 413


def test_a_body_in_pieces_has_the_same_end(place: Place):
    head = (
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    piece = b"10000\r\n" + b" " * 2**16 + b"\r\n"
    with raw(place.port, head + piece * 17) as connection:
        assert connection.recv(64).startswith(b"HTTP/1.1 413 ")


def test_a_head_has_an_end(place: Place):
    for head in (
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 2**20,
        b"GET /" + b"x" * 2**20,
        b"GET /health HTTP/1.1\r\n" + b"X: y\r\n" * 200_000,
        b"\x00" * 2**16,
        b"GET /health HTTP/9.9\r\n\r\n",
        b"GET /health\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
        b"Content-Length: 2\r\n\r\n",
    ):
        with raw(place.port) as connection:
            try:
                connection.sendall(head)
                said = connection.recv(64)
            except ConnectionError:
                said = b""
            assert not said or said.startswith(b"HTTP/1.1 4"), (head[:40], said)
    assert place.ask("GET", "/health").status == 200


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"[" * 40 + b"]" * 40, "nested too deeply"),
        (b'{"a":' * 33 + b"{}" + b"}" * 33, "nested too deeply"),
        (json.dumps([{str(n): n} for n in range(10_001)]).encode(), "too many fields"),
    ],
)
def test_json_has_a_depth_and_a_width(body, told):
    with pytest.raises(Refused, match=told):
        check_json(body)
    check_json(b"[" * 32 + b"]" * 32)
