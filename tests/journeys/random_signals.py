"""Stop a run at random moments, go on with it, and compare with the run that was left alone.

    python tests/journeys/random_signals.py [N=20] [SEED=0]

Each child trains compiled, in bf16, with Muon, dropout and accumulation; every fourth starts with
an empty compiler cache. It gets SIGINT or SIGTERM at a random moment: every other one
between its start and the end of training, most of which is compiling, the rest between its first
step and that end, with a validation, a sample and a save after every fourth step. It has to leave
within 10 s by the documented code, and then goes on to its end. A run that had ended before its
signal is drawn anew, so that all N are stops. Prints one line for each, and at the end how long
leaving took and whether all weights and logs agree. Too long for every test run.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from bardling.checkpoint import load_checkpoint
from bardling.data.sums import sums
from bardling.run_folder import RunFolder

STEPS = 120
LIMIT_SECONDS = 10
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
OPTIONS = (
    *("--model.n-layer", "1", "--model.n-head", "2", "--model.n-embd", "32"),
    *("--model.block-size", "32", "--model.dropout", "0.1", "--batch-size", "8"),
    *("--accumulate", "2", "--optimizer", "muon", "--budget", f"{STEPS}steps"),
    *("--eval-interval-steps", "4", "--sample-tokens", "40", "--log-interval-steps", "1"),
    *("--machine.precision", "bf16", "--machine.compile", "on"),
)


def start(folder: Path, name: str, cache: str) -> subprocess.Popen[str]:
    """Begin the run of that name, or go on with it when there is one."""
    known = RunFolder(folder / "runs" / name).is_run()
    words = ["--resume", str(folder / "runs" / name)] if known else [
        str(folder / "sums.txt"), "--runs-dir", str(folder / "runs"), "--name", name, *OPTIONS,
    ]  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "bardling", "train", *words],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(folder / cache)},
    )  # fmt: skip


def begin_steps(child: subprocess.Popen[str], run: RunFolder) -> None:
    """Wait for the first line of a run's log that is of a step."""
    while child.poll() is None and not any(record["step"] for record in run.metrics()):
        time.sleep(0.01)


def finish(folder: Path, name: str, cache: str) -> tuple[float, float]:
    """Let a run come to its end; return the seconds to its first step and to its last one saved."""
    began, run = time.monotonic(), RunFolder(folder / "runs" / name)
    with start(folder, name, cache) as child:
        begin_steps(child, run)
        first = time.monotonic() - began
        while child.poll() is None and STEPS not in run.steps():
            time.sleep(0.05)
        trained = time.monotonic() - began
        _, err = child.communicate()
    if child.returncode:
        raise SystemExit(f"{name} failed with {child.returncode}: {err}")
    return first, trained


def stop(
    folder: Path, name: str, cache: str, number: signal.Signals, delay: float, *, in_steps: bool
) -> dict | None:
    """Stop a run after so many seconds and say how it left; None where it had ended before.

    The seconds count from its start, or from its first step on.
    """
    with start(folder, name, cache) as child:
        if in_steps:
            begin_steps(child, RunFolder(folder / "runs" / name))
        time.sleep(delay)
        ended = RunFolder(folder / "runs" / name).result_path.exists()
        began = time.monotonic()
        child.send_signal(number)
        _, err = child.communicate()
    took = time.monotonic() - began
    if ended:
        return None
    return {
        "signal": number.name, "after_seconds": round(delay, 2), "in_steps": in_steps,
        "cache": cache,
        "leaving_seconds": round(took, 2), "code": child.returncode,
        "in_time": child.returncode == CODES[number] and took < LIMIT_SECONDS,
        "said": err.strip()[:90],
    }  # fmt: skip


def same(folder: Path, name: str) -> bool:
    """Tell whether a run ended with the weights and the log of the whole one."""
    runs = [RunFolder(folder / "runs" / n) for n in ("whole", name)]
    mine, other = (load_checkpoint(run.checkpoint_path(STEPS)) for run in runs)
    timing = {"seconds", "tokens_per_second"}
    logs = [
        [{k: v for k, v in r.items() if k not in timing} for r in run.metrics()] for run in runs
    ]
    equal = [torch.equal(mine.weights[key], other.weights[key]) for key in mine.weights]
    memory = [torch.equal(mine.optimizer[key], other.optimizer[key]) for key in mine.optimizer]
    return all(equal) and all(memory) and logs[0] == logs[1]


def main() -> None:
    """Stop, go on, compare."""
    count, seed = (int(word) for word in (sys.argv[1:] + ["20", "0"][len(sys.argv) - 1 :])[:2])
    draw, rows, late = random.Random(seed), [], 0
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also when run in the background
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sums.txt").write_text(sums(3, n_lines=400))
        _, cold = finish(folder, "whole", "warm")
        finish(folder, "again", "warm")
        first, warm = finish(folder, "third", "warm")
        agree = same(folder, "again")
        print(f"trained after {cold:.1f} s cold, {warm:.1f} s warm; agree: {agree}", flush=True)
        while len(rows) < count:
            run = f"run{len(rows)}-{late}"
            cache, length = (run, cold) if len(rows) % 4 == 0 else ("warm", warm)
            number = draw.choice([signal.SIGINT, signal.SIGTERM])
            in_steps = len(rows) % 2 == 1
            delay = draw.uniform(0.0, warm - first) if in_steps else draw.uniform(0.5, length)
            row = stop(folder, run, cache, number, delay, in_steps=in_steps)
            if row is None:
                late += 1
                continue
            saved = RunFolder(folder / "runs" / run).steps()
            finish(folder, run, cache)
            row |= {
                "stopped_at": saved[-1] if saved else None,
                "resumed_exactly": same(folder, run),
            }
            rows.append(row)
            print(json.dumps(row), flush=True)
    slowest = max(row["leaving_seconds"] for row in rows)
    print(
        f"{sum(r['in_time'] for r in rows)} of {count} left in time with their code, the slowest "
        f"after {slowest} s; {sum(r['resumed_exactly'] for r in rows)} resumed exactly; "
        f"{late} more had ended before their signal and were drawn anew"
    )


if __name__ == "__main__":
    main()
