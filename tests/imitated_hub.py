"""An imitation of the few pages of the Hugging Face hub that are asked for, and its faults."""

import hashlib
import io
import json
import os
import re
import socket
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote, urlsplit

import huggingface_hub
import pyarrow
import pyarrow.parquet

from bardling.data import hub_transfer
from bardling.data.hub import HubSet
from loopback import LoopbackServer, at_work

HUB = HubSet(repository="ann/plays")
MAIN, CONVERTED = "a" * 40, "c" * 40
TOKEN = "hf_secret"


def parquet(*texts):
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"text": list(texts)}), file)
    return file.getvalue()


TRAIN = parquet(*(f"{number} words, words, words" for number in range(3000)))
VAL = parquet("the rest is silence")
NOTE = b"a small file that git keeps itself\n"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        hub = self.server
        self.path = unquote(self.path)
        hub.asked.append((self.path, self.headers))
        try:
            if hub.status:
                self.reply(b"no", hub.status, **{"X-Error-Code": "ByTheTest"})
            elif self.path.startswith("/api/datasets/ann/plays/"):
                self.list(*self.path.split("/", maxsplit=5)[5].split("/", 1))
            elif match := re.match(r"/datasets/ann/plays/resolve/(\w{40})/(.*)", self.path):
                place = f"http://localhost:{hub.server_port}/cdn/{match[1]}/{match[2]}"
                self.reply(b"", 302, Location=hub.moved or place)
            elif match := re.match(r"/cdn/(\w{40})/(.*)", self.path):
                self.body(hub.trees[match[1]][match[2]])
            else:
                self.reply(b"no", 404, **{"X-Error-Code": "RepoNotFound"})
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def list(self, kind, rest):
        hub = self.server
        if kind == "revision":
            if sha := hub.refs.get(rest):
                return self.reply(json.dumps({"id": "ann/plays", "sha": sha}).encode())
            return self.reply(b"no", 404, **{"X-Error-Code": "RevisionNotFound"})
        path, _, query = rest.partition("?")
        commit, _, folder = path.partition("/")
        found = [entry for entry in hub.entries(commit) if entry["path"].startswith(folder)]
        if not found:
            return self.reply(b"no", 404, **{"X-Error-Code": "EntryNotFound"})
        begin = int(re.search(r"cursor=(\d+)|$", query)[1] or 0)
        more = {}
        if begin + hub.page < len(found):
            place = f"{hub.url}{urlsplit(self.path).path}?cursor={begin + hub.page}"
            more["Link"] = f'<{place}>; rel="next"'
        return self.reply(json.dumps(found[begin : begin + hub.page]).encode(), **more)

    def body(self, data):
        hub = self.server
        begin = int(re.search(r"bytes=(\d+)-|$", self.headers.get("Range", ""))[1] or 0)
        if begin and hub.ranges:
            end = len(data) - 1
            headers = {"Content-Range": f"bytes {begin}-{end}/{len(data)}"}
            return hub.fault(self, data[begin:], 206, headers)
        return hub.fault(self, data, 200, {})

    def reply(self, body, status=200, n_bytes=None, **headers):
        start(self, status, headers | {"Content-Length": len(body) if n_bytes is None else n_bytes})
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def good(handler, data, status, headers):
    handler.reply(data, status, **headers)


def cut(handler, data, status, headers):
    """Send a third, and close."""
    handler.reply(data[: len(data) // 3 + 1], status, n_bytes=len(data), **headers)


def flipped(handler, data, status, headers):
    handler.reply(bytes([data[0] ^ 1]) + data[1:], status, **headers)


def short(handler, data, status, headers):
    """Send less, and say that this is all."""
    handler.reply(data[:-1] if status == 200 else b"", status, **headers)


def start(handler, status, headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()


def endless(handler, data, status, headers):
    start(handler, status, headers)
    while not handler.server.is_over.is_set():
        handler.server.n_sent += handler.wfile.write(b"x" * 2**16)


def stalled(handler, data, status, headers):
    start(handler, status, headers | {"Content-Length": str(len(data))})
    handler.wfile.write(data[:10] if status == 200 else b"")
    handler.server.is_over.wait(5)


def dripping(handler, data, status, headers):
    start(handler, status, headers)
    for byte in data:
        if handler.server.is_over.wait(0.02):
            break
        handler.wfile.write(bytes([byte]))


class Server(LoopbackServer):
    def __init__(self):
        super().__init__(Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.refs = {"main": MAIN}
        self.trees = {MAIN: {"data/train-0.parquet": TRAIN, "data/validation-0.parquet": VAL}}
        self.small = set()  # what git keeps itself
        self.asked, self.n_sent, self.page = [], 0, 2
        self.status, self.moved, self.ranges, self.fault = None, None, True, good

    def entries(self, commit):
        files = self.trees[commit].items()
        yield {"type": "directory", "path": "data", "oid": "d" * 40, "size": 0}
        for path, data in files:
            oid = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            entry = {"type": "file", "path": path, "size": len(data), "oid": oid}
            if path not in self.small:
                sha256 = hashlib.sha256(data).hexdigest()
                entry |= {"oid": "e" * 40, "lfs": {"oid": sha256, "size": len(data)}}
            yield entry

    def ranges_asked(self):
        return [headers["Range"] for path, headers in self.asked if path.startswith("/cdn/")]


@contextmanager
def served(monkeypatch, tmp_path):
    """Give an imitated hub that the environment leads to, with a cache of its own."""
    for name in list(os.environ):
        if name.startswith(("HF_", "HUGGINGFACE_", "XDG_")) or name == "TRANSFORMERS_OFFLINE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(hub_transfer, "TIMEOUT_SECONDS", 10.0)
    huggingface_hub.close_session()
    server = Server()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    with at_work(server, monkeypatch):
        yield server
    huggingface_hub.close_session()


def cache(tmp_path):
    return tmp_path / "home" / "hub" / "datasets--ann--plays"


def names(files):
    return [file.path for file in files]


def everything(folder):
    """Return all files below a folder, but for the locks."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())
    return sorted(str(path) for path in found if ".locks" not in path.parts)


def unreachable(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")


def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
