"""From C++ to functions: compiled once for this processor, kept in the cache, called by ctypes.

A library is named by the hash of everything it was made from: sources, options, compiler and
processor. So a new version never meets an old library, and a cache that several machines share
never gives one of them instructions it lacks.
"""

import ctypes
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from platformdirs import user_cache_path
from torch import Tensor
from torch.profiler import record_function

from bardling import storage
from bardling.errors import BardlingError, KernelError
from bardling.machine.compiling import NO_COMPILER, find_compiler
from bardling.machine.kernel import kernel_text

SOURCES = {
    "training": ("norm.cpp", "attention.cpp", "pointwise.cpp"),
    "decoding": ("decode.cpp",),
}
HEADERS = ("common.h", "heads.h", "lanes.h", "matrix.h", "multiply.h", "panels.h", "tiles.h")
FLAGS = (
    "-std=c++20",
    "-O3",
    "-march=native",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fopenmp",
)
WIDE = {"x86_64": ("-mprefer-vector-width=512",)}
COMPILE_SECONDS = 300
TYPES = {torch.float32: "fp32", torch.bfloat16: "bf16"}
"""The types that kernels exist for, by the ends of their names."""


class Library:
    """The functions of a compiled library; they run on as many threads as torch does."""

    def __init__(self, path: Path) -> None:
        self._functions = ctypes.CDLL(str(path))
        self.made_from = path.stem.rpartition("-")[2][:8]
        """A hash of sources, options, compiler and processor, on which the last bits rest."""

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function with tensors, structures and None, and the number of threads after."""
        function = getattr(self._functions, name)
        words = (*map(_pointer, arguments), ctypes.c_int(torch.get_num_threads()))
        if torch._C._autograd._profiler_enabled():
            with record_function(name):
                function(*words)
        else:
            function(*words)

    def call_typed(self, name: str, dtype: torch.dtype, *arguments: Any) -> None:
        """Call the form of a function that exists for `dtype`."""
        self.call(f"{name}_{TYPES[dtype]}", *arguments)


def _pointer(value: Tensor | ctypes.Structure | None) -> Any:
    if isinstance(value, Tensor):
        return ctypes.c_void_p(value.data_ptr())
    return None if value is None else ctypes.byref(value)


def load_library(name: str) -> Library:
    """Return a library, compiled if it is not in the cache.

    Raises `KernelError` where there is no compiler for it or it does not work.
    """
    found = _attempt(name)
    if isinstance(found, KernelError):
        raise found
    return found


@lru_cache(maxsize=4)
def _attempt(name: str) -> Library | KernelError:
    """Try once in a process; what failed would fail again."""
    try:
        return _find(name)
    except KernelError as error:
        return error
    except (BardlingError, OSError) as error:  # no place for the cache, no process to be had
        return KernelError(f"the kernels could not be compiled: {error}")


def _find(name: str) -> Library:
    compiler = find_compiler(torch.device("cpu"))
    if platform.system() != "Linux" or compiler is None:
        raise KernelError(NO_COMPILER if compiler is None else "the kernels need Linux")
    folder = Path(__file__).parent
    sources = [folder / file for file in SOURCES[name]]
    flags = [*FLAGS, *WIDE.get(platform.machine(), ())]
    path = _place(name, [*sources, *(folder / header for header in HEADERS)], [compiler, *flags])
    if not storage.exists(path):
        _compile(compiler, flags, sources, path)
    _require_own(path)
    try:
        return Library(path)
    except OSError as error:
        raise KernelError(f"{path} cannot be loaded ({error}); remove it") from error


def _require_own(path: Path) -> None:
    """Refuse a library that someone else could have put there, since loading it runs it."""
    found = path.stat()
    if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise KernelError(f"{path} belongs to someone else or can be written by others; remove it")


def _place(name: str, files: Sequence[Path], options: Sequence[str]) -> Path:
    """Return where a library lies that was made from these files, so, on such a processor."""
    cpuinfo = kernel_text("/proc/cpuinfo").splitlines()
    kinds = sorted({line for line in cpuinfo if line.startswith(("model name", "flags", "Feat"))})
    made_from = [storage.read_bytes(file) for file in files]
    text = "\n".join((*options, _version(options[0]), *kinds)).encode()
    digest = storage.sha256(b"\0".join((*made_from, text)))
    return user_cache_path("bardling") / "kernels" / f"{name}-{digest[:24]}.so"


@lru_cache(maxsize=4)
def _version(compiler: str) -> str:
    """Return where a compiler is and which it says it is."""
    command = [compiler, "--version"]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return f"{shutil.which(compiler)} {told.stdout}"


def _compile(compiler: str, flags: Sequence[str], sources: Sequence[Path], path: Path) -> None:
    """Compile all sources at the same time, link them, and put the library in its place."""
    with tempfile.TemporaryDirectory(prefix="bardling-") as folder:
        objects = [str(Path(folder) / f"{source.stem}.o") for source in sources]
        commands = [
            [compiler, *flags, "-fPIC", "-c", str(source), "-o", target]
            for source, target in zip(sources, objects, strict=True)
        ]
        _finish([_start(command, folder) for command in commands])
        linked = Path(folder) / "linked.so"
        _finish([_start([compiler, "-shared", "-fopenmp", *objects, "-o", str(linked)], folder)])
        storage.write_bytes(path, storage.read_bytes(linked))
        path.chmod(0o600)


def _start(command: Sequence[str], folder: str) -> subprocess.Popen[str]:
    """Start a compiler that writes into `folder` only."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "TMPDIR": folder},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finish(started: Sequence[subprocess.Popen[str]]) -> None:
    """Wait for compilers; raise `KernelError` with the first complaint of one that failed."""
    try:
        told = [process.communicate(timeout=COMPILE_SECONDS)[1] for process in started]
    except subprocess.TimeoutExpired as error:
        raise KernelError(f"the compiler took more than {COMPILE_SECONDS} s") from error
    finally:
        for process in started:
            process.kill()
            process.communicate()
    for process, complaint in zip(started, told, strict=True):
        if process.returncode:
            first = next(iter(complaint.strip().splitlines()), f"exit code {process.returncode}")
            raise KernelError(f"the kernels could not be compiled: {first[:200]}")
