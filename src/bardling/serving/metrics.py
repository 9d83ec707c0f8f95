"""Counts of what the server did, in the text format that Prometheus reads.

Every label is one of a few words that are known beforehand, so no client can make the page grow.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping

from bardling import __version__
from bardling.serving.models import Models

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds between which times are counted."""
AREAS = ("/v1/completions", "/v1/chat/completions", "/v1/models", "/play", "/health", "/metrics")
GAUGES = ("slots", "running", "waiting")


class Histogram:
    """How many times fell between the bounds."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self._sum += seconds

    def lines(self, name: str, about: str) -> Iterator[str]:
        """Yield its lines; each bucket counts all that took so long at most."""
        yield from _head(name, "histogram", about)
        total = 0
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), self._counts, strict=True):
            total += count
            yield f'{name}_bucket{{le="{bound}"}} {total}'
        yield f"{name}_sum {self._sum}"
        yield f"{name}_count {total}"


class Metrics:
    """What is counted between the start and now; only the event loop's thread touches it."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, int]] = Counter()
        self.seconds, self.first_token = Histogram(), Histogram()
        self.disconnects = 0

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count a request that is over."""
        area = next((area for area in AREAS if path == area or path.startswith(f"{area}/")), "")
        self._requests[area or "other", status] += 1
        self.seconds.observe(seconds)

    def page(self, models: Models) -> str:
        """Return all of it, and what the engines count themselves."""
        return "\n".join([*self._lines(models), ""])

    def _lines(self, models: Models) -> Iterator[str]:
        yield from _head("bardling_info", "gauge", "The version that runs.")
        yield f'bardling_info{{version="{__version__}"}} 1'
        yield from _head("bardling_requests_total", "counter", "Requests that are over.")
        for (area, status), count in sorted(self._requests.items()):
            yield f'bardling_requests_total{{path="{area}",status="{status}"}} {count}'
        yield from _head("bardling_disconnects_total", "counter", "Clients that left early.")
        yield f"bardling_disconnects_total {self.disconnects}"
        yield from self.seconds.lines("bardling_request_seconds", "From head to last byte.")
        yield from self.first_token.lines("bardling_first_token_seconds", "Until text begins.")
        yield from _engines({one.name: one.engine.counters for one in models})


def _engines(counters: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """Yield the lines of what every model's engine counts."""
    names = dict.fromkeys(name for one in counters.values() for name in one)
    for name in names:
        kind = "gauge" if name in GAUGES else "counter"
        full = f"bardling_engine_{name}" + ("" if kind == "gauge" else "_total")
        yield from _head(full, kind, f"The engine's {name.replace('_', ' ')}.")
        for model, one in counters.items():
            if name in one:
                yield f'{full}{{model="{_quoted(model)}"}} {one[name]}'


def _quoted(text: str) -> str:
    """Return a label's value as the format has it."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _head(name: str, kind: str, about: str) -> Iterator[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"
