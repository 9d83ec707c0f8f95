"""`bardling completion`: the script is read by a real bash, and asked as the tab key asks it."""

import shlex
import subprocess
from pathlib import Path

import pytest

from bardling.cli import VERBS, main

ASK = """
. {script}
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_bardling
printf '%s\\n' "${{COMPREPLY[@]-}}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory) -> Path:
    """Return the script as a file, as a user would have it."""
    file = tmp_path_factory.mktemp("completion") / "bardling"
    with pytest.MonkeyPatch.context() as patch, file.open("w") as out:
        patch.setattr("sys.stdout", out)
        assert main(["completion", "bash"]) == 0
    return file


def offered(script: Path, words: str, folder: Path) -> set[str]:
    """Return what bash offers for the last of some words; an empty one is written ''."""
    asked = ASK.format(script=shlex.quote(str(script)), words=f"bardling {words}")
    done = subprocess.run(
        ["bash", "-u", "-c", asked], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return set(done.stdout.split())


def test_what_the_tab_key_offers(script, tmp_path):
    (tmp_path / "runs" / "will").mkdir(parents=True)
    assert offered(script, "''", tmp_path) == set(VERBS)
    assert offered(script, "gen", tmp_path) == {"generate"}
    assert offered(script, "data st", tmp_path) == {"stats", "stories"}
    assert offered(script, "data stories --d", tmp_path) == {"--documents"}
    assert offered(script, "generate w", tmp_path) == {"will"}
    assert offered(script, "generate will --top-", tmp_path) == {"--top-k", "--top-p"}
    assert offered(script, "train shake", tmp_path) == {"shakespeare"}
    assert "--model.n-layer" in offered(script, "train shakespeare --model.n", tmp_path)
    assert offered(script, "doctor --tem", tmp_path) == set()


def test_every_verb_offers_its_own_options(script, tmp_path):
    for verb in VERBS:
        known = offered(script, f"{verb} ''", tmp_path) | offered(script, f"{verb} --", tmp_path)
        assert known, verb


def test_another_shell_is_refused(cli):
    done = cli("completion", "fish")
    assert done.code == 2 and "fish" in done.err
