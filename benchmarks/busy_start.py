"""What a budget in time comes to when the machine is busy with other things at the beginning.

    python benchmarks/busy_start.py                       # 30 s of four busy loops, then none
    python benchmarks/busy_start.py --busy-seconds 0      # the same undisturbed, to compare

The demo is trained as a user would, by the command, and what it says of its steps and losses is
printed; then how long the whole command took, of a budget of two minutes.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time

from measured_on import describe_machine

BUSY = "import sys, time\nend = time.time() + float(sys.argv[1])\nwhile time.time() < end: pass"
"""A program that keeps a core busy for so many seconds."""
WARMING_SECONDS = 1.0  # until all of them are


def main() -> None:
    """Keep the machine busy, train, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--busy-seconds", type=float, default=30.0)
    parser.add_argument("--loops", type=int, default=4)
    parser.add_argument("--budget", default="2m")
    options = parser.parse_args()
    print(json.dumps(describe_machine() | {"options": vars(options)}), flush=True)
    command = [sys.executable, "-c", BUSY, str(options.busy_seconds)]
    loops = [subprocess.Popen(command) for _ in range(options.loops)]
    time.sleep(WARMING_SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        told = subprocess.run(
            [sys.executable, "-m", "bardling", "train", "demo", "--budget", options.budget,
             "--runs-dir", folder, "--sample-tokens", "0", "--name", "demo"],
            stdout=subprocess.PIPE, text=True, check=True,
        ).stdout  # fmt: skip
        seconds = time.perf_counter() - began
    for loop in loops:
        loop.wait()
    words = ("  budget ", "  pace ", "step", "  best ")
    print("\n".join(line for line in told.splitlines() if line.startswith(words)))
    print(f"{seconds:.1f} s in all, of a budget of {options.budget}")


if __name__ == "__main__":
    main()
