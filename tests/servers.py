"""A server for tests, in this process or as a child, and a plain client that may behave badly."""

import http.client
import json
import math
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bardling
from bardling.serving.engine import Engine
from bardling.serving.limits import Limits
from bardling.serving.models import Models, Served
from bardling.serving.server import Server, listen
from bardling.text.characters import CharacterTokenizer
from bardling.text.chat import PLAIN_CHAT
from bardling.text.special import with_special
from bardling.trained import Run
from families import TEXT, TOKENIZERS, family, randomised, run_of
from tiny import SETTINGS, write_text
from together import ENVIRONMENT

PATIENCE_SECONDS = float(os.environ.get("PATIENCE_SECONDS", "60"))
"""Before what does not come is given up; less where a broken line keeps it from coming."""
ENDLESS = CharacterTokenizer.train([TEXT])
"""Without an end token, so that a text is as long as was asked for."""


def random_run(
    folder: Path,
    *,
    name: str = "llama",
    tokenizer: str = "bpe",
    named: str = "plain",
    **sizes: Any,
) -> Run:
    """Return a run with random weights."""
    words = ENDLESS if tokenizer == "endless" else TOKENIZERS[tokenizer]
    config = family(name, vocab_size=words.vocab_size, **{"block_size": 40, **sizes})
    return run_of(randomised(config), words, folder / named)


def chatty_run(folder: Path, **sizes: Any) -> Run:
    """Return a run with random weights whose settings say that it answers."""
    words = with_special(TOKENIZERS["bpe"], PLAIN_CHAT.tokens)
    config = family("llama", vocab_size=words.vocab_size, **{"block_size": 64, **sizes})
    run = run_of(randomised(config), words, folder / "chatty")
    return replace(run, config=replace(run.config, chat=PLAIN_CHAT))


class Paced:
    """Room for texts in which every turn takes some time, as with a larger model."""

    def __init__(self, slots: Any, seconds: float) -> None:
        self._slots, self._seconds, self.chunk = slots, seconds, slots.chunk

    def read(self, parts: Sequence[Any]) -> list[Any]:
        time.sleep(self._seconds)
        return self._slots.read(parts)


@dataclass(frozen=True)
class Reply:
    """What a server has answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Place:
    """Where a server is."""

    port: int
    key: str | None = None
    models: Models | None = None
    server: Server | None = None
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Ask once, over a connection of its own; bytes are sent as they are."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            data, words = self._written(body)
            connection.request(method, path, data, {**words, **(headers or {})})
            found = connection.getresponse()
            return Reply(found.status, {k.lower(): v for k, v in found.getheaders()}, found.read())
        finally:
            connection.close()

    def complete(self, **wishes: Any) -> Reply:
        """Ask for a completion."""
        return self.ask("POST", "/v1/completions", wishes)

    def chat(self, **wishes: Any) -> Reply:
        """Ask for an answer."""
        return self.ask("POST", "/v1/chat/completions", wishes)

    @contextmanager
    def streaming(self, path: str = "/v1/completions", **wishes: Any) -> Iterator["Events"]:
        """Ask for a stream; who leaves the block closes the connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        data, words = self._written({"stream": True, **wishes})
        try:
            connection.request("POST", path, data, words)
            stream = Events(connection)
            yield stream
            stream.leave()
        finally:
            connection.close()

    def _written(self, body: Any) -> tuple[bytes | None, dict[str, str]]:
        words = {} if self.key is None else {"Authorization": f"Bearer {self.key}"}
        if body is None:
            return None, words
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return data, words | {"Content-Type": "application/json"}

    def metric(self, name: str) -> float:
        """Return a figure of /metrics, all its labels together."""
        lines = self.ask("GET", "/metrics").body.decode().splitlines()
        found = [line for line in lines if line.split("{")[0].split(" ")[0] == name]
        return sum(float(line.rpartition(" ")[2]) for line in found)


class Events:
    """The events of a stream, as they come."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._socket = connection.sock
        self.reply = connection.getresponse()
        self.status = self.reply.status

    def leave(self) -> None:
        """Close the connection, which the answer would hold open."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def __iter__(self) -> Iterator[Any]:
        """Yield what stands in each event, up to [DONE]."""
        while line := self.reply.readline():
            if line.strip() == b"data: [DONE]":
                return
            if line.strip():
                assert line.startswith(b"data: ")
                yield json.loads(line[6:])
        raise AssertionError("the stream has no end")


def text_of(events: Sequence[Any], index: int = 0) -> str:
    """Return the text of one choice of a stream."""
    choices = [choice for event in events for choice in event["choices"]]
    return "".join(one["text"] for one in choices if one["index"] == index)


@contextmanager
def serving(
    *runs: Run,
    runs_dir: Path,
    key: str | None = None,
    hosts: Sequence[str] = (),
    slots: int = 4,
    queue: int = 8,
    limits: Limits | None = None,
    pace: float = 0.0,
) -> Iterator[Place]:
    """Serve runs on a thread of this process while the block lasts."""
    engines = [Engine(run, slots=slots, queue=queue) for run in runs]
    for engine in engines:
        if pace:
            engine._slots = Paced(engine._slots, pace)
    models = Models(
        Served(name=run.folder.name, run=run, engine=engine)
        for run, engine in zip(runs, engines, strict=True)
    )
    listener = listen("127.0.0.1", 0)
    ready = threading.Event()
    server = Server(
        models,
        listener,
        key=key,
        hosts=frozenset(hosts),
        runs_dir=runs_dir,
        limits=limits or Limits(leave_seconds=0.5),
        ready=lambda url: ready.set(),
    )
    place = Place(listener.getsockname()[1], key, models, server)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert ready.wait(PATIENCE_SECONDS)
        yield place
    finally:
        server.stop()
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


@contextmanager
def served(*words: object, key: str | None = None) -> Iterator[Place]:
    """Run `bardling serve` in a child while the block lasts."""
    environment = ENVIRONMENT | ({} if key is None else {"BARDLING_KEY": key})
    child = subprocess.Popen(
        [sys.executable, "-m", "bardling", "serve", "--port", "0", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        while (line := child.stdout.readline()) and "API" not in line:
            pass
        assert line, child.communicate()
        yield Place(int(line.rpartition(":")[2].partition("/")[0]), key, process=child)
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        child.communicate()


def raw(port: int, data: bytes = b"") -> socket.socket:
    """Return a connection over which some bytes have been sent."""
    found = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
    found.sendall(data)
    return found


def wait_for(ready: Any, seconds: float = PATIENCE_SECONDS) -> float:
    """Wait until something holds; return how long it took."""
    began = time.monotonic()
    while not ready():
        assert time.monotonic() - began < seconds, "it does not come"
        time.sleep(0.002)
    return time.monotonic() - began


def trained_run(folder: Path, **overrides: Any) -> Run:
    """Return a run on the disk, for servers that are children."""
    settings = SETTINGS | {"n_layer": 1, "block_size": 64, "budget": "2steps"} | overrides
    return bardling.train(write_text(folder), name="demo", runs_dir=folder, **settings)


def resident_bytes(pid: int) -> int:
    """Return how much memory a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of all are not above."""
    return sorted(values)[min(len(values) - 1, math.ceil(share * len(values)) - 1)]
