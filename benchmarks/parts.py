"""The parts that the log of docs/performance.md speaks of, each beside what it stands for.

    python benchmarks/parts.py

Everything takes turns in one run; a ratio above 1 says that ours is so many times as fast.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import torch
from measured_on import describe_machine
from torch.nn import functional as F

from bardling.benchmarking.timing import Spread, by_turns, ratio
from bardling.benchmarking.training import stepper
from bardling.config import RunConfig
from bardling.kernels.choice import obstacle
from bardling.kernels.library import load_library
from bardling.kernels.operations import NO_DROP, Heads, attend, attend_backward
from bardling.kernels.products import times_transposed
from bardling.machine.config import MachineConfig
from bardling.machine.machine import choose_machine
from bardling.machine.memory import keep_freed_memory
from bardling.model.families import classic
from bardling.training.config import TrainingConfig
from bardling.training.muon import StackedMuon
from bardling.training.optimizer_config import AdamW

SHAPES = {  # block, layers, heads, width, batch
    "4L 128d": (64, 4, 4, 128, 12),
    "4L 192d": (128, 4, 6, 192, 64),
    "6L 384d": (256, 6, 6, 384, 8),
}
COMPILE = "from bardling.kernels.library import load_library as l; l('training'); l('decoding')"


def timed(work: Callable[[], object], seconds: float = 0.6) -> Callable[[], float]:
    """Return what measures how often work gets done in a second."""

    def measure() -> float:
        began, count = time.perf_counter(), 0
        while count == 0 or time.perf_counter() - began < seconds:
            work()
            count += 1
        return count / (time.perf_counter() - began)

    return measure


def compare(what: str, ours: Callable[[], object], other: Callable[[], object]) -> None:
    """Print one comparison, in milliseconds and as a ratio."""
    found = by_turns({"ours": timed(ours), "other": timed(other)})
    share = ratio(found["ours"], found["other"])
    row = {name: round(1e3 / Spread.of(rates).median, 3) for name, rates in found.items()}
    spread = [round(x, 2) for x in (share.median, share.lowest, share.highest)]
    print(json.dumps({"what": what, "milliseconds": row, "ratio": spread}), flush=True)


def kernels() -> None:
    """Steps with native kernels against torch alone, bf16, GPT-2's block, AdamW."""
    for name, (block, layers, heads, width, batch) in SHAPES.items():
        for dropout in (0.0, 0.2):
            steps = [step_of(block, layers, heads, width, batch, dropout, k)
                     for k in ("native", "plain")]  # fmt: skip
            compare(f"step, native or plain, {name}, dropout {dropout:g}", *steps)


def step_of(
    block: int, layers: int, heads: int, width: int, batch: int, dropout: float, kernels: str
) -> Callable[[], object]:
    """Return a training step by one kind of kernels."""
    model = classic(
        vocab_size=65, block_size=block, n_layer=layers, n_head=heads, n_embd=width, dropout=dropout
    )
    config = RunConfig(
        model=model, optimizer=AdamW(), training=TrainingConfig(batch_size=batch),
        machine=MachineConfig(kernels=kernels, compile="off", device="cpu"),
    )  # fmt: skip
    machine = choose_machine(config.machine, train_seconds=0.0, obstacle=lambda: obstacle(model))
    return stepper(config, machine)


def attention() -> None:
    """Attention there and back, queries, keys and values side by side, against torch's."""
    library = load_library("training")
    for name, (block, _, heads, width, batch) in SHAPES.items():
        channels = width // heads
        kind = Heads(
            n_head=heads, n_kv_head=heads, channels=channels, scale=channels**-0.5, eps=0.0,
            query_weight=None, key_weight=None, cos=None, sin=None,
        )  # fmt: skip
        joined = torch.randn(batch * block, 3 * width).bfloat16()
        change = torch.randn(batch * block, width).bfloat16()

        def ours(joined=joined, change=change, kind=kind, batch=batch) -> None:
            mixed, divisors = attend(library, joined, batch, kind, NO_DROP)
            attend_backward(library, change, joined, mixed, divisors, kind, NO_DROP)

        def torchs(joined=joined, change=change, shape=(batch, block, 3, heads, channels)) -> None:
            leaf = joined.detach().requires_grad_()
            parts = leaf.view(shape).permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(*parts, is_causal=True)
            mixed.transpose(1, 2).reshape(change.shape).backward(change)

        compare(f"attention there and back, ours or torch's, {name}", ours, torchs)


def muon() -> None:
    """A Muon step over four layers' matrices at once against torch's, one by one."""
    for width in (128, 192, 256):
        shapes = [(width, width)] * 4 + [(3 * width, width)] * 2 + [(width, 3 * width)]
        steps = []
        for kind in (StackedMuon, torch.optim.Muon):
            matrices = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes * 4]
            for matrix in matrices:
                matrix.grad = torch.randn_like(matrix)
            steps.append(kind(matrices, lr=0.01).step)
        compare(f"Muon, stacked or torch's, width {width}", *steps)


def products() -> None:
    """x Wᵀ in float32 by the library that is picked here against torch's choice."""
    for rows, columns, width in ((768, 384, 128), (8192, 768, 192), (2048, 1536, 384)):
        x, weight = torch.randn(rows, width), torch.randn(columns, width)
        name = f"float32 product, picked or torch's, {rows} x {width} x {columns}"
        compare(name, lambda x=x, w=weight: times_transposed(x, w), lambda x=x, w=weight: x @ w.T)


def compiling() -> None:
    """The kernels compiled into an empty cache, the start of Python included and taken off."""
    with tempfile.TemporaryDirectory() as cache:
        seconds = []
        for _ in range(2):
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, "-c", COMPILE], check=True,
                env=os.environ | {"XDG_CACHE_HOME": cache},
            )  # fmt: skip
            seconds.append(time.perf_counter() - began)
    row = {"what": "compiling all kernels", "seconds": round(seconds[0] - seconds[1], 2)}
    print(json.dumps(row), flush=True)


def main() -> None:
    """Measure all."""
    keep_freed_memory()
    print(json.dumps({"what": "machine", **describe_machine()}), flush=True)
    compiling()
    attention()
    products()
    muon()
    kernels()


if __name__ == "__main__":
    main()
