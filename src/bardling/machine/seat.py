"""Where this process sits among those that were started together. No torch here.

`torchrun` tells each process its number by variables of the environment; a process that nobody
told anything sits alone.
"""

import os
from dataclasses import dataclass

from bardling.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Seat:
    """A process's number, and how many there are."""

    rank: int = 0
    """From 0; number 0 decides, writes and speaks for all."""
    size: int = 1
    local_rank: int = 0
    """The number among those on the same machine."""
    local_size: int = 1
    restarts: int = 0
    """How often this machine's processes were started anew, since one of all was lost."""
    same_store: bool = False
    """Whether they find what the lost ones had written: torchrun keeps one store for all times."""
    may_restart: bool = False

    @property
    def several_machines(self) -> bool:
        """Whether some of the others are elsewhere."""
        return self.size > self.local_size

    @property
    def speaks(self) -> bool:
        """Whether this is the process that speaks for all."""
        return self.rank == 0


def seat() -> Seat:
    """Return where this process sits. Raises `UsageError` where that cannot be read."""
    return Seat(
        rank=_number("RANK", 0),
        size=_number("WORLD_SIZE", 1),
        local_rank=_number("LOCAL_RANK", 0),
        local_size=_number("LOCAL_WORLD_SIZE", 1),
        restarts=_number("TORCHELASTIC_RESTART_COUNT", 0),
        same_store=os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True",
        may_restart=_number("TORCHELASTIC_MAX_RESTARTS", 0) > 0,
    )


def _number(name: str, absent: int) -> int:
    word = os.environ.get(name, "")
    if not word:
        return absent
    if not word.isdecimal():
        raise UsageError(f"{name} is '{word}' in the environment; torchrun sets it to a number")
    return int(word)
