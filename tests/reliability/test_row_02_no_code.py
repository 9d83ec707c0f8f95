"""Opening a file runs no code: hostile files in every place that is read, and a scan of the source.

Each file carries a canary: code that makes a file when it runs. An audit hook hears what is begun
besides: modules found by an unpickler, processes, libraries, code that is compiled. Where a
manifest or an index vouches for files, it vouches for these, so that whoever parses them is
reached.
"""

import ast
import gzip
import io
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
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
from together import ENVIRONMENT

ROOT = Path(bardling.__file__).parent
TOKENIZER = CharacterTokenizer(characters="abcdefghij")
IDS = np.arange(900, dtype=np.uint32) % 10
QUICK = SETTINGS | {"budget": "2steps", "eval_interval_steps": 2}
WORD = "bardling_canary"

ALWAYS = {"pickle.find_class"}
WITH_WORD = {
    *("exec", "compile", "import", "marshal.loads", "ctypes.dlopen"),
    *("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen"),
}


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
        self.jinja = f"{{{{ cycler.__init__.__globals__.os.system({self.shell!r}) }}}}"

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


class Nest:
    """The places that are read, each with room for a hostile file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.canary = folder, Canary(folder)
        text = write_text(folder)
        self.run = bardling.train(text, name="honest", runs_dir=folder, **QUICK).folder
        self.n_made = 0

    def place(self) -> Path:
        """Return a new folder."""
        self.n_made += 1
        made = self.folder / f"place-{self.n_made}"
        made.mkdir()
        return made

    def file(self, name: str, data: bytes | str) -> Path:
        """Write a file into a new folder."""
        path = self.place() / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def checkpoint(self, **changed: bytes) -> Callable[[], object]:
        """Return what opens a checkpoint with other files, which its manifest vouches for."""
        source = self.run.checkpoint_path(2)
        folder = self.place() / source.name
        folder.mkdir()
        (folder.parent / f"{WORD}.py").write_text(self.canary.code)
        (folder / f"{WORD}.py").write_text(self.canary.code)
        files = {path.name: path.read_bytes() for path in source.iterdir()}
        files |= {name.replace("__", "."): data for name, data in changed.items()}
        files[f"{WORD}.py"] = self.canary.code.encode()
        del files["manifest.json"]
        for name, data in files.items():
            (folder / name).write_bytes(data)
        listed = {n: {"bytes": len(d), "sha256": sha256(d).hexdigest()} for n, d in files.items()}
        (folder / "manifest.json").write_text(json.dumps({"files": listed}))
        return lambda: bardling.load(folder).generate("1", max_new_tokens=2)

    def changed_json(self, name: str, **values: Any) -> bytes:
        """Return one of a checkpoint's JSON files with more in it."""
        return json.dumps(
            json.loads((self.run.checkpoint_path(2) / name).read_text()) | values
        ).encode()

    def manifest(self, data: bytes) -> Callable[[], object]:
        """Return what opens a checkpoint with another manifest."""
        folder = self.place() / "step-000002"
        folder.mkdir()
        for path in self.run.checkpoint_path(2).iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        (folder / "manifest.json").write_bytes(data)
        return lambda: load_checkpoint(folder)

    def tokens(
        self, shard: bytes | None = None, index: bytes | None = None
    ) -> Callable[[], object]:
        """Return what opens a corpus in tokens, whose index knows the shard."""
        folder = self.place()
        shards = {split: write_split(folder, split, [IDS], TOKENIZER) for split in ("train", "val")}
        write_index(folder, Index(tokenizer_sha256=TOKENIZER.sha256, shards=shards))
        save_tokenizer(TOKENIZER, folder)
        listed = json.loads((folder / "index.json").read_text())
        if shard is not None:
            path = folder / "train-00000.bin"
            path.write_bytes(shard)
            entry = {"file": path.name, "tokens": len(shard) // 2}
            listed["splits"]["train"] = [entry | {"sha256": sha256(shard).hexdigest()}]
        (folder / "index.json").write_bytes(json.dumps(listed).encode() if index is None else index)
        return lambda: open_split(folder, "train", TOKENIZER)[:]

    def corpus(self, name: str, data: bytes, **settings: Any) -> Callable[[], object]:
        """Return what reads a corpus from beginning to end."""
        path = self.file(name, data)
        (path.parent / f"{WORD}.py").write_text(self.canary.code)
        (path.parent / "setup.py").write_text(self.canary.code)
        return partial(self.read_corpus, path, settings)

    @staticmethod
    def read_corpus(path: Path, settings: dict[str, Any]) -> None:
        config = DataConfig(corpus=str(path), **settings)
        prepared = prepare(config, data_dir=None, note=lambda told: None)
        for split in ("train", "val"):
            list(prepared.pieces(split))

    def folder_of(self, **files: bytes) -> Path:
        folder = self.place()
        for name, data in files.items():
            (folder / name.replace("__", ".")).write_bytes(data)
        return folder


def weights(nest: Nest) -> Iterator[tuple[str, Callable[[], object]]]:
    canary, open_it = nest.canary, nest.checkpoint
    forms = {
        "pickle": canary.pickle, "torch": canary.torch, "old torch": canary.old_torch,
        "npy": canary.npy.getvalue(), "npz": canary.npz.getvalue(),
    }  # fmt: skip
    for name, data in forms.items():
        yield f"weights, {name}", open_it(model__safetensors=data)
        yield f"optimizer, {name}", open_it(optimizer__safetensors=data)
    data = (nest.run.checkpoint_path(2) / "model.safetensors").read_bytes()
    size = int.from_bytes(data[:8], "little")
    more = {"format": "pickle", "__reduce__": canary.code, "auto_map": f"{WORD}.Model"}
    header = json.dumps(json.loads(data[8 : 8 + size]) | {"__metadata__": more}).encode()
    told = len(header).to_bytes(8, "little") + header + data[8 + size :]
    yield "weights, words beside them", open_it(model__safetensors=told)
    yield (
        "weights, distributed",
        open_it(**{"__metadata": canary.pickle, "__0_0__distcp": canary.torch}),
    )
    yield "weights, beside them a .pt", open_it(pytorch_model__bin=canary.torch)


def settings_and_state(nest: Nest) -> Iterator[tuple[str, Callable[[], object]]]:
    canary, open_it, changed = nest.canary, nest.checkpoint, nest.changed_json
    hooks = {
        "auto_map": {"AutoConfig": f"{WORD}.Config", "AutoModelForCausalLM": f"{WORD}.Model"},
        "trust_remote_code": True, "architectures": [WORD],
    }  # fmt: skip
    made = {"py/reduce": [{"py/function": "builtins.exec"}, {"py/tuple": [canary.code]}]}
    for name in ("state", "config"):
        for form, data in {
            "pickle": canary.pickle, "old pickle": canary.old_pickle, "YAML": canary.yaml,
            "auto_map": changed(f"{name}.json", **hooks),
            "_target_": changed(f"{name}.json", _target_="builtins.exec", _args_=[canary.code]),
            "jsonpickle": changed(f"{name}.json", conditions=made, model=made, latest=made),
        }.items():  # fmt: skip
            yield f"{name}, {form}", open_it(**{f"{name}__json": data})
    model = {"kind": f"__import__('{WORD}')", "attention": f"exec({canary.code!r})"}
    yield "config, expressions", open_it(config__json=changed("config.json", model=model))
    yield "manifest, pickle", nest.manifest(canary.old_pickle)
    yield "manifest, YAML", nest.manifest(canary.yaml)
    run = RunFolder(nest.place())
    log = canary.old_pickle.replace(b"\n", b"\\n")
    for path in (run.config_path, run.result_path, run.metrics_path):
        path.write_bytes(canary.old_pickle)
    yield "run, config.json", run.config
    yield "run, result.json", run.result
    yield "run, metrics.jsonl", run.metrics
    yield "run, gone on with", partial(bardling.api.train_config, None, resume=run.path)
    other = RunFolder(nest.place())
    other.config_path.write_bytes(canary.yaml)
    other.metrics_path.write_bytes(log + b"\n" + canary.yaml)
    yield "run, YAML", other.config
    yield "run, metrics in YAML", other.metrics


def tokenizers(nest: Nest) -> Iterator[tuple[str, Callable[[], object]]]:
    canary, open_it, changed = nest.canary, nest.checkpoint, nest.changed_json
    hooks = {"auto_map": {"AutoTokenizer": [f"{WORD}.Tokenizer", None]}, "trust_remote_code": True}
    custom = {"type": WORD, "code": canary.code, "pattern": {"Regex": f"(?{{{canary.code}}})"}}
    for form, data in {
        "pickle": canary.pickle, "YAML": canary.yaml,
        "Jinja": changed("tokenizer.json", chat_template=canary.jinja),
        "auto_map": changed("tokenizer.json", **hooks),
        "a normalizer": changed("tokenizer.json", normalizer=custom),
        "a pre_tokenizer": changed("tokenizer.json", pre_tokenizer=custom),
        "a model": changed("tokenizer.json", model=custom),
    }.items():  # fmt: skip
        yield f"tokenizer, {form}", open_it(tokenizer__json=data)
    told = changed("tokenizer_config.json", chat_template=canary.jinja, **hooks)
    yield "tokenizer_config, Jinja", open_it(tokenizer_config__json=told)
    yield "tokenizer_config, pickle", open_it(tokenizer_config__json=canary.pickle)
    yield "chat_template.jinja", open_it(chat_template__jinja=canary.jinja.encode())
    for name in ("x.tiktoken", "tokenizer.json", "tokenizer.pkl", "tokenizer.model"):
        for form, data in (("pickle", canary.pickle), ("old pickle", canary.old_pickle)):
            yield f"{name}, {form}", partial(load_tokenizer, nest.file(name, data))
    pair = {"vocab__json": canary.old_pickle, "merges__txt": canary.old_pickle}
    yield "vocab.json and merges.txt", partial(load_tokenizer, nest.folder_of(**pair))
    pair = {"vocab__json": b"{}", "merges__txt": canary.pickle, "tokenizer__pkl": canary.pickle}
    yield "merges.txt", partial(load_tokenizer, nest.folder_of(**pair))


def tokens(nest: Nest) -> Iterator[tuple[str, Callable[[], object]]]:
    canary = nest.canary
    npy = canary.npy.getvalue()
    yield "shard, npy", nest.tokens(shard=npy + bytes(len(npy) % 2))
    yield "shard, pickle", nest.tokens(shard=canary.pickle + bytes(len(canary.pickle) % 2))
    yield "shard, torch", nest.tokens(shard=canary.torch)
    yield "index, pickle", nest.tokens(index=canary.old_pickle)
    yield "index, YAML", nest.tokens(index=canary.yaml)
    save_tokenizer(TOKENIZER, words := nest.place())
    for form, data in (("npy", npy), ("pickle", canary.pickle), ("torch", canary.torch)):
        for train, val in (("train.bin", "val.bin"), ("x_train_000001.bin", "x_val_000000.bin")):
            folder = nest.folder_of(**{train: data, val: data})
            settings = {"tokenizer": str(words)}
            yield f"{train}, {form}", partial(nest.read_corpus, folder, settings)
    folder = nest.folder_of(train__npy=npy, val__npy=npy, meta__pkl=canary.pickle)
    yield "a folder of npy", partial(nest.read_corpus, folder, {})


def corpora(nest: Nest) -> Iterator[tuple[str, Callable[[], object]]]:
    canary, read = nest.canary, nest.corpus
    line = json.dumps({"text": {"py/reduce": canary.code}, "__reduce__": canary.code}).encode()
    yield "corpus.txt", read("corpus.txt", canary.old_pickle * 20)
    yield "corpus.md of YAML", read("corpus.md", canary.yaml * 20)
    yield "corpus of Jinja", read("corpus.txt", canary.jinja.encode() * 20, tokenizer="bpe:300")
    yield "corpus.jsonl", read("corpus.jsonl", canary.old_pickle)
    yield "corpus.jsonl of objects", read("corpus.jsonl", line)
    yield "corpus.jsonl.gz", read("corpus.jsonl.gz", gzip.compress(canary.pickle))
    yield "corpus.txt.zst", read("corpus.txt.zst", canary.pickle)
    yield "corpus.parquet", read("corpus.parquet", canary.pickle)
    yield "corpus.parquet of another type", read("corpus.parquet", odd_parquet(canary))
    for name in ("x.pkl", "x.pt", "x.npy", "x.py", "x.zip", "x.tar", "x.yaml", "x.arrow"):
        yield f"corpus {name}", read(name, canary.pickle)
    name = f"$({canary.shell.replace('/', '_')});`x`|y & z.txt"
    yield "a file name for a shell", read(name, b"one tale\n" * 50)
    folder = nest.folder_of(
        a__txt=b"one tale\n" * 50, dataset__py=canary.code.encode(), x__pkl=canary.pickle,
        conftest__py=canary.code.encode(), x__pth=f"import os; {canary.code}".encode(),
    )  # fmt: skip
    yield "a folder with scripts", partial(nest.read_corpus, folder, {})


def odd_parquet(canary: Canary) -> bytes:
    """Return a table whose type pyarrow once took from a pickle (CVE-2023-47248)."""
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    told = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": canary.pickle,
    }
    schema = arrow.schema([arrow.field("text", arrow.string(), metadata=told)])
    data = io.BytesIO()
    parquet.write_table(arrow.table({"text": ["one tale"] * 50}, schema=schema), data)
    return data.getvalue()


