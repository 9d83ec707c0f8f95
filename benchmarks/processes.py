"""Two processes of one thread against one process of one thread, and what a save adds to a step.

    python benchmarks/processes.py [ROUNDS=3]

Both train the same model on the same batches of Tiny Shakespeare, in turns; the figure is the ratio
of their median tokens per second. Then models of 10M and 124M parameters are saved, as a run does.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from bardling.checkpoint import save_checkpoint
from bardling.machine.device import cpu_model
from bardling.machine.machine import plain_machine
from bardling.model.gpt import GPT
from bardling.presets.table import config_for
from bardling.text.characters import CharacterTokenizer
from bardling.training.learner import build_learner
from bardling.training.objective import pretraining_loss
from bardling.training.state import RunState

WIDTHS = ((4, 128, 64, 32), (6, 384, 256, 8))
"""(layers, width, context, sequences in a batch)."""
STEPS = 60


def tokens_per_second(processes: int, shape: tuple[int, int, int, int]) -> float:
    """Train for some steps; return the median of what the log says."""
    layers, width, context, batch = shape
    with tempfile.TemporaryDirectory() as folder:
        words = (
            *("shakespeare", "--name", "x", "--runs-dir", folder, "--nproc", processes),
            *("--model.n-layer", layers, "--model.n-embd", width, "--model.block-size", context),
            *("--model.n-head", width // 64 or 1, "--batch-size", batch, "--budget"),
            *(f"{STEPS}steps", "--eval-interval-steps", STEPS, "--log-interval-steps", 5),
            *("--sample-tokens", 0, "--no-quick-checks", "--machine.threads", 1),
        )
        subprocess.run(
            [sys.executable, "-m", "bardling", "train", *map(str, words)],
            check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        lines = (Path(folder) / "x/metrics.jsonl").read_text().splitlines()
    rates = [json.loads(line)["tokens_per_second"] for line in lines]
    return statistics.median(rate for rate in rates[2:] if rate)


def saving_seconds(preset: str) -> tuple[float, float]:
    """Save a model and its optimizer; return the millions of parameters, and the seconds."""
    config = config_for(preset)
    tokenizer = CharacterTokenizer(characters="".join(map(chr, range(0x4E00, 0x4E00 + 1000))))
    config = config.with_overrides(vocab_size=config.model.vocab_size or tokenizer.vocab_size)
    machine = plain_machine()
    model = GPT(config.model)
    learner = build_learner(model, config.optimizer, machine, pretraining_loss)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    learner.optimizers.step()
    learner.optimizers.zero_grad()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        save_checkpoint(
            Path(folder) / "step-000001",
            model=model,
            optimizer=learner.optimizers,
            config=config,
            tokenizer=tokenizer,
            state=RunState(conditions=machine.conditions, step=1),
        )
        took = time.perf_counter() - began
    return sum(p.numel() for p in model.parameters()) / 1e6, took


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    print(f"{cpu_model()}, torch {torch.__version__}, {rounds} rounds")
    for shape in WIDTHS:
        pairs = [(tokens_per_second(1, shape), tokens_per_second(2, shape)) for _ in range(rounds)]
        ratios = sorted(two / one for one, two in pairs)
        one, two = (statistics.median(rates) for rates in zip(*pairs, strict=True))
        print(
            f"{shape[0]} layers, {shape[1]} wide, {shape[3]} x {shape[2]} tokens: one process "
            f"{one:,.0f} tokens/s, two {two:,.0f}; ratio {statistics.median(ratios):.2f} "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f})",
            flush=True,
        )
    for preset in ("modern-10m", "gpt2"):
        millions, seconds = saving_seconds(preset)
        what = f"{millions:.1f}M parameters with the memory of its optimizer"
        print(f"saving {what}: {seconds:.2f} s", flush=True)


if __name__ == "__main__":
    main()
