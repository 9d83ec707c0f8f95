"""Whatever bytes come, a reader returns or raises an error of ours: coverage-guided, by atheris.

    make fuzz                                             each reader for a minute
    python tests/reliability/fuzz.py [SECONDS] [READER ...]

atheris (`pip install atheris`) changes bytes where that reaches lines of ours that none had reached
before, and begins with honest files. A finding ends it with the bytes in a file `crash-...`.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path

import atheris

IN_A_CHILD = "--one" in sys.argv
with atheris.instrument_imports(include=["bardling"]) if IN_A_CHILD else nullcontext():
    import bardling
    from bardling import storage
    from bardling.checkpoint import parse_weights
    from bardling.config import RunConfig
    from bardling.data.reading import read_documents
    from bardling.data.token_file import open_tokens
    from bardling.data.token_folder import read_index
    from bardling.errors import BardlingError
    from bardling.run_folder import RunFolder
    from bardling.storage import parse_json
    from bardling.text.tokenizer_file import parse_tokenizer
    from bardling.training.state import RunState

MAX_BYTES = 4096
Reader = Callable[[bytes, Path], object]
"""Bytes, and a place for a file that holds them."""


def of_file(name: str, read: Callable[[Path], object]) -> Reader:
    """Return a reader of a file of that name."""

    def reader(data: bytes, folder: Path) -> object:
        (folder / name).write_bytes(data)
        return read(folder / name)

    return reader


READERS: dict[str, tuple[str, Reader]] = {
    "json": ("config.json", lambda data, _: parse_json(data, "x")),
    "settings": ("config.json", lambda data, _: RunConfig.from_json(parse_json(data, "x"))),
    "state": (
        "checkpoints/step-000002/state.json",
        lambda data, _: RunState.from_json(parse_json(data, "x")),
    ),
    "tokenizer": ("tokenizer.json", lambda data, _: parse_tokenizer(data)),
    "weights": (
        "checkpoints/step-000002/model.safetensors",
        lambda data, _: parse_weights(data, "x"),
    ),
    "manifest": (
        "checkpoints/step-000002/manifest.json",
        of_file("manifest.json", lambda path: storage.read_folder(path.parent)),
    ),
    "tokens": ("tokens/train-00000.bin", of_file("x.bin", open_tokens)),
    "index": ("tokens/index.json", of_file("index.json", lambda path: read_index(path.parent))),
    "text": (
        "samples.md",
        of_file("x.txt", lambda path: [str(t) for t in read_documents(path, len)]),
    ),
    "lines": ("metrics.jsonl", of_file("x.jsonl", lambda path: [*read_documents(path, len)])),
    "log": ("metrics.jsonl", of_file("metrics.jsonl", lambda p: RunFolder(p.parent).read_log())),
}
"""By name: an honest file of a run, and what reads such a file."""


def honest(folder: Path) -> Path:
    """Train a run of two steps, whose files are the first that are changed."""
    return bardling.train(
        "sums", name="honest", runs_dir=folder, budget="2steps", n_layer=1, n_embd=8, n_head=1,
        block_size=8, batch_size=2, max_tokens=400, sample_tokens=1, quick_checks=False,
        eval_interval_steps=1, compile="off",
    ).folder.path  # fmt: skip


def fuzz(name: str, seeds: Path, seconds: int) -> None:
    """Feed one reader for so long; does not return."""
    reader, folder = READERS[name][1], Path(tempfile.mkdtemp())

    def one(data: bytes) -> None:
        with suppress(BardlingError):
            reader(data, folder)

    limits = (f"-max_total_time={seconds}", f"-max_len={MAX_BYTES}", "-timeout=5")
    atheris.Setup([sys.argv[0], *limits, "-rss_limit_mb=2048", str(seeds)], one)
    atheris.Fuzz()


def main() -> None:
    """Fuzz each reader in a process of its own, and say how many inputs it has met."""
    words = sys.argv[1:]
    if IN_A_CHILD:
        fuzz(words[1], Path(words[2]), int(words[3]))
    seconds = int(words[0]) if words else 60
    with tempfile.TemporaryDirectory() as parent:
        run = honest(Path(parent))
        for name in words[1:] or READERS:
            seeds = Path(parent) / name
            seeds.mkdir()
            seed = (run / READERS[name][0]).read_bytes()
            (seeds / "honest").write_bytes(seed[:MAX_BYTES])
            command = [sys.executable, __file__, "--one", name, str(seeds), str(seconds)]
            done = subprocess.run(command, capture_output=True, text=True)
            told = [line for line in done.stderr.splitlines() if line.startswith("Done ")]
            print(f"{name:10} {told[0] if told else 'FAILED'}", flush=True)
            if done.returncode:
                raise SystemExit(done.stderr[-3000:])


if __name__ == "__main__":
    main()
