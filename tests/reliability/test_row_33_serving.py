"""Nothing piles up in a server: no memory, no open files, no threads, no time.

Requests that are good, bad and given up come to a process of its own, which is looked at between
rounds that are all alike. `make soak` goes on for SOAK_MINUTES.
"""

import os
import random
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from promises import Protection

from servers import Place, percentile, resident_bytes, served, trained_run, wait_for

CLIENTS, ROUND = 4, 200
WARM_ROUNDS = 3
MOST_BYTES_A_REQUEST = 2**20 / 1000
MOST_HANDLES, MOST_DRIFT = 2, 0.10
SPARE_BYTES = 4 * 2**20
"""By which a process may grow and shrink between two looks, whatever it does."""

PROTECTIONS = (
    Protection(
        file="serving/connections.py",
        line="        super().connection_lost(exc)\n",
        broken="        self.kept = globals().setdefault('KEPT', []).append((self, [0] * 9000))\n"
        "        super().connection_lost(exc)\n",
        test="test_a_server_holds_no_more_at_its_end_than_after_its_warm_up[3]",
    ),
    Protection(
        file="serving/engine.py",
        line="            self._free.append(writing.slot)\n",
        broken="            self._free += [writing.slot] * (reason != 'cancelled')\n",
        test="test_a_server_holds_no_more_at_its_end_than_after_its_warm_up[3]",
    ),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("runs")
    trained_run(folder)
    with served("demo", "--runs-dir", folder, "--slots", CLIENTS) as found:
        yield found


def once(place: Place, chance: random.Random) -> tuple[float, bool]:
    """Do what clients do; return how long a good request took (0 for another), and if all is well.

    What comes back has to be what was asked for.
    """
    kind = chance.random()
    wishes = {"prompt": "one", "max_tokens": 20, "seed": chance.randrange(9)}
    began = time.monotonic()
    if kind < 0.5:
        answer = place.complete(**wishes)
        return time.monotonic() - began, answer.status == 200
    if kind < 0.7:
        with place.streaming(**wishes, logprobs=2) as stream:
            return 0.0, len([*stream]) > 0
    if kind < 0.85:
        with place.streaming(**{**wishes, "max_tokens": 16_000}) as stream:
            next(iter(stream))
        return 0.0, True
    path, body, status = chance.choice(
        (
            ("/v1/completions", {"prompt": 3}, 400),
            ("/v1/completions", b"[" * 99, 400),
            ("/v1/completions", {"model": chance.randbytes(8).hex()}, 404),
            (f"/{chance.randbytes(8).hex()}", {}, 405),
            ("/play/next", {"prompt": "one"}, 200),
        )
    )
    return 0.0, place.ask("POST", path, body).status == status


def look(place: Place) -> dict[str, int]:
    """Return what the process has, once it is at rest."""
    assert place.process is not None
    pid = place.process.pid
    wait_for(lambda: place.metric("bardling_engine_running") == 0, 10)
    return {
        "memory": resident_bytes(pid),
        "files": len([*Path(f"/proc/{pid}/fd").iterdir()]),
        "threads": len([*Path(f"/proc/{pid}/task").iterdir()]),
    }


def rounds(count: int | None) -> Iterator[int]:
    """Count to a number, or as long as SOAK_MINUTES last."""
    ends = time.monotonic() + 60 * float(os.environ.get("SOAK_MINUTES", "1"))
    number = 0
    while number < count if count is not None else time.monotonic() < ends:
        yield number
        number += 1


@pytest.mark.skipif(sys.platform != "linux", reason="a process is looked at by Linux's /proc")
@pytest.mark.parametrize("count", [3, pytest.param(None, marks=pytest.mark.sweep, id="soak")])
def test_a_server_holds_no_more_at_its_end_than_after_its_warm_up(place, count, record_property):
    chance = random.Random(0)
    looks, times, good = [], [], 0
    with ThreadPoolExecutor(CLIENTS) as pool:

        def work() -> list[float]:
            seeds = [random.Random(chance.random()) for _ in range(ROUND)]
            done = [*pool.map(lambda seed: once(place, seed), seeds)]
            assert all(well for _, well in done)
            return [seconds for seconds, _ in done if seconds]

        for _ in range(WARM_ROUNDS):
            work()
        looks.append(look(place))
        for _ in rounds(count):
            times.append(work())
            looks.append(look(place))
            good += ROUND
    first, *later = looks
    half = len(later) // 2 + 1
    grown = later[-1]["memory"] - first["memory"]
    assert grown <= SPARE_BYTES + good * MOST_BYTES_A_REQUEST
    for what in ("files", "threads"):
        assert all(abs(one[what] - first[what]) <= MOST_HANDLES for one in later), (what, looks)
    early, late = (
        percentile([seconds for some in part for seconds in some], 0.95)
        for part in (times[:half], times[half - 1 :])
    )
    if count is None:
        assert late < early * (1 + MOST_DRIFT) + 0.005
    assert place.metric("bardling_engine_waiting") == 0
    record_property(
        "measured",
        f"{good} requests after a warm-up: memory {grown / 2**20:+.1f} MiB, open files "
        f"{later[-1]['files'] - first['files']:+}, threads "
        f"{later[-1]['threads'] - first['threads']:+}; 95 % of good ones within "
        f"{early * 1e3:.0f} ms at first and {late * 1e3:.0f} ms at last",
    )
