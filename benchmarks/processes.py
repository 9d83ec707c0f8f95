"""Two processes of one thread against one process of one thread, and what a save costs a run.

    python benchmarks/processes.py [ROUNDS=3]

Both train the same model on the same batches of Tiny Shakespeare, in turns; the figure is the ratio
of their median tokens per second. Beside it stands what the machine gives to two processes that
have nothing to do with each other. Then models of 10M and 124M parameters are saved in the midst of
a training: the step that saves waits for the copy, and the steps after it share the processor.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from bardling.checkpoint import MEMORY, WEIGHTS, checkpoint_files, write_checkpoint
from bardling.data.batches import Windows
from bardling.machine.beside import Beside
from bardling.machine.device import cpu_model
from bardling.machine.machine import plain_machine
from bardling.model.gpt import GPT
from bardling.model.size import count_parameters
from bardling.presets.table import config_for
from bardling.storage import total_bytes
from bardling.text.characters import CharacterTokenizer
from bardling.training.learner import build_learner
from bardling.training.loop import take_steps
from bardling.training.objective import pretraining_loss
from bardling.training.plan import Plan
from bardling.training.state import RunState
from bardling.tray import Tray

WIDTHS = ((4, 128, 64, 32), (6, 384, 256, 8))
"""(layers, width, context, sequences in a batch)."""
Shape = tuple[int, int, int, int]
STEPS = {128: 200, 384: 30}
"""Steps of a run by width: some seconds each."""
SAVED = (("modern-10m", 4), ("gpt2", 1))
"""Presets, and how many sequences of 64 tokens a step takes meanwhile."""
WARM_STEPS, STEPS_WITHOUT_A_SAVE, SAVES = 4, 9, 3


def started(processes: int, shape: Shape, folder: str) -> subprocess.Popen[bytes]:
    """Begin a training of so many processes, each with one thread."""
    layers, width, context, batch = shape
    words = (
        *("shakespeare", "--name", "x", "--runs-dir", folder, "--nproc", processes),
        *("--model.n-layer", layers, "--model.n-embd", width, "--model.block-size", context),
        *("--model.n-head", width // 64, "--batch-size", batch),
        *("--budget", f"{STEPS[width]}steps", "--eval-interval-steps", STEPS[width]),
        *("--log-interval-steps", 5, "--sample-tokens", 0, "--no-quick-checks"),
        *("--machine.threads", 1),
    )
    return subprocess.Popen(
        [sys.executable, "-m", "bardling", "train", *map(str, words)],
        stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def tokens_per_second(shape: Shape, runs: Sequence[int]) -> float:
    """Train runs of so many processes side by side; return the sum of their median rates."""
    with tempfile.TemporaryDirectory() as parent:
        folders = [f"{parent}/{number}" for number in range(len(runs))]
        going = [started(n, shape, folder) for n, folder in zip(runs, folders, strict=True)]
        if any(child.wait() for child in going):
            raise SystemExit("a run has failed")
        return sum(median_rate(Path(folder) / "x/metrics.jsonl") for folder in folders)


def median_rate(log: Path) -> float:
    """Return the median of the tokens per second in a log, its first lines left away."""
    rates = [json.loads(line)["tokens_per_second"] for line in log.read_text().splitlines()]
    return statistics.median(rate for rate in rates[2:] if rate)


def compare(shape: Shape, rounds: int) -> None:
    """Print what two processes make of a shape, for what one does."""
    alone, together, apart = (
        sorted_ratios
        for sorted_ratios in zip(
            *(
                [tokens_per_second(shape, runs) for runs in ((1,), (2,), (1, 1))]
                for _ in range(rounds)
            ),
            strict=True,
        )
    )
    layers, width, context, batch = shape
    one, two, both = map(statistics.median, (alone, together, apart))
    print(
        f"{layers} layers, {width} wide, {batch} x {context} tokens: one process {one:,.0f} "
        f"tokens/s, two {two:,.0f}; ratio {spread(together, alone)}; two that have nothing to do "
        f"with each other {both:,.0f}: {spread(apart, alone)}",
        flush=True,
    )


def spread(many: Sequence[float], one: Sequence[float]) -> str:
    """Write the median of ratios, and the lowest and highest."""
    ratios = sorted(a / b for a, b in zip(many, one, strict=True))
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def step_seconds(steps: Iterator[object]) -> float:
    """Take a step; return how long it took."""
    began = time.perf_counter()
    next(steps)
    return time.perf_counter() - began


def save(preset: str, rows: int) -> None:
    """Save a model in the midst of its training; print what the training lost by it."""
    tokenizer = CharacterTokenizer(characters="".join(map(chr, range(0x4E00, 0x4E00 + 1000))))
    config = config_for(preset).with_overrides(batch_size=rows, accumulate=1)
    config = config.with_overrides(vocab_size=config.model.vocab_size or tokenizer.vocab_size)
    machine = plain_machine()
    model = GPT(config.model)
    learner = build_learner(model, config.optimizer, machine, pretraining_loss)
    ids = np.random.default_rng(0).integers(0, config.model.vocab_size, 10**5).astype(np.uint32)
    windows = Windows(tokens=ids, block_size=64, batch_size=rows)
    steps = take_steps(learner, windows.batch, config.training, Plan(total_steps=10**6))
    for _ in range(WARM_STEPS):
        next(steps)
    tray, beside = Tray(), Beside()
    tray.reserve(WEIGHTS, 4 * count_parameters(config.model).total)
    tray.reserve(MEMORY, 8 * count_parameters(config.model).total + 2**16)

    def some() -> list[float]:
        return [step_seconds(steps) for _ in range(STEPS_WITHOUT_A_SAVE)]

    def one(number: int, folder: Path) -> tuple[float, float, float, float, int]:
        """Return the seconds of the copy, of the rest, what steps lose by it and take; and bytes.

        What a step usually takes is that of the steps just before and just after, because a
        machine may be slower at one time than at another.
        """
        before = some()
        began = time.perf_counter()
        files = checkpoint_files(
            model=model,
            optimizer=learner.optimizers,
            config=config,
            tokenizer=tokenizer,
            state=RunState(conditions=machine.conditions, step=number),
            tray=tray,
        )
        copied, ended, meanwhile = time.perf_counter() - began, [], []

        def write() -> None:
            write_checkpoint(folder / f"step-{number:06d}", files)
            ended.append(time.perf_counter())

        beside.begin(write)
        while not ended:
            meanwhile.append(step_seconds(steps))
        usual = statistics.median(before + some())
        lost = sum(meanwhile) - usual * len(meanwhile)
        n_bytes = sum(map(total_bytes, files.values()))
        return copied, ended[0] - began - copied, lost, usual, n_bytes

    with tempfile.TemporaryDirectory() as folder:
        saves = [one(number, Path(folder)) for number in range(SAVES)]
    copied, written, lost, usual = (
        ", ".join(f"{seconds:.2f}" for seconds in column)
        for column in list(zip(*saves, strict=True))[:4]
    )
    print(
        f"saving {sum(p.numel() for p in model.parameters()) / 1e6:.1f}M parameters with the "
        f"memory of their optimizer, {saves[0][4] / 1e6:,.0f} MB, {SAVES} times: a step waits "
        f"{copied} s for the copy; hashed, written, synced and read back beside steps of "
        f"{usual} s in {written} s, in which they lose {lost} s together",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    print(f"{cpu_model()}, torch {torch.__version__}, {rounds} rounds")
    for shape in WIDTHS:
        compare(shape, rounds)
    for preset, rows in SAVED:
        save(preset, rows)


if __name__ == "__main__":
    main()
