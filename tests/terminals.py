"""A terminal of its own for a real process, and what it is shown there."""

import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def on_a_terminal(
    *words: str, environment: Mapping[str, str], cwd: Path | None = None
) -> tuple[int, str]:
    """Return the exit code of `bardling WORDS` and all that it wrote, signs for colours too."""
    own, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "bardling", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=cwd,
        env={**environment, "TERM": "xterm-256color"},
    )
    os.close(theirs)
    pieces = []
    while piece := _read(own):
        pieces.append(piece)
    os.close(own)
    return child.wait(), b"".join(pieces).decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux's way of saying that the other end has gone
        return b""
