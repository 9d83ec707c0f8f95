"""Many texts at once, by one model on a thread of its own.

Continuous batching (Yu et al., "Orca", OSDI 2022): texts join and leave between tokens. In each
turn every text that is being written gets its next token by one call, or two at the same time where
they are many, and one text that has more to read gets a piece of it read, so that a long prompt
does not make the others wait.
"""

import logging
import threading
import time
from collections import deque

import torch

from bardling.errors import GenerationError
from bardling.generation.decode import finite
from bardling.serving.asking import Ask, Closing, Overloaded, Reason, Tell
from bardling.serving.hands import Hands
from bardling.serving.slots import Part, Slots, open_slots
from bardling.serving.writing import Writing, choose
from bardling.trained import Run

LOG = logging.getLogger("bardling.serving")
FAILED = "the model failed; the server's own log says why"
GOING_DOWN = "the server is going down"
TELL_SECONDS = 0.003
"""So long, for each text that is being written, nothing more is told after something was: whoever
sends it has work with every piece, which takes time from the model."""


class Ticket:
    """A text that is waiting or being written."""

    def __init__(self, engine: "Engine", writing: Writing) -> None:
        self._engine, self._writing = engine, writing

    def cancel(self) -> None:
        """Give it up: no token more is computed for it, and its slot is free. From any thread."""
        self._engine.cancel(self._writing)


