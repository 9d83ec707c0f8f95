"""The models that are served, by the names under which clients know them."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bardling.errors import UsageError
from bardling.fields import show
from bardling.serving.engine import Engine
from bardling.trained import Run


@dataclass(frozen=True, kw_only=True)
class Served:
    """A run's model and the engine that writes with it."""

    name: str
    """The run's, and for another checkpoint than the one served first, `run@step`."""
    run: Run
    engine: Engine
    since: int = field(default_factory=lambda: int(time.time()))
    """Unix time in seconds."""


class Models:
    """What is served; the first is taken where none is named."""

    def __init__(self, served: Iterable[Served]) -> None:
        self._served = {one.name: one for one in served}

    def __iter__(self) -> Iterator[Served]:
        return iter(self._served.values())

    def get(self, name: str | None = None) -> Served:
        """Return a served model; raises `UsageError` for a name that none has."""
        if name is None:
            if not self._served:
                raise UsageError("no model is served here: begin with bardling serve RUN")
            return next(iter(self))
        if name not in self._served:
            known = ", ".join(self._served)
            raise UsageError(f"no model {show(name)} is served here: {known}")
        return self._served[name]

    def close(self, *, seconds: float) -> None:
        """Let every engine finish what it writes, for so long at most, and stop."""
        for wait in (False, True):
            for one in self:
                one.engine.close(seconds=seconds, wait=wait)
