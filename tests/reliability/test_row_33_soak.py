"""Nothing piles up in a long run: no memory, no open files, no threads, no folders.

This is the half of training; a server's is in test_row_33_serving.py. The run has a process of its
own, which looks at itself at steps that are all alike: batches are made 16 at a time, and
validations and saves fall on each of them.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from promises import Protection

from tiny import SETTINGS, write_text

SCRIPT = """
import gc, json, os, sys
import bardling
from bardling.reporting.watcher import Watcher

text, folder, settings, looks = sys.argv[1], sys.argv[2], *map(json.loads, sys.argv[3:])

class Looks(Watcher):
    def stepped(self, result, tokens_per_second):
        if result.step in looks:
            gc.collect()
            with open("/proc/self/statm") as file:
                pages = int(file.read().split()[1])
            print(json.dumps({
                "step": result.step,
                "pages": pages,
                "files": len(os.listdir("/proc/self/fd")),
                "threads": len(os.listdir("/proc/self/task")),
                "objects": len(gc.get_objects()),
                "checkpoints": len(os.listdir(os.path.join(folder, "x", "checkpoints"))),
            }))

bardling.train(text, name="x", runs_dir=folder, watcher=Looks(), **settings)
"""
BUSY = SETTINGS | {
    "n_layer": 1, "dropout": 0.1, "order": "shuffled", "accumulate": 2, "eval_interval_steps": 10,
    "checkpoint_interval_steps": 8,
}  # fmt: skip
ALIKE = 80
"""Steps after which everything falls together again."""
MOST_MEMORY, MOST_OBJECTS, MOST_HANDLES = 0.05, 50, 2
KEPT = 4
"""Checkpoints: the first, the best, and the last two."""

PROTECTIONS = (
    Protection(
        file="storage/disk.py",
        line="        os.close(descriptor)\n",
        broken="        pass\n",
        test="test_a_run_holds_no_more_at_its_end_than_after_its_warm_up[200-40]",
    ),
    Protection(
        file="saving.py",
        line="newest = self._run.steps()[-settings.keep_last :]",
        broken="newest = self._run.steps()",
        test="test_a_run_holds_no_more_at_its_end_than_after_its_warm_up[200-40]",
    ),
)


def looks_of(folder: Path, steps: int, warm_up: int) -> list[dict[str, int]]:
    """Train, and return what the process saw of itself."""
    settings = json.dumps(BUSY | {"budget": f"{steps}steps"})
    looks = json.dumps([*range(warm_up, steps + 1, ALIKE)])
    words = [str(write_text(folder)), str(folder), settings, looks]
    done = subprocess.run([sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.skipif(sys.platform != "linux", reason="a process looks at itself by Linux's /proc")
@pytest.mark.parametrize(
    ("steps", "warm_up"), [(200, 40), pytest.param(2000, 320, marks=pytest.mark.sweep)]
)
def test_a_run_holds_no_more_at_its_end_than_after_its_warm_up(
    tmp_path, steps, warm_up, record_property
):
    first, *later = looks_of(tmp_path, steps, warm_up)
    assert [look["step"] for look in later] == [*range(warm_up + ALIKE, steps + 1, ALIKE)]
    grown = {what: max(look[what] - first[what] for look in later) for what in first}
    memory = grown["pages"] / first["pages"]
    assert memory <= MOST_MEMORY
    assert grown["objects"] <= MOST_OBJECTS
    for what in ("files", "threads"):
        assert all(abs(look[what] - first[what]) <= MOST_HANDLES for look in later), what
    assert max(look["checkpoints"] for look in later) <= KEPT
    record_property(
        "measured",
        f"{steps} steps: memory {memory:+.1%}, objects {grown['objects']:+}, open files "
        f"{grown['files']:+}, threads {grown['threads']:+}",
    )
