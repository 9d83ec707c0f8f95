"""How much one client may ask for, and how long it may take: every range has an end."""

from dataclasses import dataclass

from bardling.errors import UsageError

MOST_TOKENS = 16_384
"""New tokens of one text."""
MOST_STOPS, LONGEST_STOP = 16, 256
MOST_LIKELY = 20
"""Tokens that are told of in one place, besides the one that was taken."""
MOST_MESSAGES = 512
MOST_FIGURES = 200_000
"""Tokens of all texts of a request, each counted once more for every likely one beside it: they
wait in memory where a client reads slowly, and are written as JSON in one go."""
MOST_KEYS, DEEPEST = 10_000, 32
"""Of a JSON body: its fields altogether, and brackets in brackets."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a server bears; the defaults are for one machine and people who know each other."""

    texts: int = 64
    """Of one request: prompts times `n`."""
    body_bytes: int = 2**20
    body_seconds: float = 10.0
    """In which a body has to come."""
    head_seconds: float = 10.0
    """In which a request's head has to come, the first of a connection and every later one."""
    stall_seconds: float = 20.0
    """After which a connection is cut whose client does not read what waits for it."""
    answer_seconds: float = 1800.0
    """In which an answer has to be written, its time in the queue included."""
    leave_seconds: float = 8.0
    """That open answers have when the server is told to go."""
    connections: int = 1024

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value < 2**40:
                raise UsageError(f"{name} is {value}; it must be above 0")
