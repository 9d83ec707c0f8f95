"""Compiling: once, into the cache, and one sentence where it cannot be done."""

import subprocess
from pathlib import Path

import pytest
import torch

from bardling.errors import KernelError, StorageError
from bardling.kernels import library
from bardling.kernels.library import SOURCES, load_library


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Give an empty cache, and forget what was loaded."""
    monkeypatch.setattr(library, "user_cache_path", lambda name: tmp_path / name)
    monkeypatch.setattr(library, "_attempt", library._attempt.__wrapped__)
    return tmp_path / "bardling" / "kernels"


def test_compiled_once_and_found_again(cache, monkeypatch):
    library.load_library("decoding")
    (made,) = cache.iterdir()
    monkeypatch.setattr(subprocess, "Popen", None)  # nothing is started any more
    library.load_library("decoding")
    assert list(cache.iterdir()) == [made] and made.name.startswith("decoding-")


def test_other_sources_make_another_library(cache, monkeypatch):
    real = library._place
    first = real("decoding", [Path(library.__file__)], ["g++"])
    assert first != real("decoding", [Path(__file__)], ["g++"])
    assert first != real("decoding", [Path(library.__file__)], ["g++", "-O1"])
    monkeypatch.setattr(library, "kernel_text", lambda path: "model name : another")
    assert first != real("decoding", [Path(library.__file__)], ["g++"])


def test_a_compiler_that_fails_is_one_sentence_and_leaves_nothing(cache, monkeypatch):
    monkeypatch.setattr(library, "FLAGS", ("--no-such-option",))
    with pytest.raises(KernelError, match=r"could not be compiled: .*no-such-option"):
        library.load_library("decoding")
    assert not cache.exists()


def test_no_compiler_is_one_sentence(cache, monkeypatch):
    monkeypatch.setattr(library, "find_compiler", lambda device: None)
    with pytest.raises(KernelError, match=r"neither g\+\+ nor clang\+\+ is found"):
        library.load_library("decoding")


def test_a_compiler_that_hangs_is_ended(cache, monkeypatch):
    started = []
    monkeypatch.setattr(library, "COMPILE_SECONDS", 0.0)
    real = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda *a, **k: started.append(real(*a, **k)) or started[-1]
    )
    with pytest.raises(KernelError, match=r"more than 0\.0 s"):
        library.load_library("decoding")
    assert [process.wait() for process in started if "-c" in process.args] == [-9]


def test_a_damaged_library_is_named(cache, monkeypatch):
    def damaged(compiler, flags, sources, path):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"not a library")

    monkeypatch.setattr(library, "_compile", damaged)
    with pytest.raises(KernelError, match=r"decoding-\w+\.so cannot be loaded .*; remove it"):
        library.load_library("decoding")


def test_there_is_one_pool_of_threads():
    for name in SOURCES:
        load_library(name)
    assert torch.get_num_threads() >= 1
    loaded = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines()}
    pools = [Path(path) for path in loaded if path.endswith("libgomp.so.1")]
    assert [path.parent.parent.name for path in pools] == ["torch"]


@pytest.mark.parametrize("fault", ["cache", "process"])
def test_no_place_and_no_process_are_one_sentence(cache, monkeypatch, fault):
    def refused(*_, **__):
        raise PermissionError(13, "Permission denied") if fault == "process" else StorageError("no")

    target = (subprocess, "Popen") if fault == "process" else (library.storage, "write_bytes")
    monkeypatch.setattr(*target, refused)
    with pytest.raises(KernelError, match="the kernels could not be compiled: "):
        library.load_library("decoding")


def test_a_library_that_others_could_have_written_is_not_run(cache, monkeypatch):
    def planted(compiler, flags, sources, path):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"evil")
        path.chmod(0o666)

    monkeypatch.setattr(library, "_compile", planted)
    with pytest.raises(KernelError, match="can be written by others; remove it"):
        library.load_library("decoding")
