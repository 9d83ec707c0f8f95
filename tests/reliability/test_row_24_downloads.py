"""What is downloaded is the right bytes or gets no name, and no server can make us read for ever.

Beside the faults in tests/data: bodies that unpack to more than they are, how much is really read,
what another host is told, and that a good try follows every bad one.
"""

import gzip
import hashlib
import os
import signal
import socket
from collections.abc import Mapping
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from faults import Log, at, killed, torn, watched
from nursery import nursery
from promises import Protection

from bardling.data import hub_transfer
from bardling.data.download import download
from bardling.data.hub import fetch, find_files
from bardling.errors import CorpusError
from imitated_hub import HUB, TOKEN, TRAIN, Handler, endless, everything, good, served, start
from loopback import LoopbackServer, at_work

PROTECTIONS = (
    Protection(
        file="data/download.py",
        line="if (found := sha256(data)) != sha256_expected:",
        broken="if (found := sha256(data)) == '':",
        test="test_a_known_file_is_refused_or_right_and_the_next_try_is_good[wrong]",
    ),
    Protection(
        file="data/download.py",
        line="while len(data) <= n_bytes and",
        broken="while len(data) <= 9 * n_bytes and",
        test="test_a_known_file_is_refused_or_right_and_the_next_try_is_good[endless]",
    ),
    Protection(
        file="data/hub_transfer.py",
        line="for chunk in response.iter_raw():\n                held += chunk",
        broken="for chunk in response.iter_bytes():\n                held += chunk",
        test="test_a_file_of_the_hub_is_never_unpacked_on_its_way[packed]",
    ),
    Protection(
        file="data/hub_files.py",
        line="                remove_leftovers(path.parent, of=path.name)",
        broken="                pass",
        test="test_a_download_that_is_killed_is_made_up_for",
    ),
)
BODY = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(BODY).hexdigest()
BOMB = gzip.compress(bytes(2**26))  # 64 KiB that say they are 64 MiB
PACKED = gzip.compress(BODY)
MARGIN = 2**20


class Known(BaseHTTPRequestHandler):
    """A server of one known file, and its faults."""

    def do_GET(self):
        self.server.asked.append(dict(self.headers))
        try:
            getattr(self, self.path.strip("/"))()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def send(self, body, status=200, **headers):
        start(self, status, headers)
        self.wfile.write(body)

    def good(self):
        self.send(BODY)

    def truncated(self):
        self.send(BODY[:-1], **{"Content-Length": len(BODY)})

    def wrong(self):
        self.send(b"x" * len(BODY))

    def endless(self):
        self.send(b"")
        while not self.server.is_over.is_set():
            self.wfile.write(b"x" * 2**16)

    def bomb(self):
        self.send(BOMB, **{"Content-Encoding": "gzip", "Content-Length": len(BOMB)})

    def packed(self):
        self.send(PACKED, **{"Content-Encoding": "gzip", "Content-Length": len(PACKED)})

    def to_file(self):
        self.send(b"", 302, Location="file:///etc/passwd")

    def elsewhere(self):
        self.send(b"", 302, Location=f"http://localhost:{self.server.server_port}/wrong")

    def stalled(self):
        self.send(BODY[:9], **{"Content-Length": len(BODY)})
        self.server.is_over.wait(5)

    def log_message(self, *arguments):
        pass


FAULTS = ("truncated", "wrong", "endless", "bomb", "packed", "to_file", "elsewhere", "stalled")


@contextmanager
def serving(monkeypatch):
    server = LoopbackServer(Known)
    server.asked = []
    with at_work(server, monkeypatch):
        yield server


@pytest.fixture
def read_bytes(monkeypatch) -> dict[str, int]:
    """Count the bytes that clients take from their sockets; servers only read requests."""
    count = {"n": 0}
    readinto, recv = socket.SocketIO.readinto, socket.socket.recv

    def counted_readinto(self, buffer):
        n = readinto(self, buffer)
        count["n"] += n or 0
        return n

    class Counted(socket.socket):
        def recv(self, *arguments):
            data = recv(self, *arguments)
            count["n"] += len(data)
            return data

    monkeypatch.setattr(socket.SocketIO, "readinto", counted_readinto)
    monkeypatch.setattr(socket, "socket", Counted)
    return count


def fetch_known(server, page, path) -> bytes:
    url = f"http://127.0.0.1:{server.server_port}/{page}"
    return download(url, path, n_bytes=len(BODY), sha256_expected=SHA256, timeout_seconds=0.3)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_known_file_is_refused_or_right_and_the_next_try_is_good(
    monkeypatch, tmp_path, read_bytes, fault
):
    path = tmp_path / "known"
    with serving(monkeypatch) as server:
        with pytest.raises(CorpusError, match=r"put the file at .* by hand"):
            fetch_known(server, fault, path)
        assert list(tmp_path.iterdir()) == []
        assert read_bytes["n"] < len(BODY) + MARGIN
        if fault == "endless":
            assert read_bytes["n"] > len(BODY)  # it is really counted
        assert fetch_known(server, "good", path) == path.read_bytes() == BODY
    assert all(not {"Authorization", "Cookie"} & headers.keys() for headers in server.asked)


