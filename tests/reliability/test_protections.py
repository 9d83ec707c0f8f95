"""Each promise rests on lines that are there: broken one by one in a copy, the row's test fails."""

import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from promises import Protection

import bardling

HERE = Path(__file__).parent
SOURCE = Path(bardling.__file__).parent


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
    words = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not slow", f"{path}::{protection.test}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        capture_output=True, text=True, cwd=HERE.parents[1],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 1, done.stdout[-2000:]


def test_protections_are_where_they_are_said_to_be():
    for item in protections():
        _, protection = item.values
        assert (SOURCE / protection.file).read_text().count(protection.line) == 1, item.id
