"""Ours beside the peers, taking turns in one run: training, writing, memory, starting.

    python benchmarks/versus.py [--nanogpt FOLDER] [--llama2c PROGRAM] [--only WORD ...]

- `--nanogpt`: a checkout of nanoGPT; its model and optimizer are imported, its step is that of its
  CPU recipe (float32, not compiled, AdamW, clipping at 1).
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
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import torch
from measured_on import describe_machine

from bardling.benchmarking.generation import writer
from bardling.benchmarking.timing import Spread, by_turns, ratio
from bardling.benchmarking.training import measure_training, stepper, tokens_per_second
from bardling.config import RunConfig
from bardling.kernels.choice import obstacle
from bardling.machine.config import MachineConfig
from bardling.machine.machine import choose_machine
from bardling.model.families import classic, modern
from bardling.model.gpt import GPT
from bardling.model.size import count_parameters
from bardling.training.config import TrainingConfig
from bardling.training.optimizer_config import AdamW


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
SIZES = {"1M": (4, 128), "7M": (6, 320), "25M": (8, 512), "85M": (12, 768)}
CONTEXTS = (64, 256, 1024)
ROW_TOKENS = 2048  # of a batch in the table of sizes
PARAMETERS: dict[str, int] = {}
"""Of the models that were built last, to be printed."""
PEAK = """
import sys
sys.path.insert(0, {here!r})
import versus
from pathlib import Path
step = {call}
for _ in range(3):
    step()
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


def say(what: str, **figures: object) -> None:
    """Print one row as it is known."""
    print(json.dumps({"what": what, **figures}), flush=True)


def spread(found: Spread, digits: int = 2) -> list[float]:
    """Return median, lowest and highest, rounded."""
    return [round(x, digits) for x in (found.median, found.lowest, found.highest)]


def ours(
    sizes: dict[str, int], batch_size: int, dropout: float, precision: str
) -> Callable[[], object]:
    """Return our training step at a recipe."""
    model = classic(vocab_size=65, dropout=dropout, bias=False, qkv_bias=False, **sizes)
    PARAMETERS["ours"] = count_parameters(model).total
    config = RunConfig(
        model=model,
        optimizer=AdamW(beta2=0.99),
        training=TrainingConfig(batch_size=batch_size),
        machine=MachineConfig(precision=precision, device="cpu"),
    )
    machine = choose_machine(config.machine, train_seconds=0.0, obstacle=lambda: obstacle(model))
    return stepper(config, machine)


def nanogpt(
    folder: str, sizes: dict[str, int], batch_size: int, dropout: float
) -> Callable[[], object]:
    """Return nanoGPT's training step, as its train.py takes it on a CPU."""
    if folder not in sys.path:
        sys.path.insert(0, folder)
    torch.manual_seed(0)
    with redirect_stdout(sys.stderr):  # it tells its sizes
        theirs = importlib.import_module("model")
        model = theirs.GPT(theirs.GPTConfig(vocab_size=65, dropout=dropout, bias=False, **sizes))
        optimizer = model.configure_optimizers(1e-1, 1e-3, (0.9, 0.99), "cpu")
    tokens = np.random.default_rng(0).integers(0, 65, 200_000).astype(np.uint16)
    block = sizes["block_size"]
    model.train()
    PARAMETERS["nanoGPT"] = sum(parameter.numel() for parameter in model.parameters())

    def step() -> None:
        starts = torch.randint(len(tokens) - block, (batch_size,))
        rows = [torch.from_numpy(tokens[i : i + block + 1].astype(np.int64)) for i in starts]
        x, y = (torch.stack([row[cut] for row in rows]) for cut in (slice(block), slice(1, None)))
        _, loss = model(x, y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def training(folder: str | None, seconds: float) -> None:
    """Compare training steps at equal parameters, dropout and batch."""
    for name, (sizes, batch_size, dropouts) in RECIPES.items():
        tokens = batch_size * sizes["block_size"]
        for dropout in dropouts:
            steps = {p: ours(sizes, batch_size, dropout, p) for p in ("bf16", "fp32")}
            if folder is not None:
                steps["nanoGPT fp32"] = nanogpt(folder, sizes, batch_size, dropout)
            works = {k: tokens_per_second(s, tokens, seconds) for k, s in steps.items()}
            found = by_turns(works)
            rates = {k: round(Spread.of(v).median) for k, v in found.items()}
            ratios = {
                f"{p} / nanoGPT": spread(ratio(found[p], found["nanoGPT fp32"]))
                for p in ("bf16", "fp32")
                if folder is not None
            }
            say(
                f"training, {name}, batch {batch_size}, dropout {dropout:g}",
                parameters=dict(PARAMETERS),
                tokens_per_second=rates,
                **ratios,
            )


def memory(folder: str | None) -> None:
    """Compare the most memory that a process takes for some steps."""
    here = str(Path(__file__).parent)
    for name, (sizes, batch_size, dropouts) in RECIPES.items():
        calls = {"bf16": f"versus.ours({sizes}, {batch_size}, {dropouts[-1]}, 'bf16')"}
        if folder is not None:
            calls["nanoGPT fp32"] = (
                f"versus.nanogpt({folder!r}, {sizes}, {batch_size}, {dropouts[-1]})"
            )
        peaks = {k: _output(PEAK.format(here=here, call=call)) / 1024 for k, call in calls.items()}
        bare = _output(PEAK.format(here=here, call="dict")) / 1024
        found = {k: round(peak) for k, peak in peaks.items()}
        share = {"ratio": round(peaks["bf16"] / peaks["nanoGPT fp32"], 2)} if folder else {}
        say(f"memory, {name}, MiB", **found, imports_alone=round(bare), **share)


def _output(script: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


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
    command = [program, str(model), "-z", str(vocabulary), "-t", "0.9", "-n", str(n_tokens)]
    surroundings = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}

    def measure() -> float:
        rates: list[float] = []
        for seed in range(1, 20):  # a text that ends at once tells nothing
            done = subprocess.run(
                [*command, "-s", str(seed)],
                capture_output=True,
                check=False,
                env=surroundings,
            )
            found = re.search(rb"achieved tok/s: ([\d.]+)", done.stderr)
            if found and len(done.stdout) > 20 * 3:
                rates.append(float(found[1]))
            if len(rates) == 3:
                break
        return sorted(rates)[len(rates) // 2]

    return measure


def hugging_face(sizes: dict[str, int], sequences: int, n_tokens: int) -> Callable[[], float]:
    """Return what measures the rate of transformers' GPT-2 of a shape, with its cache."""
    transformers = importlib.import_module("transformers")
    model = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=sizes["vocab_size"], n_positions=sizes["block_size"],
            n_layer=sizes["n_layer"], n_head=sizes["n_head"], n_embd=sizes["n_embd"],
            bos_token_id=0, eos_token_id=None, pad_token_id=0,
        )
    ).eval()  # fmt: skip
    start = torch.zeros(sequences, 1, dtype=torch.long)

    def measure() -> float:
        began = time.perf_counter()
        with torch.no_grad():
            model.generate(
                start, attention_mask=torch.ones_like(start), max_new_tokens=n_tokens,
                do_sample=False, use_cache=True,
            )  # fmt: skip
        return sequences * n_tokens / (time.perf_counter() - began)

    return measure


