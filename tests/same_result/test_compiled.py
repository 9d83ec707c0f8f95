"""Compiled = eager and accumulated = one batch, at 1e-10 in float64."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_compiling_and_accumulating_change_no_result(tmp_path):
    kept = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("compare_compiled.py"), "modern"],
        capture_output=True,
        text=True,
        env={**kept, "TORCHINDUCTOR_CACHE_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["moved"] > 1e-3  # there was something to compare
    assert found["fp64"] < 1e-10
