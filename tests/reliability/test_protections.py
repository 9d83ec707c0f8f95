"""Each promise rests on lines that are there: broken one by one in a copy, the row's test fails."""

import atexit
import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from promises import Protection

import bardling

HERE = Path(__file__).parent
SOURCE = Path(bardling.__file__).parent
FAILED = re.compile(r"^(FAILED|ERROR) .*::", re.MULTILINE)
"""What pytest says of a test that has failed, and not of one that it could not begin."""


WARM = """
import json, os, sys
import hypothesis, jaxtyping, numpy, pytest, safetensors.torch, torch
import torch.distributed, torch.nn.parallel
for line in sys.stdin:
    folder, words, said = json.loads(line)
    pid = os.fork()
    if pid == 0:
        with open(said, "wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.path.insert(0, folder)
        os.environ["PYTHONPATH"] = folder
        os._exit(int(pytest.main(words)))
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Warm:
    """A process that has loaded what takes long, and nothing of ours; it forks for each test.

    How much of a copy a test reaches is nobody's question: coverage is not told of it.
    """

    def __init__(self) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", WARM],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE.parents[1],
            env={**environment, "PYTHONDONTWRITEBYTECODE": "1", "PATIENCE_SECONDS": "15"},
        )  # fmt: skip
        atexit.register(self.close)

    def ask(self, folder: Path, words: list[str], said: Path) -> int:
        """Run pytest on the copy in a folder; return its exit code."""
        print(json.dumps([str(folder), words, str(said)]), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """Let it end."""
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def words_for(path: Path, protection: Protection) -> list[str]:
    """Return what pytest is told, which says of what is loaded already that it is late for it."""
    warm_is_meant = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
    words = ("-x", "-q", *warm_is_meant, "-p", "no:cacheprovider", "-m", "not slow")
    return [*words, f"{path}::{protection.test}"]


@cache
def warm() -> Warm:
    """Return the warm process of this one."""
    return Warm()


def protections() -> list:
    """Return every protection with the file of its test, named by row and line."""
    found = []
    for path in sorted(HERE.glob("test_row_*.py")):
        row = int(re.search(r"row_(\d\d)", path.name)[1])
        kept = getattr(import_module(path.stem), "PROTECTIONS", ())
        for number, protection in enumerate(kept):
            name = f"{row}-{Path(protection.file).stem}-{number}"
            found.append(pytest.param(path, protection, id=name, marks=pytest.mark.sweep))
    return found


@pytest.mark.parametrize(("path", "protection"), protections())
def test_protection(path: Path, protection: Protection, tmp_path: Path):
    copy = shutil.copytree(SOURCE, tmp_path / "bardling", ignore=shutil.ignore_patterns("*.pyc"))
    source = copy / protection.file
    text = source.read_text()
    assert text.count(protection.line) == 1, "the line is not there, or more than once"
    source.write_text(text.replace(protection.line, protection.broken))
    code = warm().ask(tmp_path, words_for(path, protection), tmp_path / "said")
    said = (tmp_path / "said").read_text()
    assert code == 1 and FAILED.search(said), said[-2000:]


def test_with_every_line_as_it_is_the_test_of_a_protection_passes(tmp_path: Path):
    """So that a broken line is why one fails, and not how it is run."""
    path, protection = protections()[0].values
    shutil.copytree(SOURCE, tmp_path / "bardling", ignore=shutil.ignore_patterns("*.pyc"))
    code = warm().ask(tmp_path, words_for(path, protection), tmp_path / "said")
    assert code == 0, (tmp_path / "said").read_text()[-2000:]


def test_protections_are_where_they_are_said_to_be():
    for item in protections():
        _, protection = item.values
        assert (SOURCE / protection.file).read_text().count(protection.line) == 1, item.id