@pytest.fixture(scope="module")
def nest(tmp_path_factory) -> Nest:
    return Nest(tmp_path_factory.mktemp("nest"))


def test_without_a_hostile_file_all_of_them_are_taken(nest):
    text = b"one tale\n" * 50
    assert isinstance(nest.checkpoint()(), str)
    assert len(nest.tokens()()) == len(IDS)
    nest.corpus("x.txt", text)()
    assert nest.run.metrics() and nest.run.result()


def test_no_hostile_file_runs_anything(nest, ears, record_property):
    n_tried, wrong = 0, []
    for kind in (weights, settings_and_state, tokenizers, tokens, corpora):
        for name, act in kind(nest):
            n_tried += 1
            heard = ears.during(act)
            if heard or nest.canary.sang():
                wrong.append(f"{name}: {heard}")
    assert not wrong, "\n".join(wrong)
    assert n_tried >= 24
    record_property("measured", f"{len(wrong)} of {n_tried} canaries")


def test_kernels_that_others_could_have_put_into_the_cache_are_not_loaded(
    tmp_path, monkeypatch, ears
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = tmp_path / f"{WORD}.so"
    path.write_bytes(b"not even a library")
    monkeypatch.setattr(library, "_place", lambda *_: path)
    monkeypatch.setattr(library, "find_compiler", lambda _: "c++")
    for mode in (0o660, 0o606, 0o666):
        path.chmod(mode)
        assert ears.during(lambda: library._find("training")) == []
    path.chmod(0o600)
    assert "ctypes.dlopen" in ears.during(lambda: library._find("training"))[0]
    monkeypatch.setattr(library.os, "geteuid", lambda: os.getuid() + 1)
    assert ears.during(lambda: library._find("training")) == []


PROTECTIONS = (
    Protection(
        file="storage/strict_json.py",
        line="        return _DECODER.decode(text)",
        broken="        return _DECODER.decode(text) if text[:1] != 'c' else "
        "__import__('pickle').loads(text.encode())",
        test="test_no_hostile_file_runs_anything",
    ),
    Protection(
        file="data/shards.py",
        line='        ids = np.memmap(file, dtype=dtype, mode="r", offset=offset, shape=(count,))',
        broken="        ids = np.load(path, allow_pickle=True)",
        test="test_no_hostile_file_runs_anything",
    ),
    Protection(
        file="kernels/library.py",
        line="    _require_own(path)\n",
        broken="",
        test="test_kernels_that_others_could_have_put_into_the_cache_are_not_loaded",
    ),
)

MODULES = {
    *("pickle", "_pickle", "dill", "cloudpickle", "joblib", "jsonpickle", "marshal", "shelve"),
    *("yaml", "ruamel", "jinja2", "mako", "tarfile", "zipfile", "runpy", "code", "codeop", "imp"),
}
CALLS = {
    *("eval", "exec", "compile", "__import__", "breakpoint", "execfile"),
    *("os.system", "os.popen", "os.startfile", "os.posix_spawn", "os.posix_spawnp", "pty.spawn"),
    *(f"os.{verb}{form}" for verb in ("exec", "spawn") for form in ("l", "le", "v", "ve", "vp")),
    *("subprocess.run", "subprocess.Popen", "subprocess.call", "subprocess.check_call"),
    *("subprocess.check_output", "subprocess.getoutput", "shutil.unpack_archive"),
    *("importlib.import_module", "importlib.util.spec_from_file_location", "importlib.reload"),
    *("ctypes.CDLL", "ctypes.PyDLL", "ctypes.cdll.LoadLibrary", "numpy.load", "numpy.ctypeslib"),
    *("torch.load", "torch.save", "torch.jit.load", "torch.package.PackageImporter"),
    *("torch.hub.load", "torch.ops.load_library", "torch.classes.load_library"),
    *("torch.utils.cpp_extension.load", "torch.utils.cpp_extension.load_inline"),
    *(f"torch.distributed.{name}_object_list" for name in ("broadcast", "scatter", "send", "recv")),
    *("torch.distributed.all_gather_object", "torch.distributed.gather_object"),
    *("torch.distributed.checkpoint.load", "pandas.read_pickle", "transformers.pipeline"),
}
KEYWORDS = {"shell": True, "allow_pickle": True, "trust_remote_code": True, "weights_only": False}
ALLOWED = {
    ("__init__.py", "importlib.import_module"): "a table of our own modules",
    ("cli/__init__.py", "importlib.import_module"): "a table of our own modules",
    ("interchange/pickled.py", "torch.load"): "weights only, where someone asks for it and trusts",
    ("extras.py", "importlib.import_module"): "libraries whose names stand in the source",
    ("kernels/library.py", "ctypes.CDLL"): "our own kernels, from a file that only we can write",
    ("kernels/library.py", "subprocess.Popen"): "the compiler, by a list of words",
    ("kernels/library.py", "subprocess.run"): "the compiler's version",
    ("machine/memory.py", "ctypes.CDLL"): "the C library that is loaded already",
}


def called(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Yield every call of a module with the full name of what is called."""
    full: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                full |= {name.asname: name.name} if name.asname else {}
        elif isinstance(node, ast.ImportFrom):
            full |= {n.asname or n.name: f"{node.module}.{n.name}" for n in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, *rest = ast.unparse(node.func).split(".")
            yield ".".join([full.get(first, first), *rest]), node


def imported(tree: ast.Module) -> Iterator[str]:
    """Yield the libraries that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def ways_to_run_code(source: str) -> list[str]:
    """Return the names in a source by which it could run code that it has read."""
    tree = ast.parse(source)
    found = [f"import {name}" for name in imported(tree) if name in MODULES]
    for name, call in called(tree):
        if name in CALLS:
            found.append(name)
        for keyword in call.keywords:
            value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
            if keyword.arg in KEYWORDS and value is not (not KEYWORDS[keyword.arg]):
                found.append(f"{name}({keyword.arg}=)")
    return found


def test_the_source_has_no_way_to_run_what_it_reads():
    found = {
        (path.relative_to(ROOT).as_posix(), way)
        for path in ROOT.rglob("*.py")
        for way in ways_to_run_code(path.read_text())
    }
    assert found == ALLOWED.keys()


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from pickle import loads as x", "import torch as t\nt.load(x)",
        "from torch import load\nload(x)", "import numpy as np\nnp.load(x, allow_pickle=False)",
        "eval(x)", "import torch.distributed as dist\ndist.broadcast_object_list(x)",
        "from torch import distributed as dist\ndist.all_gather_object(x, y)",
        "from subprocess import run\nrun(x)", "f(x, shell=True)", "f(x, shell=y)",
        "f(x, weights_only=False)", "import os\nos.system(x)", "import yaml\nyaml.safe_load(x)",
        "from jinja2 import Template", "import tarfile", "f(x, trust_remote_code=True)",
    ],
)  # fmt: skip
def test_the_scan_finds_what_it_looks_for(source):
    assert ways_to_run_code(source)


@pytest.mark.parametrize("words", [("--nproc", "2"), ("--tokenizer", "bpe:300")])
def test_nothing_is_imported_from_the_folder_that_one_is_in(tmp_path, words):
    """Processes that the command starts would look there first, unless they are told not to."""
    here = tmp_path / "downloads"
    here.mkdir()
    for name in ("fractions", "signal", "sums"):
        (here / f"{name}.py").write_text("open('ran', 'w').close()\nraise SystemExit(9)\n")
    text = write_text(tmp_path, n_lines=60)
    verb = "tokens" if "bpe:300" in words else "train"
    command = {
        "train": ("train", text, "--name", "x", "--runs-dir", tmp_path, "--budget", "2steps"),
        "tokens": ("data", "tokens", text, tmp_path / "tokens", "--processes", "2"),
    }[verb]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "bardling", *map(str, command), *words],
        cwd=here, capture_output=True, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not (here / "ran").exists()