def bomb(handler, data, status, headers):
    handler.reply(BOMB, status, **headers, **{"Content-Encoding": "gzip"})


def packed(handler, data, status, headers):
    handler.reply(gzip.compress(data), status, **headers, **{"Content-Encoding": "gzip"})


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with served(monkeypatch, tmp_path) as server:
        yield server


@pytest.mark.parametrize("fault", [bomb, packed, endless])
def test_a_file_of_the_hub_is_never_unpacked_on_its_way(hub, tmp_path, read_bytes, fault):
    (file,) = find_files(HUB).train
    hub.fault, read_bytes["n"] = fault, 0
    with pytest.raises(CorpusError):
        fetch(file)
    assert read_bytes["n"] < 2 * (len(TRAIN) + MARGIN)  # it may be asked twice
    assert not [name for name in everything(tmp_path) if "snapshots" in name]
    assert not (tmp_path / "home/hub/datasets--ann--plays/blobs" / file.sha256).exists()
    hub.fault = good
    assert fetch(file).read_bytes() == TRAIN


def test_nor_is_a_list(hub, tmp_path, monkeypatch, read_bytes):
    monkeypatch.setattr(hub_transfer, "PAGE_BYTES", 2**20)
    packed_list = gzip.compress(b"[" + b" " * 2**26 + b"]")
    monkeypatch.setattr(
        Handler, "list",
        lambda handler, *_: handler.reply(packed_list, **{"Content-Encoding": "gzip"}),
    )  # fmt: skip
    with pytest.raises(CorpusError, match="could not be listed"):
        find_files(HUB)
    assert read_bytes["n"] < 2**20 + MARGIN and everything(tmp_path) == []


def test_nor_would_a_packed_list_be_understood(hub, monkeypatch):
    reply = Handler.reply

    def packed_reply(handler, body, status=200, n_bytes=None, **headers):
        headers |= {"Content-Encoding": "gzip"}
        reply(handler, gzip.compress(body), status, n_bytes, **headers)

    monkeypatch.setattr(Handler, "reply", packed_reply)
    with pytest.raises(CorpusError, match="could not be listed"):
        find_files(HUB)


def test_an_endless_list_is_read_no_further_than_its_limit(hub, monkeypatch, read_bytes):
    monkeypatch.setattr(hub_transfer, "PAGE_BYTES", 2**20)
    monkeypatch.setattr(Handler, "list", lambda handler, *_: endless(handler, b"", 200, {}))
    with pytest.raises(CorpusError, match="its answer had no end"):
        find_files(HUB)
    assert 2**20 < read_bytes["n"] < 2**20 + MARGIN


def test_another_host_is_not_told_the_token(hub):
    hub.moved = f"http://localhost:{hub.server_port}/elsewhere"
    (file,) = find_files(HUB).train
    with pytest.raises(CorpusError):
        fetch(file)
    there = [headers for path, headers in hub.asked if path == "/elsewhere"]
    assert there and all(headers["Authorization"] is None for headers in there)
    assert any(headers["Authorization"] == f"Bearer {TOKEN}" for _, headers in hub.asked)


def fetch_there(surroundings: Mapping[str, str], make_watch=None) -> str:
    """Fetch in another process, in pieces; return where it lies."""
    os.environ |= surroundings
    hub_transfer.PIECE_BYTES = len(TRAIN) // 3
    (file,) = find_files(HUB).train
    with watched(make_watch and make_watch()):
        return str(fetch(file))


def logged(surroundings: Mapping[str, str], folder: Path) -> list[str]:
    log = Log(folder)
    fetch_there(surroundings, lambda: log)
    return [entry.name for entry in log.entries]


def kill_downloads(parent: Path, step: int) -> str:
    """Kill a download at its operations, with half of the bytes on their way; then try again."""

    def there(name: str) -> tuple[dict[str, str], Path]:
        kept = {name: os.environ[name] for name in ("HF_ENDPOINT", "HF_TOKEN", "no_proxy")}
        return kept | {"HF_HOME": str(parent / name / "home")}, parent / name

    first, folder = there("whole")
    names = nursery().run(logged, first, folder)
    whole = everything(folder)
    numbers = range(len(names))[::step]
    for number in numbers:
        surroundings, folder = there(f"killed-{number}")
        outcome = nursery().try_to(fetch_there, surroundings, partial(at, number, torn, killed))
        assert outcome.signal == signal.SIGKILL
        assert Path(nursery().run(fetch_there, surroundings)).read_bytes() == TRAIN
        assert everything(folder) == whole
    return f"killed at {len(numbers)} of {len(names)} operations of a download"


def test_a_download_that_is_killed_is_made_up_for(hub, tmp_path):
    kill_downloads(tmp_path / "there", 3)


@pytest.mark.sweep
def test_a_download_that_is_killed_anywhere(hub, tmp_path, record_property):
    record_property("measured", kill_downloads(tmp_path / "there", 1))
