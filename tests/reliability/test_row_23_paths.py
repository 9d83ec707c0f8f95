"""No name in a file, a list or a word leads out of the folder that it belongs to.

Nothing elsewhere is opened at all: a child (`opened_files.py`) hears what it opens.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import opened_files
import pytest
from opened_files import HUB_PATHS, HUB_WORDS, RUN_NAMES, write_tokens_folder
from promises import Protection

PROTECTIONS = (
    Protection(
        file="data/token_folder.py",
        line='plain = path.is_absolute() or path.name == name != ".."',
        broken="plain = True",
        test="test_a_name_that_leads_elsewhere_opens_nothing_there[index up]",
    ),
    Protection(
        file="run_folder.py",
        line="if not _NAME.fullmatch(name):",
        broken="if not name:",
        test="test_a_name_that_leads_elsewhere_opens_nothing_there[run name '../up']",
    ),
    Protection(
        file="data/hub_files.py",
        line="and SHA1.fullmatch(self.commit)",
        broken="and self.commit",
        test="test_every_try_was_looked_at",
    ),
)
INDEX = (
    "up", "far up", "absolute", "dots", "dot", "nothing", "below", "nul", "there and back",
)  # fmt: skip
TRIES = {
    **{f"index {what}": "TokenFileError" for what in INDEX},
    **{f"run name {name!r}": "UsageError" for name in RUN_NAMES},
    **{f"word {word!r}": "UsageError" for word in HUB_WORDS},
    **{f"list {path!r}": "CorpusError" for path in HUB_PATHS},
    "run loaded": "taken",
    "run resumed": "taken",
}


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict:
    """Return what a child opened at each try."""
    folder = tmp_path_factory.mktemp("paths")
    (folder / "inside").mkdir()
    write_tokens_folder(folder / "outside")
    (folder / "outside" / "secret.txt").write_text("a secret " * 99)
    tests = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, opened_files.__file__, str(folder)], capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tests), *sys.path])}, timeout=100,
        cwd=folder / "inside",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_is_opened_elsewhere_would_be_heard(found):
    assert len(found["control"]["opened"]) == 1


@pytest.mark.parametrize("name", TRIES)
def test_a_name_that_leads_elsewhere_opens_nothing_there(found, name):
    assert found[name]["opened"] == []
    assert found[name]["said"].startswith(TRIES[name]), found[name]["said"]
    assert "\n" not in found[name]["said"]


def test_every_try_was_looked_at(found):
    hashes = {name: row for name, row in found.items() if name.startswith("hash ")}
    assert len(hashes) == 3
    for row in hashes.values():
        assert row["opened"] == [] and "which no dataset can hold" in row["said"]
    assert found.keys() == TRIES.keys() | hashes.keys() | {"control"}
