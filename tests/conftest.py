"""What several test folders share."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def real_text() -> Path:
    """Return the folder with real text; mark tests that use it with `real_text`."""
    if not (folder := os.environ.get("BARDLING_DATA")):
        pytest.skip("set BARDLING_DATA to the folder that holds tinyshakespeare.txt")
    return Path(folder)
