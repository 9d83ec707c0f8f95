"""A polite stop: the first signal asks, the second insists.

Inside `StopRequest()` the first SIGINT or SIGTERM raises a flag, which the run reads between
steps, so that it can save. Where nothing would be lost (`with stop.at_once()`: compiling,
evaluating) it raises `Leave` on the spot instead. After the first signal they mean again what
they meant before: a second one ends the process at once.

In a team nobody may leave alone, so there the flag is all that a first signal raises. The same
stop often comes twice: from the terminal, and from whoever started the processes. What comes
within a few seconds is taken for one.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
ECHO_SECONDS = 3.0  # in which a team's signals are one


def _heeded() -> list[signal.Signals]:
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


class Leave(BaseException):
    """A stop was asked for where there is nothing to finish.

    Not an `Exception`: compilers and cleaners on the way catch those, and this is no error.
    """


class Terminated(KeyboardInterrupt):
    """SIGTERM where nobody asked for the polite form: unwinds as Ctrl-C does."""


@contextmanager
def terminable() -> Iterator[None]:
    """Within, SIGTERM raises `Terminated`, so that cleaning up happens after it too.

    What importing a large package swallows (some catch everything) is not lost: a `StopRequest`
    that is entered later has been asked already.
    """

    def unwind(number: int, frame: FrameType | None) -> None:
        StopRequest.heard_before = number
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, unwind) for number in _heeded()}
    StopRequest.owns_process = True
    try:
        yield
    finally:
        StopRequest.owns_process = False
        StopRequest.heard_before = 0
        for number, handler in before.items():
            signal.signal(number, handler)


class StopRequest:
    """A context that remembers the first stop signal in `signal_number` (0 while there is none).

    With `others`, who would wait for this process, it never leaves by itself. Python delivers
    signals to the main thread only; in any other thread nothing is installed.
    """

    heard_before = 0
    """A signal that came before any `StopRequest` was entered, and that nothing has heeded."""
    owns_process = False
    """Whether the process is the command line's, and not a notebook of the user's."""

    def __init__(self, *, others: bool = False) -> None:
        self.signal_number = 0
        self._others, self._asked_at = others, 0.0
        self._eager, self._farewell = False, ""
        self._before: dict[signal.Signals, Any] = {}

    def __bool__(self) -> bool:
        return self.signal_number != 0

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            self.signal_number = StopRequest.heard_before
            self._before = {number: signal.signal(number, self._ask) for number in _heeded()}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    @contextmanager
    def at_once(self, farewell: str = "") -> Iterator[None]:
        """Within, a stop signal raises `Leave` where it arrives, and so does one from before.

        With a `farewell`, the command line says that instead and ends on the spot: an exception
        out of the midst of torch's compiler can make it abort the process.
        """
        self._eager, self._farewell = not self._others, farewell
        try:
            if self and not self._others:
                raise Leave
            yield
        finally:
            self._eager = False

    def finish(self) -> None:
        """From here to the end of an `at_once`, a signal waits: something must not be torn."""
        self._eager = False

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._others:
            self._ask_in_company(number)
            return
        self.signal_number = number
        self._restore()
        if self._eager:
            self._eager = False
            if self._farewell and StopRequest.owns_process:
                os.write(2, f"bardling: {self._farewell}\n".encode())
                os._exit(128 + number)
            raise Leave

    def _ask_in_company(self, number: int) -> None:
        now = time.monotonic()
        if self and now - self._asked_at > ECHO_SECONDS:
            self._restore()
            os.kill(os.getpid(), number)
        elif not self:
            self.signal_number, self._asked_at = number, now

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
