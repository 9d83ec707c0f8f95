"""What several test folders share."""

import os
import signal
from pathlib import Path

import pytest

# Jobs in the background are started with Ctrl-C ignored, and their children inherit that; the
# tests of Ctrl-C are to mean the same there.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def real_text() -> Path:
    """Return the folder with real text; mark tests that use it with `real_text`."""
    if not (folder := os.environ.get("BARDLING_DATA")):
        pytest.skip("set BARDLING_DATA to the folder that holds tinyshakespeare.txt")
    return Path(folder)
