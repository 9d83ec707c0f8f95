"""`bardling serve [RUN ...]`: models behind an address, for any OpenAI client and for a browser."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import tyro

import bardling
from bardling import storage
from bardling.cli.options import File, Folder, parse
from bardling.cli.watching import show_in_browser
from bardling.errors import UsageError
from bardling.extras import optional
from bardling.reporting.screen import Screen, complain

KEY_BYTES = 4096


@dataclass(frozen=True, kw_only=True)
class ServeArguments:
    """Serve trained models: an API as OpenAI's clients know it, and a page to look at them.

    Without RUN there is the page alone, about all runs. Ctrl-C ends it.
    """

    runs: tyro.conf.Positional[tuple[str, ...]] = ()
    """Runs by name or path; RUN@STEP is another checkpoint than the best."""
    host: str = "127.0.0.1"
    """The address to listen at. Any that other machines can reach needs a key."""
    port: int = 8000
    """The port to listen at; 0 takes any that is free."""
    key_file: File = None
    """A file with the key that clients have to send; else the variable BARDLING_KEY has it."""
    allow_host: tuple[str, ...] = ()
    """Further names by which clients may call this machine."""
    slots: int = 16
    """Texts of a model that are written at a time."""
    queue: int = 64
    """Texts that may wait; whoever comes then is refused, and told to come again."""
    open: bool = False
    """Show the page in the browser."""
    runs_dir: Folder = None
    """Where runs are looked for by name: else BARDLING_RUNS, else ./runs."""


def run(argv: Sequence[str]) -> int:
    """Parse the options, and serve until told to go."""
    arguments = parse(ServeArguments, argv, prog="bardling serve")
    if not (1 <= arguments.slots <= 1024 and 0 <= arguments.queue <= 2**16):
        raise UsageError("there are 1 to 1,024 slots, and a queue of 0 to 65,536")
    for library in ("fastapi", "uvicorn"):
        optional(library, "serve", "bardling serve")
    screen = Screen()

    def ready(url: str) -> None:
        names = ", ".join(arguments.runs) or "no run: the page alone"
        screen.print(f"serving {names}\n  page  {url}\n  API   {url}/v1\nCtrl-C ends it")
        if arguments.open:
            show_in_browser(url)

    bardling.serve(
        arguments.runs,
        host=arguments.host,
        port=arguments.port,
        key=_key(arguments),
        hosts=arguments.allow_host,
        slots=arguments.slots,
        queue=arguments.queue,
        runs_dir=arguments.runs_dir,
        note=complain,
        ready=ready,
    )
    return 0


def _key(arguments: ServeArguments) -> str | None:
    """Return the key of the file, or of the environment, if either is there."""
    if arguments.key_file is None:
        return os.environ.get("BARDLING_KEY")
    data = storage.read_bytes(arguments.key_file, limit_bytes=KEY_BYTES)
    return data.decode("latin-1").strip()
