"""Opening a file runs no code: hostile files in every place that is read, and a scan of the source.

Each file carries a canary: code that makes a file when it runs. An audit hook hears what is begun
besides: modules found by an unpickler, processes, libraries, code that is compiled. Where a manifest
or an index vouches for files, it vouches for these, so that whoever parses them is reached.
"""

import ast
import gzip
import io
import json
import os
import pickle
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from promises import Protection

import bardling
from bardling.checkpoint import load_checkpoint
from bardling.data.config import DataConfig
from bardling.data.prepare import prepare
from bardling.data.token_folder import Index, open_split, write_index, write_split
from bardling.errors import BardlingError
from bardling.kernels import library
from bardling.run_folder import RunFolder
from bardling.text.characters import CharacterTokenizer
from bardling.text.tokenizer_file import load_tokenizer, save_tokenizer
from tiny import SETTINGS, write_text

ROOT = Path(bardling.__file__).parent
TOKENIZER = CharacterTokenizer(characters="abcdefghij")
IDS = np.arange(900, dtype=np.uint32) % 10
QUICK = SETTINGS | {"budget": "2steps", "eval_interval_steps": 2}
WORD = "bardling_canary"

ALWAYS = {"pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen"}
WITH_WORD = {"exec", "compile", "import", "ctypes.dlopen", "marshal.loads", "open"}


class Ears:
    """Hears what is begun in this process, while it is asked to."""

    def __init__(self) -> None:
        self.listens, self.heard = False, list[str]()
        sys.addaudithook(self.hear)

    def hear(self, event: str, words: tuple) -> None:
        if self.listens and (event in ALWAYS or (event in WITH_WORD and WORD in named(words))):
            self.heard.append(f"{event} {named(words)[:200]}")

    def during(self, act: Callable[[], object]) -> list[str]:
        """Return what was begun during an act, which may end in any error of ours."""
        self.heard, self.listens = [], True
        try:
            with suppress(BardlingError):
                act()
        except Exception as error:
            self.heard.append(f"{type(error).__name__}: {error}")
        finally:
            self.listens = False
        return self.heard


def named(words: tuple) -> str:
    """Return the words of an event, with the constants of code that is run."""
    return " ".join(str(getattr(word, "co_consts", word)) for word in words)


@pytest.fixture(scope="module")
def ears() -> Ears:
    return Ears()


class Bomb:
    """Runs code where it is unpickled."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __reduce__(self):
        return exec, (self.code,)


class Canary:
    """One piece of code in the forms in which files could carry it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / WORD
        self.code = f"open({str(self.path)!r}, 'w').close()"
        self.shell = f"touch {self.path}"
        bomb = Bomb(self.code)
        self.pickle, self.old_pickle = pickle.dumps(bomb), pickle.dumps(bomb, protocol=0)
        self.torch = self._torch(bomb)
        self.old_torch = self._torch(bomb, _use_new_zipfile_serialization=False)
        self.npy, self.npz = io.BytesIO(), io.BytesIO()
        objects = np.array([bomb], dtype=object)
        np.save(self.npy, objects)
        np.savez(self.npz, weight=objects)
        self.yaml = f'model: !!python/object/apply:os.system ["{self.shell}"]\n'.encode()
        self.jinja = "{{ cycler.__init__.__globals__.os.system(%r) }}" % self.shell

    @staticmethod
    def _torch(bomb: Bomb, **how: Any) -> bytes:
        data = io.BytesIO()
        torch.save({"embedding.weight": bomb}, data, **how)
        return data.getvalue()

    def sang(self) -> bool:
        """Tell whether the code has run, and get ready for the next time."""
        there = self.path.exists()
        self.path.unlink(missing_ok=True)
        return there


def unsafe_readers(canary: Canary) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield how others read such files, each of which runs the code."""
    yield "pickle", lambda: pickle.loads(canary.pickle)
    yield "old pickle", lambda: pickle.loads(canary.old_pickle)
    for name, data in (("torch", canary.torch), ("old torch", canary.old_torch)):
        yield name, lambda data=data: torch.load(io.BytesIO(data), weights_only=False)
    yield "npy", lambda: np.load(io.BytesIO(canary.npy.getvalue()), allow_pickle=True)
    yield (
        "npz",
        lambda: np.load(io.BytesIO(canary.npz.getvalue()), allow_pickle=True)["weight"],
    )
    yield "yaml", lambda: pytest.importorskip("yaml").unsafe_load(canary.yaml)
    yield "jinja", lambda: pytest.importorskip("jinja2").Template(canary.jinja).render()


def test_the_canaries_are_alive(tmp_path, ears):
    canary = Canary(tmp_path)
    for name, read in unsafe_readers(canary):
        heard = ears.during(read)
        assert canary.sang(), name
        assert heard, name
