"""Work that a thread does beside the training: one piece at a time, and none of it unheard.

The thread only waits for the disk and hashes, both of which leave the interpreter to others. It
ends with the process, whatever it is at: what it does has to bear being cut off.
"""

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from bardling.machine.stop import StopRequest

YIELDING = 10  # steps of Linux' niceness by which it lets those who compute go first


class Beside:
    """A place for one piece of work beside the caller's own.

    As a context it waits for the work at the end, but not where someone insists on leaving, and
    the process with it.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def begin(self, work: Callable[[], None]) -> None:
        """Let some work be done, once what was begun before has ended."""
        self.settle()
        self._thread = threading.Thread(target=self._do, args=(work,), daemon=True)
        self._thread.start()

    def settle(self) -> None:
        """Wait for what was begun; raise what it has raised."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def look(self) -> None:
        """Raise what has been raised so far; wait for nothing."""
        if self._thread is not None and not self._thread.is_alive():
            self.settle()

    def __enter__(self) -> "Beside":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.settle()
        elif self._thread is not None and not (
            StopRequest.owns_process and not issubclass(kind, Exception)
        ):
            self._thread.join()  # the first error is the one to tell

    def _do(self, work: Callable[[], None]) -> None:
        try:
            _let_others_go_first()
            work()
        except BaseException as raised:
            self._error = raised


def _let_others_go_first() -> None:
    """Be nicer than the process, where a thread can be that by itself; nobody minds if not."""
    if sys.platform == "linux":
        nicer = min(19, os.getpriority(os.PRIO_PROCESS, 0) + YIELDING)
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nicer)
