"""Comparisons that the seeds make in words, as figures: batches, gradients, precision, heads.

    python benchmarks/seeds.py

Each pair takes turns in one run, at the size of seed 001's scaled model.
"""

import json
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from measured_on import describe_machine

from bardling.benchmarking.timing import Spread, by_turns, ratio
from bardling.benchmarking.training import stepper, tokens_per_second
from bardling.config import RunConfig
from bardling.kernels.choice import obstacle
from bardling.machine.config import MachineConfig
from bardling.machine.machine import choose_machine
from bardling.machine.memory import keep_freed_memory
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from bardling.presets.table import find_preset
from bardling.training.optimizer_config import AdamW


def say(what: str, first: str, second: str, found: dict[str, list[float]], unit: str) -> None:
    """Print one comparison."""
    share = ratio(found[first], found[second])
    print(
        json.dumps(
            {
                "what": what,
                **{name: f"{Spread.of(rates).median:,.4g} {unit}" for name, rates in found.items()},
                "ratio": [round(x, 2) for x in (share.median, share.lowest, share.highest)],
            }
        ),
        flush=True,
    )


def rate(work: Callable[[], object], amount: float, times: int = 10) -> Callable[[], float]:
    """Return what measures how much of something gets done in a second."""

    def measure() -> float:
        began = time.perf_counter()
        for _ in range(times):
            work()
        return times * amount / (time.perf_counter() - began)

    return measure


def kept_bytes(work: Callable[[], torch.Tensor]) -> int:
    """Return the bytes of the tensors that autograd keeps for the way back."""
    seen: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        work()
    return sum(seen.values())


def main() -> None:
    """Compare."""
    keep_freed_memory()  # as every run does
    print(json.dumps(describe_machine()))
    base = find_preset("seed-001").config
    config = replace(base, optimizer=AdamW(), model=replace(base.model, dropout=0.0))
    model = GPT(config.model)
    ids = torch.zeros(5, config.model.block_size, dtype=torch.int64)
    five = ids.numel()

    @torch.no_grad()
    def together() -> None:
        model(ids)

    @torch.no_grad()
    def one_by_one() -> None:
        for row in ids:
            model(row[None])

    works = {"batch of 5": rate(together, five), "loop of 5": rate(one_by_one, five)}
    say("seed 003: a batch against a loop", "batch of 5", "loop of 5", by_turns(works), "tokens/s")
    works = {"no_grad": rate(together, five), "with gradient": rate(lambda: model(ids), five)}
    found = by_turns(works)
    say("seed 003: no_grad against not", "no_grad", "with gradient", found, "tokens/s")
    kept = round(kept_bytes(lambda: model(ids)) / 2**20, 1)
    print(json.dumps({"what": "kept for the way back, MiB", "no_grad": 0, "with gradient": kept}))
    tokens = config.training.batch_size * config.model.block_size
    steps = {
        precision: tokens_per_second(step_of(config, precision=precision), tokens, 1.5)
        for precision in ("bf16", "fp32")
    }
    say("mixed precision against float32", "bf16", "fp32", by_turns(steps), "tokens/s")
    heads = {
        f"{n} heads": tokens_per_second(step_of(config, n_head=n), tokens, 1.5)
        for n in (1, 2, 6, 12)
    }
    say("heads against time", "12 heads", "1 heads", by_turns(heads), "tokens/s")


def step_of(config: RunConfig, *, precision: str = "bf16", **switches: int) -> Callable[[], object]:
    """Return the training step of a config with a few changes."""
    model: ModelConfig = replace(config.model, **switches)
    wishes = MachineConfig(precision=precision)
    machine = choose_machine(wishes, train_seconds=0.0, obstacle=lambda: obstacle(model))
    return stepper(replace(config, model=model), machine)


if __name__ == "__main__":
    main()
