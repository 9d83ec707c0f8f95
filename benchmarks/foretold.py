"""What `--dry-run` foretells of five runs, and what they then take.

    python benchmarks/foretold.py [PRESET ...]

Each run is rehearsed in a process of its own and then made in another; time is that of the whole
command, memory the most that the process had.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

from measured_on import describe_machine

RUNS = (
    ("shakespeare", "--budget", "400steps"),
    ("seed-001", "--budget", "60steps"),
    ("demo", "--budget", "150steps"),
    ("seed-000", "--budget", "5steps"),
    ("shakespeare", "--budget", "40s"),
)
FORETELL = """
import sys, time
began = time.perf_counter()
import bardling
from bardling.presets.table import config_for
target, budget = sys.argv[1:]
config = config_for(target, budget).with_overrides(budget=budget)
found = bardling.dry_run(config, note=lambda text: None)
print(found.seconds, found.memory_bytes)
"""


def main() -> None:
    """Foretell, run, compare."""
    print(json.dumps(describe_machine()))
    wanted = sys.argv[1:]
    for target, option, budget in (run for run in RUNS if not wanted or run[0] in wanted):
        told = subprocess.run(
            [sys.executable, "-c", FORETELL, target, budget],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        seconds, memory = map(float, told.stdout.split())
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "bardling", "train", target, option, budget]
            began = time.perf_counter()
            process = subprocess.Popen(
                [*command, "--runs-dir", folder],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            _, _, usage = os.wait4(process.pid, 0)
            took = time.perf_counter() - began
        peak = usage.ru_maxrss * 1024
        print(
            json.dumps(
                {
                    "run": f"{target} {option} {budget}",
                    "seconds": [round(seconds, 1), round(took, 1), round(seconds / took, 2)],
                    "mebibytes": [
                        round(memory / 2**20), round(peak / 2**20), round(memory / peak, 2),
                    ],
                }
            ),
            flush=True,
        )  # fmt: skip


if __name__ == "__main__":
    main()