class Engine:
    """Writes up to `slots` texts at a time, and lets `queue` more wait.

    A text is the same alone and in company, to the last bit on a processor.
    """

    def __init__(self, run: Run, *, slots: int = 16, queue: int = 64) -> None:
        self._tokenizer, config = run.tokenizer, run.model.config
        self._block_size, self._vocab_size = config.block_size, config.vocab_size
        self._slots: Slots = open_slots(run.model, slots, run.weights)
        self._free = list(range(slots))[::-1]
        self._n_slots, self._most_waiting = slots, queue
        self._waiting: deque[Writing] = deque()
        self._running: list[Writing] = []
        self._lock = threading.Condition()
        self._closing, self._deadline = False, float("inf")
        self._count = {"requests": 0, "tokens_read": 0, "tokens_written": 0}
        self._hands = Hands(two=self._slots.hands > 1)
        self._thread = threading.Thread(target=self._work, name="bardling engine", daemon=True)
        self._thread.start()

    def submit(self, ask: Ask, tell: Tell) -> Ticket:
        """Begin a text, or let it wait. From any thread; returns at once.

        Raises `Overloaded` where no more may wait, `Closing` after `close`, and `GenerationError`
        for ids that the model does not have, or more than its context holds.
        """
        if not 1 <= len(ask.ids) <= self._block_size:
            raise GenerationError(
                f"a prompt has 1 to {self._block_size:,} tokens here, not {len(ask.ids):,}"
            )
        if not 0 <= min(ask.ids) <= max(ask.ids) < self._vocab_size:
            raise GenerationError(f"the model's ids are 0 to {self._vocab_size - 1:,}")
        writing = Writing(ask, tell, self._tokenizer)
        with self._lock:
            if self._closing:
                raise Closing(GOING_DOWN)
            self.require_room()
            self._count["requests"] += 1
            self._waiting.append(writing)
            self._lock.notify()
        return Ticket(self, writing)

    def cancel(self, writing: Writing) -> None:
        """Give a text up, at the latest before the next token; one that waits leaves at once."""
        with self._lock:
            writing.cancelled = True
            waited = writing in self._waiting
            if waited:
                self._waiting.remove(writing)
        if waited:
            writing.end("cancelled")

    @property
    def most(self) -> int:
        """As many texts as can be written and wait at once."""
        return self._n_slots + self._most_waiting

    def require_room(self) -> None:
        """Raise `Overloaded` where nobody more may wait now."""
        if len(self._waiting) >= self._most_waiting + len(self._free):
            raise Overloaded(
                f"{len(self._running)} texts are being written and {len(self._waiting)} wait; "
                "ask again in a moment"
            )

    @property
    def counters(self) -> dict[str, int]:
        """Return slots, running and waiting, and since the start requests and tokens."""
        with self._lock:
            running, free = len(self._running), len(self._free)
            return {"slots": running + free, "running": running, "waiting": len(self._waiting),
                    **self._count}  # fmt: skip

    def close(self, *, seconds: float = 0.0, wait: bool = True) -> None:
        """Begin nothing new; end what is left after so many seconds, and then the thread."""
        with self._lock:
            if not self._closing:
                self._closing, self._deadline = True, time.monotonic() + seconds
            self._lock.notify()
        if wait:
            self._thread.join()

    def _work(self) -> None:
        """Take texts in, let the model read, tell; until closed."""
        while self._take_in():
            try:
                with torch.no_grad():
                    self._turn()
            except Exception:  # whatever it is, it must not end the service of who comes next
                LOG.exception("a turn of the engine failed")
                self._give_up_all("error", FAILED)
        self._give_up_all("error", GOING_DOWN)
        self._hands.close()

    def _take_in(self) -> bool:
        """Give free slots to those who wait; return whether there is, or may be, work."""
        with self._lock:
            while not (self._waiting or self._running or self._closing):
                self._lock.wait()
            refused = list(self._waiting) if self._closing else []
            if self._closing:
                self._waiting.clear()
            while self._waiting and self._free:
                writing = self._waiting.popleft()
                writing.slot = self._free.pop()
                self._running.append(writing)
            late = time.monotonic() >= self._deadline
            going_on = bool(self._running) and not late
        for writing in refused:
            writing.end("error", GOING_DOWN)
        return going_on or not self._closing

    def _turn(self) -> None:
        """Read one token of each text that is being written, and a piece of one that is read."""
        for writing in [one for one in self._running if one.cancelled]:
            self._leave(writing, "cancelled")
        ahead = [(one, one.part(self._block_size, self._slots.chunk)) for one in self._running]
        single = [(one, part) for one, part in ahead if len(part.unread) == 1]
        longer = [(one, part) for one, part in ahead if len(part.unread) > 1]
        ready = self._read(single + longer[:1])
        tokens = self._hands.share(choose, ready, [1] * len(ready))
        for (writing, logits), token in zip(ready, tokens, strict=True):
            self._write(writing, token, logits)
        pause = TELL_SECONDS * len(self._running)
        for writing in self._running:
            writing.tell(pause)

    def _read(self, group: list[tuple[Writing, Part]]) -> list[tuple[Writing, torch.Tensor]]:
        """Let the model read parts; return the texts that get a token now, with their logits."""
        ready = []
        parts = [part for _, part in group]
        found = self._hands.share(self._slots.read, parts, [len(part.unread) for part in parts])
        for (writing, part), logits in zip(group, found, strict=True):
            self._count["tokens_read"] += len(part.unread)
            if not writing.has_read(part, logits):
                continue
            if not writing.ask.max_new_tokens:
                self._leave(writing, "length")
            else:
                ready.append((writing, logits[-1]))
        return self._finite(ready)

    def _finite(
        self, ready: list[tuple[Writing, torch.Tensor]]
    ) -> list[tuple[Writing, torch.Tensor]]:
        """Return those whose logits are numbers; the others end here."""
        if not ready or torch.stack([logits for _, logits in ready]).sum().isfinite():
            return ready  # as it nearly always is
        sound = []
        for writing, logits in ready:
            try:
                finite(logits[None])
                sound.append((writing, logits))
            except GenerationError as error:
                self._leave(writing, "error", str(error))
        return sound

    def _write(self, writing: Writing, token: int, logits: torch.Tensor) -> None:
        self._count["tokens_written"] += 1
        try:
            reason = writing.write(token, logits)
        except Exception:  # of this text alone
            LOG.exception("a text could not be gone on with")
            self._leave(writing, "error", FAILED)
            return
        if reason is not None:
            self._leave(writing, reason)

    def _leave(self, writing: Writing, reason: Reason, error: str = "") -> None:
        """End a text and free its slot."""
        with self._lock:
            self._running.remove(writing)
            self._free.append(writing.slot)
        writing.end(reason, error)

    def _give_up_all(self, reason: Reason, error: str) -> None:
        for writing in list(self._running):
            self._leave(writing, reason, error)
