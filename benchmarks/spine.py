"""How fast the spine is: training with and without dropout, generation with and without a cache.

    python benchmarks/spine.py [--output FILE]

Each pair is measured in alternation in one run, so the ratios hold where the absolute figures
move with the machine. Eager float32; later work on speed measures itself against these rows.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from measured_on import describe_machine

from bardling.data.batches import Windows
from bardling.generation.decode import CachedContext, RecomputedContext
from bardling.machine.machine import plain_machine
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from bardling.training.config import TrainingConfig
from bardling.training.learner import build_learner
from bardling.training.loop import training_steps
from bardling.training.objective import pretraining_loss
from bardling.training.optimizer_config import AdamW
from bardling.training.plan import Plan

SMALL = ModelConfig(vocab_size=65, block_size=64, n_layer=4, n_head=4, n_embd=128)
SCALED = ModelConfig(vocab_size=65, block_size=128, n_layer=4, n_head=6, n_embd=192)
ROUNDS = 5


def steps_per_round(config: ModelConfig, batch_size: int, n_steps: int) -> Callable[[], float]:
    """Return a function that takes `n_steps` training steps and returns tokens per second."""
    tokens = np.random.default_rng(0).integers(0, config.vocab_size, 100_000).astype(np.uint16)
    windows = Windows(tokens=tokens, block_size=config.block_size, batch_size=batch_size)
    model = GPT(config)
    learner = build_learner(model, AdamW(), plain_machine(), pretraining_loss)
    settings = TrainingConfig(batch_size=batch_size)
    steps = training_steps(learner, windows.batch, settings, Plan(total_steps=10**6))

    def run() -> float:
        began = time.perf_counter()
        for _ in range(n_steps):
            next(steps)
        return n_steps * batch_size * config.block_size / (time.perf_counter() - began)

    return run


def tokens_per_round(context: type, config: ModelConfig, n_tokens: int) -> Callable[[], float]:
    """Return a function that writes `n_tokens` greedily and returns tokens per second."""
    model = GPT(config)

    @torch.no_grad()
    def run() -> float:
        state = context(model, torch.zeros(1, 1, dtype=torch.long))
        began = time.perf_counter()
        for _ in range(n_tokens):
            state.append(state.next_logits().argmax(dim=-1))
        return n_tokens / (time.perf_counter() - began)

    return run


def alternate(name: str, first: Callable[[], float], second: Callable[[], float]) -> dict:
    """Measure two things in turn and return medians and their ratio."""
    first(), second()  # warm up
    pairs = [(first(), second()) for _ in range(ROUNDS)]
    a, b = (statistics.median(side) for side in zip(*pairs, strict=True))
    spread = [x / y for x, y in pairs]
    return {
        "what": name,
        "first_tokens_per_second": round(a),
        "second_tokens_per_second": round(b),
        "ratio": round(a / b, 3),
        "ratio_range": [round(min(spread), 3), round(max(spread), 3)],
    }


def main() -> None:
    """Measure all pairs and print or write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    output = parser.parse_args().output
    rows = [
        alternate(
            f"training {name}, batch {batch}: dropout 0 / dropout 0.2",
            steps_per_round(config, batch, 10),
            steps_per_round(replace(config, dropout=0.2), batch, 10),
        )
        for name, config, batch in (
            ("4L 4H 128d block 64", SMALL, 12),
            ("4L 6H 192d block 128", SCALED, 32),
        )
    ]
    rows += [
        alternate(
            f"generation {name}, 1 sequence: cached / recomputed",
            tokens_per_round(CachedContext, config, 2 * config.block_size),
            tokens_per_round(RecomputedContext, config, 2 * config.block_size),
        )
        for name, config in (("4L 4H 128d block 64", SMALL), ("4L 6H 192d block 128", SCALED))
    ]
    report = json.dumps({"machine": describe_machine(), "rows": rows}, indent=2)
    print(report)
    if output is not None:
        output.write_text(report + "\n")


if __name__ == "__main__":
    main()
