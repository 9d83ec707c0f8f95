"""What the kernel takes for one token of a text: alone, in company, and in company by two hands.

    python benchmarks/slots.py > results/slots.txt

A model of the demo's shape; one thread for each hand. Microseconds for each text, the median and
the lowest and highest of the rounds, by the place that the texts have come to.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from measured_on import describe_machine

import bardling
from bardling.kernels.decoder import Decoder, open_decoder
from bardling.model.cache import KVCache

TEXTS, ROUNDS, TURNS = 32, 5, 100
PLACES = (8, 100, 250)


def seconds(decoder: Decoder, cache: KVCache, slots: Sequence[int], place: int) -> float:
    """Return what a turn takes that reads a token of each of some texts."""
    torch.set_num_threads(1)
    tokens = torch.arange(len(slots))[:, None]
    where = torch.tensor(slots), torch.full((len(slots),), place)
    began = time.perf_counter()
    with torch.no_grad():
        for _ in range(TURNS):
            decoder.read_slots(tokens, cache, *where)
    return (time.perf_counter() - began) / TURNS


def main() -> None:
    """Make a model, measure, print."""
    print(json.dumps({"what": "machine", **describe_machine()}), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        run = bardling.train(
            "stories", name="shape", runs_dir=folder, max_tokens=300_000, budget="2steps",
            batch_size=2, quick_checks=False, sample_tokens=0,
        )  # fmt: skip
    decoder = open_decoder(run.model, panels=True)
    decoders = decoder, decoder.beside()
    cache = KVCache(run.model.config, TEXTS, like=run.model.embedding.weight)
    halves = range(TEXTS // 2), range(TEXTS // 2, TEXTS)
    found: dict[tuple[int, str], list[float]] = {}
    with ThreadPoolExecutor(2) as hands:
        for place in PLACES * ROUNDS:
            for count in (1, 8, 16, TEXTS):
                taken = seconds(decoder, cache, range(count), place) / count
                found.setdefault((place, f"{count} by one hand"), []).append(taken)
            both = hands.map(seconds, decoders, (cache, cache), halves, (place, place))
            found.setdefault((place, f"{TEXTS} by two hands"), []).append(max(both) / TEXTS)
    for (place, how), taken in found.items():
        figures = [round(1e6 * f(taken), 1) for f in (statistics.median, min, max)]
        print(json.dumps({"place": place, "texts": how, "microseconds_each": figures}), flush=True)


if __name__ == "__main__":
    main()
