"""`--watch`: beside a run the page of `bardling serve`, opened at that run."""

import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import bardling
from bardling.extras import optional
from bardling.reporting.screen import Screen


@contextmanager
def watching(runs_dir: Path | None, *, wanted: bool) -> Iterator[Callable[[str], None]]:
    """Within, the page is served if it is wanted; yields what opens it, given a run's name."""
    if not wanted:
        yield lambda name: None
        return
    for library in ("fastapi", "uvicorn"):
        optional(library, "serve", "--watch")
    with bardling.page_beside(runs_dir) as url:

        def named(name: str) -> None:
            page = f"{url}/#training?run={quote(name)}"
            Screen().print(f"  watch  {page}", soft_wrap=True)
            show_in_browser(page)

        yield named


def show_in_browser(address: str) -> None:
    """Open a page; a browser in the terminal, which Python falls back to, is not waited for."""
    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
