"""Servers on this machine that tests talk to, each at work on a thread of its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer


class LoopbackServer(ThreadingHTTPServer):
    """Waits for the answers that it began; handlers that dawdle ask `is_over` whether to end."""

    block_on_close, daemon_threads = True, False

    def __init__(self, handler) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.is_over = threading.Event()


@contextmanager
def at_work(server: LoopbackServer, monkeypatch) -> Iterator[None]:
    """Let a server answer while the block lasts, past any proxy."""
    monkeypatch.setenv("no_proxy", "*")
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.is_over.set()
            server.shutdown()
            thread.join()
