"""Runs the experiments of the pages, and compares or records what they print.

A fenced `console` block holds commands, each after `$ ` (a line that ends with a backslash goes
on). A `python` block is a script of its own. Where a `text` block follows at once, it is what was
printed. All blocks of a page run in order in one scratch folder. Words after the language:

    console no-run    is not run (the page says why); so with python
    console fails     must end with an error, which is what the page shows
    text sample       is recorded and not compared: another processor would draw other words
    ...               as a line of the text stands for any lines that were left out

What is said on the error channel (progress, notes) belongs to the output only of what fails.
Numbers with a point may differ by 3 % or 0.03, because processors sum in different orders; clock,
speed, memory, paths and the name of the processor are not compared at all.

    python docs/tools/blocks.py docs/course           # runs and compares
    python docs/tools/blocks.py docs/course --write   # runs and records
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(
    r"(?ms)^```(?P<kind>console|python|text)(?P<words>[^\n`]*)\n(?P<body>.*?)^```$\n?"
)
RUN_MARK = "<!-- blocks: run -->"
"""Pages outside the course are run where they hold this line."""
LIMIT_SECONDS = 300.0
SKIPPED = "..."
CLOSE_RELATIVE, CLOSE_ABSOLUTE = 0.03, 0.03
# What the clock, the machine and the place of the scratch folder decide.
VARYING = [
    (re.compile(r"(?m)^( *)(on|budget) {2,}.*$"), r"\1\2 …"),
    (re.compile(r"\b[\d,.]+[kM]? (tokens|texts|steps)/s"), "… per second"),
    (re.compile(r"\b\d+:\d\d(:\d\d)?\b( left)?"), "…"),
    (re.compile(r"\b[\d.,]+ ?(ms|s|seconds|minutes|[KMGT]iB|[kMGT]B)\b"), "…"),
    (re.compile(r"/[\w./-]*scratch-\w+"), "…"),
    (re.compile(r"[ \t]+"), " "),
]
NUMBER = re.compile(r"-?\d[\d,]*\.\d+")


@dataclass(frozen=True, kw_only=True)
class Block:
    """One block that is run, and the recorded text that follows it, if there is one."""

    kind: str
    words: frozenset[str]
    body: str
    text: "re.Match[str] | None"

    @property
    def is_run(self) -> bool:
        """Whether it is run at all."""
        return "no-run" not in self.words


def blocks(source: str) -> Iterator[Block]:
    """Yield the blocks of a page that can be run, in order."""
    fences = list(FENCE.finditer(source))
    for fence, following in zip(fences, [*fences[1:], None]):
        if fence["kind"] == "text":
            continue
        follows = following is not None and following["kind"] == "text"
        if follows and following is not None:
            follows = not source[fence.end() : following.start()].strip()
        yield Block(
            kind=fence["kind"],
            words=frozenset(fence["words"].split()),
            body=fence["body"],
            text=following if follows else None,
        )


def commands(body: str) -> list[str]:
    """Return the commands of a console block."""
    found: list[str] = []
    goes_on = False
    for line in body.splitlines():
        if goes_on:
            found[-1] += "\n" + line
        elif line.startswith("$ "):
            found.append(line[2:])
        else:
            raise SystemExit(f"a line of a console block does not begin with '$ ': {line!r}")
        goes_on = line.endswith("\\")
    return found


def run(block: Block, folder: Path) -> tuple[str, bool]:
    """Run a block; returns what was printed, and whether it ended as it should."""
    if block.kind == "python":
        script = folder / ".block.py"
        script.write_text(block.body, "utf-8")
        asked = [[sys.executable, script.name]]
    else:
        asked = [["bash", "-c", command] for command in commands(block.body)]
    printed, failed = "", False
    for arguments in asked:
        done = subprocess.run(
            arguments,
            cwd=folder,
            env=environment(folder.parent / "bin"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT_SECONDS,
            encoding="utf-8",
        )
        is_error = done.returncode != 0
        printed += done.stdout + (done.stderr if is_error else "")
        failed = failed or is_error
    return tidy(printed), failed == ("fails" in block.words)


def environment(programs: Path) -> dict[str, str]:
    """Return an environment in which `bardling` is this tree's, and nobody is at the terminal."""
    programs.mkdir(exist_ok=True)
    for name, call in (("bardling", "-m bardling"), ("python", "")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {call} "$@"\n', "utf-8")
        program.chmod(0o755)
    kept = {k: v for k, v in os.environ.items() if k != "BARDLING_RUNS"}
    path = [str(ROOT / "src"), *filter(None, [kept.get("PYTHONPATH")])]
    return kept | {
        "PATH": f"{programs}{os.pathsep}{kept['PATH']}",
        "PYTHONPATH": os.pathsep.join(path),
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "PYTHONWARNINGS": "ignore",
    }


def tidy(printed: str) -> str:
    """Return output without blanks at line ends, empty lines around it, and overwritten lines."""
    lines = [line.rsplit("\r", 1)[-1].rstrip() for line in printed.splitlines()]
    return "\n".join(lines).strip("\n") + "\n"


def plain(text: str) -> str:
    """Return text without what clock and machine decide."""
    for pattern, instead in VARYING:
        text = pattern.sub(instead, text)
    return text.strip()


def same_line(found: str, recorded: str) -> bool:
    """Whether two lines say the same, their numbers with a point about the same."""
    found, recorded = plain(found), plain(recorded)
    if NUMBER.sub("#", found) != NUMBER.sub("#", recorded):
        return False
    pairs = zip(NUMBER.findall(found), NUMBER.findall(recorded))
    return all(_close(float(a.replace(",", "")), float(b.replace(",", ""))) for a, b in pairs)


def _close(a: float, b: float) -> bool:
    return abs(a - b) <= max(CLOSE_ABSOLUTE, CLOSE_RELATIVE * max(abs(a), abs(b)))


def same(found: list[str], recorded: list[str]) -> bool:
    """Whether the recorded lines are the found ones, `...` standing for any."""
    if not recorded or not found:
        return all(line == SKIPPED for line in recorded) and not found
    if recorded[0] == SKIPPED:
        return any(same(found[n:], recorded[1:]) for n in range(len(found) + 1))
    return same_line(found[0], recorded[0]) and same(found[1:], recorded[1:])


def shortened(found: str, recorded: str) -> str:
    """Return output with as many lines left out as in the record that it replaces."""
    before, after = recorded.splitlines(), found.splitlines()
    if before.count(SKIPPED) != 1:
        return found
    head = before.index(SKIPPED)
    tail = len(before) - head - 1
    if len(after) <= head + tail + 1:
        return found
    return "\n".join([*after[:head], SKIPPED, *after[len(after) - tail :]]) + "\n"


def check(page: Path, *, write: bool) -> list[str]:
    """Run a page's blocks; returns what is wrong, after recording what was asked to be."""
    source = page.read_text("utf-8")
    wrong: list[str] = []
    changes: list[tuple[int, int, str]] = []
    with tempfile.TemporaryDirectory(prefix="scratch-") as place:
        folder = Path(place) / "here"
        folder.mkdir()
        for block in filter(lambda b: b.is_run, blocks(source)):
            begun = time.monotonic()
            printed, is_well = run(block, folder)
            name = f"{page.relative_to(ROOT)}: {block.body.splitlines()[0]}"
            print(f"{time.monotonic() - begun:6.1f} s  {name}", flush=True)
            if not is_well:
                wrong.append(f"{name}\nended otherwise than it should:\n{printed}")
            elif block.text is not None:
                recorded = block.text["body"]
                if write:
                    new = shortened(printed, recorded)
                    changes.append((block.text.start("body"), block.text.end("body"), new))
                elif "sample" not in block.text["words"].split() and not same(
                    printed.splitlines(), recorded.splitlines()
                ):
                    wrong.append(f"{name}\nprinted:\n{printed}and not:\n{recorded}")
    for start, end, new in reversed(changes):
        source = source[:start] + new + source[end:]
    if changes and not wrong:
        page.write_text(source, "utf-8")
    return wrong


def pages(places: list[Path]) -> list[Path]:
    """Return the pages of files and folders; outside the course, those that ask to be run."""
    found = [
        page for place in places for page in (place.rglob("*.md") if place.is_dir() else [place])
    ]
    course = ROOT / "docs" / "course"
    return sorted(
        p.resolve()
        for p in found
        if course in p.resolve().parents or RUN_MARK in p.read_text("utf-8")
    )


def main() -> int:
    """Run the pages that are named; returns 1 where something is not as recorded."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("places", nargs="+", type=Path, help="pages, or folders of them")
    parser.add_argument("--write", action="store_true", help="record what is printed")
    asked = parser.parse_args()
    wrong = [line for page in pages(asked.places) for line in check(page, write=asked.write)]
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
