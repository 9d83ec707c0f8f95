"""Only the exact bytes get their name on the disk, and nothing hangs."""

import hashlib
import re
import socket
import time
from http.server import BaseHTTPRequestHandler

import pytest

from bardling.data.download import download
from bardling.errors import CorpusError
from loopback import LoopbackServer, at_work

BODY = b"all the world's a stage\n" * 1000
SHA256 = hashlib.sha256(BODY).hexdigest()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            getattr(self, self.path.strip("/").replace("-", "_"))()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def send(self, body, status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def good(self):
        self.send(BODY)

    def truncated(self):
        self.send(BODY[:-1], **{"Content-Length": str(len(BODY))})

    def flipped(self):
        self.send(b"A" + BODY[1:])

    def endless(self):
        self.send(b"")
        self.server.n_sent = 0
        while True:
            self.server.n_sent += self.wfile.write(b"x" * 2**16)

    def missing(self):
        self.send(b"no", 404)

    def moved(self):
        self.send(b"", 302, Location="/good")

    def to_file(self):
        self.send(b"", 302, Location="file:///etc/passwd")

    def to_ftp(self):
        self.send(b"", 302, Location="ftp://127.0.0.1/x")

    def to_itself(self):
        self.send(b"", 302, Location="/to-itself")

    def stalled(self):
        self.send(BODY[:10])
        self.server.is_over.wait(10)

    def dripping(self):
        self.send(b"")
        while not self.server.is_over.wait(0.02):
            self.wfile.write(b"x")

    def nonsense(self):
        self.wfile.write(b"\x00\xff not http \r\n\r\n")

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    server = LoopbackServer(Handler)
    with at_work(server, monkeypatch):
        yield server


def fetch(server, page, path, **options):
    url = f"http://127.0.0.1:{server.server_port}/{page}"
    return download(url, path, n_bytes=len(BODY), sha256_expected=SHA256, **options)


@pytest.mark.parametrize("page", ["good", "moved"])
def test_the_right_bytes_are_kept_and_returned(server, tmp_path, page):
    assert fetch(server, page, tmp_path / "new" / "file") == BODY
    assert (tmp_path / "new" / "file").read_bytes() == BODY


@pytest.mark.parametrize(
    "page, reason",
    [
        ("truncated", "23,999 of 24,000 bytes"),
        ("flipped", f"its sha256 is [0-9a-f]{{64}}, expected {SHA256}"),
        ("endless", "more than 24,000 bytes"),
        ("missing", "404"),
        ("to-file", "file:///etc/passwd"),
        ("to-ftp", "unknown url type: ftp"),
        ("to-itself", "302|infinite loop"),
        ("stalled", "timed out"),
        ("dripping", "longer than 0.5 seconds"),
        ("nonsense", "not http"),
    ],
)
def test_anything_else_is_refused_soon_and_leaves_nothing(server, tmp_path, page, reason):
    start = time.monotonic()
    with pytest.raises(CorpusError, match=reason) as caught:
        fetch(server, page, tmp_path / "file", timeout_seconds=0.3, total_seconds=0.5)
    assert time.monotonic() - start < 3
    assert re.search(f"put the file at {tmp_path}/file by hand, 24,000 bytes", str(caught.value))
    assert list(tmp_path.iterdir()) == []


def test_an_endless_body_is_cut_off(server, tmp_path):
    with pytest.raises(CorpusError):
        fetch(server, "endless", tmp_path / "file")
    assert server.n_sent < 16 * 2**20  # the rest is what the sockets hold


def test_without_a_network_one_sentence_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(CorpusError, match=r"Connection refused.*put the file at"):
        download(f"http://127.0.0.1:{port}/", tmp_path / "file", n_bytes=1, sha256_expected="")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "x", "data:,x"])
def test_only_http_is_downloaded(tmp_path, url):
    with pytest.raises(CorpusError, match="only http and https"):
        download(url, tmp_path / "file", n_bytes=1, sha256_expected="")