def writing(program: str | None, *, with_transformers: bool) -> None:
    """Compare writing by one sequence and by 16."""
    for name, sizes in WRITERS.items():
        large = sizes["n_embd"] > 500
        n_tokens = 60 if large else 200
        model = GPT(modern(**sizes))
        works = {
            form: writer(model, sequences=1, n_tokens=n_tokens, form=form)
            for form in ("fp32", "bf16", "int8")
        }
        with tempfile.TemporaryDirectory() as folder:
            if program is not None:
                works["llama2.c"] = llama2c(program, sizes, Path(folder), n_tokens)
            found = by_turns(works)
        ratios = {
            f"{form} / llama2.c": spread(ratio(found[form], found["llama2.c"]))
            for form in ("fp32", "bf16", "int8")
            if program is not None
        }
        rates = {k: round(Spread.of(v).median) for k, v in found.items()}
        say(f"writing, 1 sequence, {name}", tokens_per_second=rates, **ratios)
        if not with_transformers:
            continue
        few = 30 if large else 100
        works = {
            "fp32": writer(GPT(classic(**sizes)), sequences=16, n_tokens=few, form="fp32"),
            "transformers": hugging_face(sizes, 16, few),
        }
        found = by_turns(works, rounds=3)
        rates = {k: round(Spread.of(v).median) for k, v in found.items()}
        say(
            f"writing, 16 sequences, {name}",
            tokens_per_second=rates,
            ratio=spread(ratio(found["fp32"], found["transformers"])),
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
        for _ in range(4):
            began = time.perf_counter()
            done = subprocess.run(
                [*command, "generate", "demo", *runs, "--max-new-tokens", "400"],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            seconds.append(time.perf_counter() - began)
        say(
            "generate, start to end",
            seconds=spread(Spread.of(seconds[1:])),
            characters=len(done.stdout),
        )


def sizes_and_contexts() -> None:
    """Show how tokens per second fall with size and context, beside what counting says."""
    for name, (n_layer, n_embd) in SIZES.items():
        for block_size in CONTEXTS:
            model = modern(
                vocab_size=65, block_size=block_size, n_layer=n_layer, n_head=n_embd // 64,
                n_embd=n_embd,
            )  # fmt: skip
            config = RunConfig(
                model=model,
                optimizer=AdamW(),
                training=TrainingConfig(batch_size=ROW_TOKENS // block_size),
            )
            found = measure_training(config, seconds=0.5, rounds=2)
            say(
                f"training, {name}, context {block_size}",
                parameters=count_parameters(model).total,
                tokens_per_second=round(found.tokens_per_second.median),
                gigaflops_per_token=round(found.flops_per_token / 1e9, 4),
                gigaflops_per_second=round(found.flops_per_second / 1e9),
                of_large_products=round(found.utilisation, 2),
            )


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nanogpt", metavar="FOLDER")
    parser.add_argument("--llama2c", metavar="PROGRAM")
    parser.add_argument("--only", nargs="*", metavar="WORD", help="training memory writing ...")
    parser.add_argument("--seconds", type=float, default=1.5)
    wanted = parser.parse_args()
    found = importlib.util.find_spec("transformers") is not None
    parts = {
        "training": lambda: training(wanted.nanogpt, wanted.seconds),
        "memory": lambda: memory(wanted.nanogpt),
        "writing": lambda: writing(wanted.llama2c, with_transformers=found),
        "starting": starting,
        "sizes": sizes_and_contexts,
    }
    say("machine", **describe_machine())
    for name, part in parts.items():
        if not wanted.only or name in wanted.only:
            part()


if __name__ == "__main__":
    main()
