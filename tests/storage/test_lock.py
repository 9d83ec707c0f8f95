"""One writer at a time, also across processes, and never a lock left behind."""

import subprocess
import sys

import pytest

from bardling import storage
from bardling.errors import StorageError

HOLD = """
import sys
from pathlib import Path
from bardling import storage
with storage.only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_process_is_refused_until_the_first_is_gone(tmp_path):
    folder = tmp_path / "runs" / "demo"
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(StorageError, match="another process is writing"):
            storage.only_writer(folder).__enter__()
        child.kill()
        child.wait()
        with storage.only_writer(folder):
            assert folder.is_dir()


def test_the_lock_goes_when_the_work_fails(tmp_path):
    with pytest.raises(ValueError, match="work"), storage.only_writer(tmp_path):
        raise ValueError("work")
    with storage.only_writer(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        storage.only_writer(tmp_path / "file" / "demo").__enter__()
