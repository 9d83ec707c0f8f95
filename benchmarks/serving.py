"""What serving adds to writing: the first token, streams, many at once, too many.

    python benchmarks/serving.py [RUN] [--rounds 3] [--tokens 400]
    python benchmarks/serving.py --shape 10M --tokens 250

The server is `bardling serve` in a process of its own, the clients are in this one, on the same
cores. Beside them stands the engine alone, in this process, writing the same texts; the sides take
turns, and what is compared is the ratio of a round. Without RUN a model is made, of the demo's
shape or of 10 million parameters as is usual for Shakespeare, which has taken two steps: what it
writes is as much work as what a good one writes.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measured_on import describe_machine
from turns import peers_environment

import bardling
from bardling.benchmarking.timing import Spread, ratio
from bardling.generation.sampling import Sample
from bardling.serving.asking import Ask, End, Event
from bardling.serving.engine import Engine

SHAPES: dict[str, tuple[str, dict[str, int]]] = {
    "demo": ("stories", {"max_tokens": 300_000}),
    "10M": ("shakespeare", {"n_layer": 6, "n_head": 6, "n_embd": 384, "block_size": 256}),
}
PROMPT = "Once upon a time"
CONCURRENT, FIRST_TOKENS = 32, 40
CLIENTS, SLOTS, QUEUE = 200, 2, 8


def say(what: str, **figures: object) -> None:
    """Print one row as it is known."""
    print(json.dumps({"what": what, **figures}), flush=True)


def shown(found: Spread, digits: int = 2) -> list[float]:
    """Return median, lowest and highest, rounded."""
    return [round(x, digits) for x in (found.median, found.lowest, found.highest)]


@contextmanager
def served(run: str, slots: int, queue: int) -> Iterator[int]:
    """Serve a run while the block lasts; gives the port."""
    words = ("serve", run, "--port", "0", "--slots", str(slots), "--queue", str(queue))
    child = subprocess.Popen(
        [sys.executable, "-m", "bardling", *words],
        stdout=subprocess.PIPE, text=True, env=peers_environment(),
    )  # fmt: skip
    try:
        line = next(line for line in child.stdout if "API" in line)
        yield int(line.rpartition(":")[2].partition("/")[0])
    finally:
        child.terminate()
        child.communicate()


def request(**wishes: object) -> bytes:
    """Return a request for a stream as it goes over the wire."""
    body = json.dumps({"prompt": PROMPT, "temperature": 0.8, "stream": True, **wishes}).encode()
    head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    return (
        f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def ask(port: int, asked: bytes) -> tuple[int, float, float, bytes]:
    """Return status, seconds to the first piece of the body and to the last, and the body."""
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(asked)
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.read(2**16)
    first = time.perf_counter() - began
    pieces = [body]
    while piece := await reader.read(2**20):
        pieces.append(piece)
    writer.close()
    return int(head.split()[1]), first, time.perf_counter() - began, b"".join(pieces)


def tokens_of(body: bytes) -> int:
    """Return how many tokens a stream says that it had."""
    return int(body.rpartition(b'"completion_tokens":')[2].partition(b",")[0])


async def streams(port: int, count: int, n_tokens: int) -> float:
    """Return the tokens per second of so many streams at once, all together."""
    options = {"include_usage": True}
    asked = [
        request(max_tokens=n_tokens, seed=seed, stream_options=options) for seed in range(count)
    ]
    began = time.perf_counter()
    found = await asyncio.gather(*(ask(port, one) for one in asked))
    return sum(tokens_of(body) for *_, body in found) / (time.perf_counter() - began)


def by_engine(engine: Engine, run: bardling.Run, count: int, n_tokens: int) -> float:
    """Return the tokens per second of the engine without a server."""
    ids = tuple(run.prompt(PROMPT).ids)
    ended, tokens = threading.Semaphore(0), []

    def tell(events: list[Event]) -> None:
        if isinstance(events[-1], End):
            tokens.append(events[-1].n_new)
            ended.release()

    began = time.perf_counter()
    for seed in range(count):
        strategy = Sample(temperature=0.8)
        engine.submit(Ask(ids=ids, strategy=strategy, max_new_tokens=n_tokens, seed=seed), tell)
    for _ in range(count):
        ended.acquire()
    return sum(tokens) / (time.perf_counter() - began)


async def crowd(port: int, n_tokens: int) -> dict[str, object]:
    """Let more clients come than are served; return how long refusals and health took."""
    asked = request(max_tokens=n_tokens)
    waiting = asyncio.gather(*(ask(port, asked) for _ in range(CLIENTS)))
    health = []
    while not waiting.done():
        health.append((await ask(port, HEALTH))[1])
        await asyncio.sleep(0.01)
    told = await waiting
    refused = sorted(first for status, first, *_ in told if status == 429)
    return {
        "served": sum(status == 200 for status, *_ in told),
        "refused": len(refused),
        "refused_ms_99": round(1e3 * refused[int(0.99 * (len(refused) - 1))], 1),
        "health_ms_99": round(1e3 * sorted(health)[int(0.99 * (len(health) - 1))], 1),
    }


def measure(name: str, rounds: int, n_tokens: int) -> None:
    """Measure a run, and print."""
    run = bardling.load(name)
    engine = Engine(run, slots=CONCURRENT, queue=CONCURRENT)
    rates: dict[str, list[float]] = {}
    with served(name, CONCURRENT, CONCURRENT) as port:
        asyncio.run(streams(port, 2, 20))
        by_engine(engine, run, 2, 20)
        firsts = [asyncio.run(ask(port, request(max_tokens=1)))[1] for _ in range(FIRST_TOKENS)]
        for _ in range(rounds):
            for count in (1, CONCURRENT):
                rates.setdefault(f"served {count}", []).append(
                    asyncio.run(streams(port, count, n_tokens))
                )
                rates.setdefault(f"engine {count}", []).append(
                    by_engine(engine, run, count, n_tokens)
                )
    engine.close()
    milliseconds = [round(1e3 * x, 1) for x in (statistics.median(firsts), max(firsts))]
    say("first token, ms: median and highest", milliseconds=milliseconds)
    say("tokens per second", **{k: shown(Spread.of(v), 0) for k, v in rates.items()})
    for count in (1, CONCURRENT):
        found = ratio(rates[f"served {count}"], rates[f"engine {count}"])
        say(f"served / the engine's own, {count} at once", ratio=shown(found))
    for side in ("served", "engine"):
        found = ratio(rates[f"{side} {CONCURRENT}"], rates[f"{side} 1"])
        say(f"{side}: {CONCURRENT} at once / one", ratio=shown(found))
    with served(name, SLOTS, QUEUE) as port:
        asyncio.run(streams(port, SLOTS, 20))
        found = asyncio.run(crowd(port, 4 * n_tokens))
        say(f"{CLIENTS} clients, {SLOTS} slots, queue of {QUEUE}", **found)


def main() -> None:
    """Parse the words, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?")
    parser.add_argument("--shape", choices=SHAPES, default="demo")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=400)
    words = parser.parse_args()
    say("machine", **describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        name = words.run
        if name is None:
            corpus, sizes = SHAPES[words.shape]
            bardling.train(
                corpus, name="shape", runs_dir=folder, budget="2steps", batch_size=2,
                quick_checks=False, sample_tokens=0, **sizes,
            )  # fmt: skip
            name = str(Path(folder) / "shape")
        measure(name, words.rounds, words.tokens)


if __name__ == "__main__":
    main()
