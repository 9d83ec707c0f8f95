"""Ours beside the peers, taking turns in one run: training, writing, memory, starting.

    python benchmarks/versus.py [--nanogpt FOLDER] [--llama2c PROGRAM] [--only WORD ...]

- `--nanogpt`: a checkout of nanoGPT, its Tiny Shakespeare prepared. Its model and optimizer are
  imported, its step is that of its CPU recipe (float32, not compiled, AdamW, clipping at 1).
- `--llama2c`: llama2.c's `run`, compiled by `gcc -Ofast -fopenmp -march=native run.c -lm`.
- Hugging Face's GPT-2 with its cache is measured where transformers is installed.

Models that are compared have equal shapes, batches and dropout; ours is GPT-2's block without
biases in training, Llama's in writing, each the block that the peer has. Every line says which
numbers were multiplied. A peer that is not given is left out.
"""

import argparse
import importlib
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from measured_on import describe_machine
from turns import at_rest, imports_alone, peers_environment, take_turns

from bardling.benchmarking.generation import FORMS
from bardling.benchmarking.timing import Spread, by_turns, ratio
from bardling.model.families import modern


def shape(block_size: int, n_layer: int, n_head: int, n_embd: int) -> dict[str, int]:
    """Return the sizes that peers share, by their names."""
    return {"block_size": block_size, "n_layer": n_layer, "n_head": n_head, "n_embd": n_embd}


RECIPES = {
    "nanoGPT's CPU recipe": (shape(64, 4, 4, 128), 12, (0.0,)),
    "seed 001's scaled model": (shape(128, 4, 6, 192), 64, (0.0, 0.2)),
    "6 layers, 384 wide": (shape(256, 6, 6, 384), 8, (0.0, 0.2)),
}
WRITERS = {
    "4L 128d": shape(256, 4, 4, 128) | {"vocab_size": 65},
    "6L 384d": shape(256, 6, 6, 384) | {"vocab_size": 65},
    "12L 768d": shape(256, 12, 12, 768) | {"vocab_size": 32_000},
}
OURS = ("bf16", "fp32")
NANOGPT = "nanoGPT fp32"
BUDGETS = ("60s", "2m")
NANOGPT_RUN = (
    "config/train_shakespeare_char.py --device=cpu --compile=False --eval_iters=20 "
    "--log_interval=200 --block_size=64 --batch_size=12 --n_layer=4 --n_head=4 --n_embd=128 "
    "--max_iters=2000 --lr_decay_iters=2000 --dropout=0.0"
)
"""Its readme's run for a CPU."""


def say(what: str, **figures: object) -> None:
    """Print one row as it is known."""
    print(json.dumps({"what": what, **figures}), flush=True)


def spread(found: Spread, digits: int = 2) -> list[float]:
    """Return median, lowest and highest, rounded."""
    return [round(x, digits) for x in (found.median, found.lowest, found.highest)]


def training(folder: str | None, seconds: float) -> None:
    """Compare training steps at equal parameters, dropout and batch, and their memory."""
    bare = round(imports_alone())
    for name, (sizes, batch_size, dropouts) in RECIPES.items():
        tokens = batch_size * sizes["block_size"]
        for dropout in dropouts:
            recipe = sizes, batch_size, dropout
            contestants = {precision: ("ours", *recipe, precision) for precision in OURS}
            if folder is not None:
                contestants[NANOGPT] = "nanogpt", folder, *recipe
            rates, memory, parameters = take_turns(contestants, seconds)
            ratios = {
                f"{p} / nanoGPT": spread(ratio(rates[p], rates[NANOGPT]))
                for p in OURS
                if folder is not None
            }
            say(
                f"training, {name}, batch {batch_size}, dropout {dropout:g}",
                parameters=parameters,
                tokens_per_second={
                    k: round(tokens * Spread.of(v).median) for k, v in rates.items()
                },
                **ratios,
                most_mebibytes={k: round(v) for k, v in memory.items()} | {"imports alone": bare},
            )


