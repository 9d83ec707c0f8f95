"""The scorecard: what each row's tests came to, told at the end and written where it is asked."""

import json
import platform
import re
from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import torch
from promises import PROMISES, state

from bardling.machine.device import cpu_model

ROW = re.compile(r"test_row_(\d\d)_|protection\[(\d+)")


def pytest_addoption(parser) -> None:
    parser.addoption("--scorecard", type=Path, help="write what each promise came to, as JSON")


def pytest_configure(config) -> None:
    path = config.getoption("scorecard", None)
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Scorecard(path), "scorecard")


class Scorecard:
    """Hears of every test, in all processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[int, dict[str, Any]] = defaultdict(
            lambda: {"passed": 0, "failed": 0, "skipped": [], "seconds": 0.0, "measured": [],
                     "protections": 0}
        )  # fmt: skip

    def pytest_runtest_logreport(self, report) -> None:
        found = ROW.search(report.nodeid)
        if found is None:
            return
        row = self.rows[int(found[1] or found[2])]
        row["seconds"] += report.duration
        if report.skipped:
            row["skipped"].append(str(report.longrepr[-1]))
        elif report.failed:
            row["failed"] += 1
        elif report.when == "call":
            row["protections" if found[2] else "passed"] += 1
            row["measured"] += [text for name, text in report.user_properties if name == "measured"]

    def pytest_terminal_summary(self, terminalreporter) -> None:
        terminalreporter.section("scorecard")
        for number, promise in PROMISES.items():
            row = self.rows.get(number)
            terminalreporter.write_line(f"{number:2} {state(number, row):8} {promise.promise}")
        states = [state(number, self.rows.get(number)) for number in PROMISES]
        if "held" in states:
            held = f"{states.count('held')} of {len(PROMISES)} promises held"
            terminalreporter.write_line(held)
        broken = sum(row["protections"] for row in self.rows.values())
        if broken:
            terminalreporter.write_line(f"{broken} broken lines were noticed")
        machine = f"{cpu_model()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
        system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
        found = {
            "date": date.today().isoformat(),
            "machine": f"{machine}, {system}",
            "rows": dict(sorted(self.rows.items())),
        }
        self.path.write_text(json.dumps(found, indent=2) + "\n")
