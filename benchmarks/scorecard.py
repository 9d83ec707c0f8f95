"""docs/reliability.md from what the tests of the promises came to.

make reliability            writes results/reliability.json
make protections            writes results/protections.json
python benchmarks/scorecard.py
"""

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
FOUND = ROOT / "results/reliability.json"
NOTICED = ROOT / "results/protections.json"
PAGE = ROOT / "docs/reliability.md"
sys.path.insert(0, str(ROOT / "tests/reliability"))

from promises import PROMISES, state  # noqa: E402

HEAD = """\
# What is promised, and what shows it

Thirty-three promises that one can put a model's weights, and an afternoon, on. Each is a test that
provokes the fault it speaks of: real kills, real signals, full disks, hostile files, lost hosts.
`make test` runs a quick form of each, `make reliability` the whole and prints the score.

A test that never fails shows nothing. So beside the tests of a row stand the lines of the package
that keep its promise (`PROTECTIONS`), and `tests/reliability/test_protections.py` breaks them one
by one in a copy, by `make protections`: the row's test has to fail.

This page is made from what both wrote into `results/` by `python benchmarks/scorecard.py`.
"""

WORDS = {"BROKEN": "**broken**", "untested": "**untested**"}


def page(found: dict[str, Any], noticed: dict[str, Any]) -> str:
    """Return the page of what was found, and of the broken lines that were noticed."""
    rows = {int(number): row for number, row in found["rows"].items()}
    states = {number: state(number, rows.get(number)) for number in PROMISES}
    held = list(states.values()).count("held")
    broken = {int(number): row["protections"] for number, row in noticed["rows"].items()}
    unnoticed = sum(row["failed"] for row in noticed["rows"].values())
    lines = [
        HEAD,
        f"**{held} of {len(PROMISES)} held** on {found['date']} ({found['machine']}). "
        f"Of {sum(broken.values()) + unnoticed} broken lines {sum(broken.values())} were noticed "
        f"on {noticed['date']}.",
        "",
        "| | promise | how it is provoked | criterion | | tests | lines broken | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for number, promise in PROMISES.items():
        row = rows.get(number, {"passed": 0, "seconds": 0.0})
        figures = (row["passed"] or "", broken.get(number) or "", f"{row['seconds']:.0f}")
        cells = (
            promise.promise,
            promise.provoked,
            promise.criterion,
            WORDS.get(states[number], states[number]),
        )
        lines.append(f"| {number} | {' | '.join(map(str, (*cells, *figures)))} |")
    lines += ["", "## Measured", ""]
    for number, row in rows.items():
        if row["measured"] or row["skipped"]:
            lines += [f"**{number}. {PROMISES[number].promise}**", ""]
            lines += [f"- {text}" for text in dict.fromkeys(row["measured"])]
            lines += [f"- skipped: {text}" for text in dict.fromkeys(row["skipped"])]
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(json.loads(FOUND.read_text()), json.loads(NOTICED.read_text())))
    print(f"wrote {PAGE}")
