"""Real processes where machines are odd: no home, no compiler, no network, spaces and accents.

A person types `train`, `runs`, `generate` and `report` in a folder called "Mes textes d'été", on a
machine whose home nobody can write to, where no compiler is found, on a terminal of 60 columns and
into a pipe. Everything works, in the folder and in nothing else.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from terminals import on_a_terminal

SETTINGS = (
    *("--budget", "3steps", "--model.n-layer", "1", "--model.n-embd", "32", "--model.n-head", "2"),
    *("--model.block-size", "32", "--batch-size", "8", "--sample-tokens", "8"),
)
NOWHERE = "/proc/no-such-home"
"""A place that not even root can make: a home on a file system that takes nothing."""
WIDTH = 60


def surroundings(**more: str) -> dict[str, str]:
    """Return an environment with a home that cannot be, and programs but no compiler."""
    kept = {k: v for k, v in os.environ.items() if k in ("PYTHONPATH", "OMP_NUM_THREADS", "LANG")}
    return {**kept, "HOME": NOWHERE, "PATH": "/no/programs", **more}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("odd") / "Mes textes d'été"
    folder.mkdir()
    lines = ("Le vent se lève, il faut tenter de vivre.", "«Oui», dit-elle, «demain.»")
    (folder / "mon roman é.txt").write_text("\n".join(lines * 200), encoding="utf-8")
    return folder


def typed(place: Path, *words: str, **more: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "bardling", *words], cwd=place, env=surroundings(**more),
        capture_output=True, text=True, timeout=240, encoding="utf-8",
    )  # fmt: skip


def shown(place: Path, *words: str) -> tuple[int, str]:
    """Return the exit code of a verb and what it showed on a terminal of `WIDTH` columns."""
    environment = surroundings(COLUMNS=str(WIDTH), NO_COLOR="1")
    code, written = on_a_terminal(*words, environment=environment, cwd=place)
    return code, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written)


def test_from_a_text_to_a_page(place):
    done = typed(place, "train", "mon roman é.txt", "--name", "mer.1", *SETTINGS)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    run = place / "runs" / "mer.1"
    assert (run / "result.json").exists()
    code, told = shown(place, "runs")
    assert code == 0 and "mer.1" in told
    assert max(map(len, told.splitlines())) <= WIDTH
    done = typed(place, "generate", "mer.1", "--prompt", "Le vent", "--max-new-tokens", "5")
    assert done.returncode == 0 and done.stdout.startswith("Le vent"), done.stderr
    code, told = shown(place, "report", "mer.1", "--no-tokenizers")
    assert code == 0 and "this model" in told, told
    assert "mon roman é" in (run / "report.html").read_text(encoding="utf-8")


def test_a_plain_locale_reads_accents_too(place):
    done = typed(place, "data", "stats", "mon roman é.txt", LC_ALL="C", LANG="C")
    assert done.returncode == 0 and "mon roman é" in done.stdout, done.stderr


def test_a_name_that_is_no_utf_8_is_one_sentence(place):
    name = os.fsencode(place) + b"/caf\xe9.txt"
    Path(os.fsdecode(name)).write_text("Le vent se lève. " * 99, encoding="utf-8")
    done = typed(place, "train", os.fsdecode(b"caf\xe9.txt"), *SETTINGS)
    assert done.returncode == 2, done.stderr
    assert "is not UTF-8" in done.stderr and "Traceback" not in done.stderr
