"""What the C library is asked to keep, and what it does where it cannot be asked."""

import ctypes
import sys

import pytest

from bardling.machine import memory


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's mallopt")
def test_glibc_is_asked_to_keep_what_is_freed(monkeypatch):
    asked = []

    class Library:
        @staticmethod
        def mallopt(name: int, value: int) -> int:
            asked.append((name, value))
            return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Library)
    assert memory.keep_freed_memory()
    assert asked == [(-3, 2**30), (-1, 2**30)]


def test_another_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not memory.keep_freed_memory()
