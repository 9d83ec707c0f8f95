"""`bardling check CORPUS|PRESET`: is everything put together as it was meant? A line per check."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

import bardling
from bardling.cli.options import Folder, split_commas, value_of
from bardling.cli.settings import SettingsArguments, parse_settings
from bardling.errors import UsageError
from bardling.evaluation.checks.finding import Finding
from bardling.machine.config import DeviceWish
from bardling.presets.table import config_for
from bardling.reporting.screen import Screen, complain

USAGE = "bardling check CORPUS|PRESET [options]"
MARKS = {
    "passed": Text("ok", "green"),
    "warned": Text("note", "yellow"),
    "failed": Text("FAIL", "bold red"),
    "skipped": Text("skip", "dim"),
}
NAME_WIDTH = 12


@dataclass(frozen=True, kw_only=True)
class CheckArguments(SettingsArguments):
    """Check a run before it is made; the options are those of train."""

    data_dir: Folder = None
    """Where corpora are looked for first: else BARDLING_DATA."""
    device: DeviceWish | None = None
    """Check on this device and compare its losses with the processor's: else the run's own."""


def run(argv: Sequence[str]) -> int:
    """Parse the options, check, and say what was found; 1 when something failed."""
    words = split_commas(argv, "--keep-at")
    target = words.pop(0) if words and not words[0].startswith("-") else None
    if target is None and not {"-h", "--help"} & set(words):
        raise UsageError(f"the corpus or preset comes first: {USAGE}")
    arguments, config = parse_settings(
        CheckArguments,
        config_for(target or "shakespeare", value_of("--budget", words)),
        words,
        prog=f"bardling check {target or 'CORPUS|PRESET'}",
    )
    findings = bardling.check_config(
        config, device=arguments.device, data_dir=arguments.data_dir, note=complain
    )
    return _show(findings)


def _show(findings: Iterable[Finding]) -> int:
    """Print each finding as it comes, and what they come to; return the exit code."""
    screen = Screen()
    named: dict[str, list[str]] = {outcome: [] for outcome in MARKS}
    for finding in findings:
        row = Table.grid(padding=(0, 2, 0, 0))
        row.add_column(width=4)
        row.add_column(width=NAME_WIDTH, no_wrap=True)
        row.add_column(overflow="fold")
        row.add_row(MARKS[finding.outcome], Text(finding.name, "bold"), Text(finding.detail))
        screen.print(row, soft_wrap=False)
        named[finding.outcome].append(finding.name)
    screen.print()
    screen.print(_sum(named))
    return 1 if named["failed"] else 0


def _sum(named: dict[str, list[str]]) -> str:
    """Say in one sentence what the checks came to."""
    count = sum(map(len, named.values()))
    if named["failed"]:
        return f"{len(named['failed'])} of {count} checks failed: {', '.join(named['failed'])}."
    parts = (
        [f"all {count} checks passed"]
        if len(named["passed"]) == count
        else [f"{len(named['passed'])} of {count} checks passed and none failed"]
    )
    if named["warned"]:
        parts.append(f"to be noted: {', '.join(named['warned'])}")
    if named["skipped"]:
        parts.append(f"not looked at: {', '.join(named['skipped'])}")
    return "; ".join(parts) + "."
