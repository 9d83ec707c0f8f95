"""`bardling.serve`: models at an address, from the first request to a polite leave.

The server is told to go by SIGINT or SIGTERM. From then on new requests hear so at once, texts that
are being written have some seconds to their end, and what is left then is told why it ends. A
second signal ends the process on the spot: there is nothing here that could be torn.
"""

import asyncio
import ipaddress
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from math import ceil
from pathlib import Path
from types import FrameType
from warnings import warn

import uvicorn

from bardling.errors import UsageError
from bardling.machine.stop import SIGNALS
from bardling.run_folder import find_run, runs_folder
from bardling.serving.app import build_app
from bardling.serving.connections import bounded
from bardling.serving.engine import Engine
from bardling.serving.guard import Doors
from bardling.serving.limits import Limits
from bardling.serving.models import Models, Served
from bardling.trained import Note, Run, load

LEAST_KEY = 16
LAST_WORDS_SECONDS = 1.0
"""For sending what is still to be said after the last text has ended."""
BACKLOG = 512
SWITCH_SECONDS = 0.0005
"""After which a thread lets others go on, an engine the event loop: Python's own is ten times that,
and who is to be refused would wait for it at every step.
"""
PATIENCE_SECONDS = 5.0
"""With a page that is to end with something else."""


class Server(uvicorn.Server):
    """Models at an address; `run` serves until `stop`, or a signal."""

    def __init__(
        self,
        models: Models,
        listener: socket.socket,
        *,
        key: str | None = None,
        hosts: frozenset[str] = frozenset(),
        runs_dir: Path,
        limits: Limits,
        ready: Callable[[str], None] = lambda url: None,
    ) -> None:
        self._models, self._listener, self._limits = models, listener, limits
        self._ready, self._doors = ready, Doors()
        app = build_app(
            models, key=key, hosts=hosts, runs_dir=runs_dir, limits=limits, doors=self._doors
        )
        super().__init__(
            uvicorn.Config(
                app,
                http=bounded(limits),
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="error",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=ceil(limits.head_seconds),
                timeout_graceful_shutdown=1,
            )
        )

    @property
    def url(self) -> str:
        """Where it is found."""
        host, port = self._listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to go, and leave politely; then the models write no more."""
        before = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_SECONDS)
        try:
            asyncio.run(self.serve(sockets=[self._listener]))
        finally:
            sys.setswitchinterval(before)
            self._listener.close()
            self._models.close(seconds=0.0)

    def stop(self) -> None:
        """Go, as by a signal; from any thread."""
        self._doors.are_closing = self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say so."""
        await super().startup(sockets)
        self._ready(self.url)

    async def main_loop(self) -> None:
        """Serve until told to go; go on to answer meanwhile, with a refusal."""
        await super().main_loop()
        self._doors.are_closing = True
        await asyncio.to_thread(self._models.close, seconds=self._limits.leave_seconds)
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                while self._doors.n_inside:
                    await asyncio.sleep(0.01)
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Within, heed signals, if this is the thread that hears them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Go; the next signal ends the process at once."""
        self.stop()
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)


def serve(
    runs: Sequence[str | Path] = (),
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    key: str | None = None,
    hosts: Sequence[str] = (),
    slots: int = 16,
    queue: int = 64,
    runs_dir: Path | None = None,
    limits: Limits | None = None,
    note: Note = warn,
    ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve runs until told to go: an API as OpenAI's has it, and a page about them.

    A run is a name or a path, with `@` and a step where another checkpoint than the best is meant.
    Without runs there is the page alone, about the runs of `runs_dir`. Other machines are served,
    on a `host` that they can reach, to those who have the `key` only. `ready` is told the address.
    Raises `UsageError` where the address cannot be had, or would be open to everybody.
    """
    require_key(host, key)
    folder = runs_folder(runs_dir)
    with listen(host, port) as listener:
        models = load_models(runs, folder, slots=slots, queue=queue, note=note)
        Server(
            models,
            listener,
            key=key,
            hosts=frozenset(name.lower() for name in (host, *hosts)),
            runs_dir=folder,
            limits=limits or Limits(),
            ready=ready,
        ).run()


@contextmanager
def page_beside(runs_dir: Path | None = None) -> Iterator[str]:
    """Within, a thread serves the page about the runs of a folder, to this machine only.

    Yields the address, whose port is any that is free.
    """
    with listen("127.0.0.1", 0) as listener:
        server = Server(
            Models(()), listener, runs_dir=runs_folder(runs_dir), limits=Limits(leave_seconds=0.1)
        )
        thread = threading.Thread(target=server.run, name="bardling page", daemon=True)
        thread.start()
        try:
            yield server.url
        finally:
            server.stop()
            thread.join(PATIENCE_SECONDS)


def require_key(host: str, key: str | None) -> None:
    """Refuse to be open to other machines without a key, and a key that can be guessed."""
    if key is None:
        if not all(map(_is_loopback, _addresses(host))):
            raise UsageError(
                f"{host} can be reached by other machines, so a key is needed: put one into "
                "BARDLING_KEY, or into a file for --key-file"
            )
    elif len(key) < LEAST_KEY or not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(f"a key has {LEAST_KEY} characters at least, of ASCII, without spaces")


def _addresses(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(
            host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:
        raise UsageError(f"'{host}' is no address of this machine: {error}") from error
    return [str(one[4][0]) for one in found]


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address; port 0 is any that is free."""
    address = _addresses(host)[0]
    if not 0 <= port < 2**16:
        raise UsageError(f"{port} is no port; there are 0 to {2**16 - 1}")
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"cannot listen at {address}, port {port}: {error.strerror}; choose another --port"
        ) from error
    return listener


def load_models(
    runs: Sequence[str | Path], folder: Path, *, slots: int, queue: int, note: Note
) -> Models:
    """Return runs with an engine each, by the names under which they were asked for."""
    found: dict[str, Run] = {}
    for word in map(str, runs):
        path, checkpoint = split_step(word)
        run = load(find_run(path, folder).path, checkpoint or "best", note=note)
        name = run.folder.name + (f"@{checkpoint}" if checkpoint else "")
        if name in found:
            raise UsageError(f"two runs are called {name}; serve one of them, or rename a folder")
        found[name] = run
    return Models(  # engines have threads, so they begin when all else has gone well
        Served(name=name, run=run, engine=Engine(run, slots=slots, queue=queue))
        for name, run in found.items()
    )


def split_step(word: str) -> tuple[str, str]:
    """Return a run's name or path, and the checkpoint that is named behind an `@`, if one is."""
    path, _, checkpoint = word.rpartition("@")
    if path and (checkpoint.isdigit() or checkpoint in ("best", "last")):
        return path, checkpoint
    return word, ""
