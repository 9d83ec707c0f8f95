"""Processes that work for this one: they leave Ctrl-C to it, and end when it does. No torch."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from threading import Thread
from typing import Any

from bardling.errors import UsageError


@contextmanager
def workers(
    processes: int, begin: Callable[..., None] | None = None, *arguments: Any
) -> Iterator[ProcessPoolExecutor]:
    """Give processes to hand work to; each calls `begin(*arguments)` first.

    They are started anew, not forked, so a script has to guard its own start with
    `if __name__ == "__main__"`, as always in Python. Raises `UsageError` where one was killed.
    """
    try:
        with ProcessPoolExecutor(
            processes,
            mp_context=get_context("spawn"),
            initializer=_begin,
            initargs=(begin, *arguments),
        ) as pool:
            yield pool
    except BrokenProcessPool as error:
        raise UsageError(
            f"one of {processes} processes was killed, perhaps for want of memory: take fewer "
            "--processes"
        ) from error


def _begin(begin: Callable[..., None] | None, *arguments: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    if begin is not None:
        begin(*arguments)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