def llama2c(
    program: str, sizes: dict[str, int], folder: Path, n_tokens: int
) -> Callable[[], float]:
    """Return what measures llama2.c's rate on random weights of a shape."""
    config = modern(**sizes)
    width, inner = config.n_embd, config.feedforward_width
    shape = (width, inner, config.n_layer, config.n_head, config.n_head, config.vocab_size,
             config.block_size)  # fmt: skip
    per_layer = 2 * width + 4 * width * width + 3 * width * inner
    count = config.vocab_size * width + config.n_layer * per_layer + width
    count += config.block_size * config.head_width  # tables of its rotation, which it skips
    model, vocabulary = folder / "model.bin", folder / "tokenizer.bin"
    weights = np.random.default_rng(0).normal(0, 0.02, count).astype(np.float32)
    model.write_bytes(struct.pack("7i", *shape) + weights.tobytes())
    words = [f"<{i}>".encode() for i in range(config.vocab_size)]
    entries = [struct.pack("fi", 0.0, len(word)) + word for word in words]
    vocabulary.write_bytes(struct.pack("i", max(map(len, words))) + b"".join(entries))
    command = [
        program,
        str(model),
        "-z",
        str(vocabulary),
        "-t",
        "1",
        "-p",
        "0",
        "-n",
        str(n_tokens),
    ]
    least = min(n_tokens, 100) - 5  # a text that ends sooner tells nothing
    surroundings = peers_environment() | {"OMP_NUM_THREADS": str(torch.get_num_threads())}

    def measure() -> float:
        rates: list[float] = []
        for seed in range(1, 100):
            done = subprocess.run(
                [*command, "-s", str(seed)],
                capture_output=True,
                check=False,
                env=surroundings,
            )
            found = re.search(rb"achieved tok/s: ([\d.]+)", done.stderr)
            if found and done.stdout.count(b"<") >= least:
                rates.append(float(found[1]))
            if len(rates) == 3:
                break
        return sorted(rates)[len(rates) // 2]

    return measure


def writing(program: str | None, seconds: float, *, with_transformers: bool) -> None:
    """Compare writing by one sequence and by 16."""
    for name, sizes in WRITERS.items():
        n_tokens = 60 if sizes["n_embd"] > 500 else 200
        contestants = {form: ("ours_writing", "modern", sizes, 1, n_tokens, form) for form in FORMS}
        with tempfile.TemporaryDirectory() as folder, at_rest(contestants) as resting:
            works = {k: lambda c=c, n=n_tokens: n * c.rate(seconds) for k, c in resting.items()}
            if program is not None:
                works["llama2.c"] = llama2c(program, sizes, Path(folder), n_tokens)
            found = by_turns(works)
        ratios = {
            f"{form} / llama2.c": spread(ratio(found[form], found["llama2.c"]))
            for form in FORMS
            if program is not None
        }
        rates = {k: round(Spread.of(v).median) for k, v in found.items()}
        say(f"writing, 1 sequence, {name}", tokens_per_second=rates, **ratios)
        if with_transformers:
            write_many(name, sizes, seconds)


def write_many(name: str, sizes: dict[str, int], seconds: float) -> None:
    """Compare writing by 16 sequences."""
    n_tokens = 30 if sizes["n_embd"] > 500 else 100
    contestants = {
        "fp32": ("ours_writing", "classic", sizes, 16, n_tokens, "fp32"),
        "transformers": ("hugging_face", sizes, 16, n_tokens),
    }
    rates, _, parameters = take_turns(contestants, seconds)
    say(
        f"writing, 16 sequences, {name}",
        parameters=parameters,
        tokens_per_second={k: round(16 * n_tokens * Spread.of(v).median) for k, v in rates.items()},
        ratio=spread(ratio(rates["fp32"], rates["transformers"])),
    )


def starting() -> None:
    """Measure `bardling generate` from start to 500 characters, by a model of the demo's size."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bardling"]
        runs = ["--runs-dir", folder]
        train = [
            "train",
            "demo",
            "--name",
            "demo",
            "--budget",
            "40steps",
            "--corpus",
            "stories:3000",
        ]
        subprocess.run([*command, *train, *runs], check=True, capture_output=True)
        seconds = []
        words = ["--max-new-tokens", "400"]
        for seed in range(8):  # a story that ends sooner does not count
            began = time.perf_counter()
            done = subprocess.run(
                [*command, "generate", "demo", *runs, *words, "--seed", str(seed)],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            if len(done.stdout) >= 500:
                seconds.append(time.perf_counter() - began)
        say(
            "generate, start to 500 characters and more",
            seconds=spread(Spread.of(seconds)),
            texts=len(seconds),
        )


def waiting(folder: str | None) -> None:
    """Measure how long nanoGPT's own CPU run takes, and what ours reaches in a part of that."""
    if folder is not None:
        if not Path(folder, "data/shakespeare_char/train.bin").is_file():
            sys.exit(f"run {folder}/data/shakespeare_char/prepare.py first")
        with tempfile.TemporaryDirectory() as out:
            command = [sys.executable, "train.py", *NANOGPT_RUN.split(), f"--out_dir={out}"]
            seconds, told = _timed(command, cwd=folder, env=peers_environment())
        found = re.findall(r"step (\d+): train loss [\d.]+, val loss ([\d.]+)", told)[-1]
        say("waiting, nanoGPT's CPU run", seconds=seconds, step=int(found[0]), loss=float(found[1]))
    with tempfile.TemporaryDirectory() as cache:
        for budget, state in (("30s", "cold"), ("20s", "warm")):
            ours_within(f"waiting, {state}", budget, {"XDG_CACHE_HOME": cache})


def budgets() -> None:
    """Train Tiny Shakespeare for budgets of time, on a machine that has done so before."""
    for budget in BUDGETS:
        ours_within("budget", budget, {})


def ours_within(what: str, budget: str, surroundings: dict[str, str]) -> None:
    """Run `bardling train shakespeare` with a budget, and tell its wall time and last loss."""
    with tempfile.TemporaryDirectory() as runs:
        command = [sys.executable, "-m", "bardling", "train", "shakespeare", "--budget", budget]
        seconds, _ = _timed([*command, "--runs-dir", runs], env=os.environ | surroundings)
        found = json.loads(next(Path(runs).glob("*/result.json")).read_text())
    loss = found["last"]["val_loss"]  # of the whole validation split
    say(f"{what}, {budget}", seconds=seconds, loss=round(loss, 4))


def _timed(command: list[str], **where: object) -> tuple[float, str]:
    """Return the seconds of a command, its start included, and what it told."""
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True, **where)
    return round(time.perf_counter() - began, 1), done.stdout


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nanogpt", metavar="FOLDER")
    parser.add_argument("--llama2c", metavar="PROGRAM")
    parser.add_argument(
        "--only", nargs="*", metavar="WORD", help="training, writing, starting, waiting, budgets"
    )
    parser.add_argument("--seconds", type=float, default=1.0)
    wanted = parser.parse_args()
    found = importlib.util.find_spec("transformers") is not None
    parts = {
        "training": lambda: training(wanted.nanogpt, wanted.seconds),
        "writing": lambda: writing(wanted.llama2c, wanted.seconds, with_transformers=found),
        "starting": starting,
        "waiting": lambda: waiting(wanted.nanogpt),
        "budgets": budgets,
    }
    say("machine", **describe_machine())
    for name, part in parts.items():
        if not wanted.only or name in wanted.only:
            part()


if __name__ == "__main__":
    main()
