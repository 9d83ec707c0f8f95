"""How fast tokenizers learn and encode, beside `tokenizers` and tiktoken in the same run.

    python benchmarks/bpe.py [--quick] [--sources FOLDER]

Sets, in one run and taking turns:
- learning 3,000 tokens on Tiny Shakespeare (five times), and 32,000 on 50 MB of Python sources and
  50 MB of stories (once; `--sources` is searched for .py files, by default the installed packages);
- the memory that learning takes on 10 MB and on 1 GB of stories, and `bardling data tokens` on
  files of 10 MB and 1 GB, each in a process of its own;
- encoding WikiText-2's test text the readable way, the fast way, by tiktoken called directly, and
  240 times over with two threads and with two processes;
- writing token files from stories, and reading random batches from 2 GB of them.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import tokenizers
from measured_on import describe_machine

from bardling.benchmarking.text import direct_encoding
from bardling.benchmarking.timing import by_turns
from bardling.data.batches import Windows
from bardling.data.encoding import encode_stream
from bardling.data.known import data_folder
from bardling.data.reading import write_jsonl
from bardling.data.stories.telling import tell
from bardling.data.token_folder import Index, open_row, write_split
from bardling.evaluation.tokenizers import hugging_face_bpe
from bardling.text.bpe import BPETokenizer
from bardling.text.bpe_encoding import ByTiktoken

LEARN_ON = """
import sys
from pathlib import Path
from bardling.data.stories.telling import tell
from bardling.evaluation.tokenizers import hugging_face_bpe
from bardling.text.bpe import BPETokenizer
limit = int(sys.argv[1])
def texts():
    size = number = 0
    while size < limit:
        text = tell(0, number).text
        size, number = size + len(text), number + 1
        yield text
BPETokenizer.train(texts(), vocab_size=4000)
status = Path("/proc/self/status").read_text()
print(status.split("VmHWM:")[1].split()[0])
"""


PREPARE = """
import sys
from pathlib import Path
from bardling.cli import main
corpus, folder = sys.argv[1:]
words = ["--tokenizer", "bpe:4000", "--val-fraction", "0.01", "--processes", "1"]
main(["data", "tokens", corpus, folder, *words])
status = Path("/proc/self/status").read_text()
print(status.split("VmHWM:")[1].split()[0])
"""


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def median_seconds(times: int, **works: Callable[[], object]) -> dict[str, float]:
    """Return the median seconds of each work, taking turns so many times."""
    measured = {name: partial(timed, work) for name, work in works.items()}
    found = by_turns(measured, rounds=times, warm_up=False)
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def learning(name: str, texts: list[str], size: int, times: int) -> None:
    """Compare how long learning takes, and that both have learned the same."""
    found: dict[str, object] = {}

    def ours() -> None:
        found["ours"] = BPETokenizer.train(texts, vocab_size=size, processes=2)

    def hugging_face() -> None:
        found["theirs"] = hugging_face_bpe(texts, size)

    seconds = median_seconds(times, ours=ours, tokenizers=hugging_face)
    merges = json.loads(found["theirs"].to_str())["model"]["merges"]
    same = merges == found["ours"].to_json()["model"]["merges"]
    n_bytes = sum(len(text.encode()) for text in texts)
    print(
        f"learning {size:,} tokens on {n_bytes / 1e6:.1f} MB of {name}: ours "
        f"{seconds['ours']:.2f} s, tokenizers {seconds['tokenizers']:.2f} s, ratio "
        f"{seconds['ours'] / seconds['tokenizers']:.2f}, the same merges: {same}",
        flush=True,
    )


def sources(folder: Path, limit: int) -> list[str]:
    """Return Python files of a folder, up to so many characters."""
    texts: list[str] = []
    size = 0
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text("utf-8", errors="ignore")
        texts.append(text)
        size += len(text)
        if size >= limit:
            break
    return texts


def tales(limit: int) -> Iterator[str]:
    """Yield stories, up to so many characters."""
    size = 0
    for number in itertools.count():
        text = tell(0, number).text
        yield text
        size += len(text)
        if size >= limit:
            return


def memory(large: int, folder: Path) -> None:
    """Compare the most memory that learning and preparing take on 10 MB and on much more."""
    sizes = (10**7, large)
    compare_peaks("learning", large, [peak_of(LEARN_ON, str(size)) for size in sizes])
    peaks = []
    for size in sizes:
        path = folder / f"{size}.jsonl"
        write_jsonl(path, tales(size))
        peaks.append(peak_of(PREPARE, str(path), str(folder / str(size))))
        path.unlink()
    compare_peaks("bardling data tokens", large, peaks)


def peak_of(script: str, *words: str) -> float:
    """Return the most MiB that a process had."""
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=True
    )
    return int(done.stdout.split()[-1]) / 1024


def compare_peaks(what: str, large: int, peaks: list[float]) -> None:
    """Print what the memory of something is, and how it grows."""
    print(
        f"memory of {what}: {peaks[0]:.0f} MiB on 10 MB of stories, {peaks[1]:.0f} MiB on "
        f"{large / 1e6:,.0f} MB, ratio {peaks[1] / peaks[0]:.2f}",
        flush=True,
    )


def encoding(text: str) -> None:
    """Compare ways to encode one text."""
    trained = BPETokenizer.train([text], vocab_size=8000)
    fast = trained.encoder
    assert isinstance(fast, ByTiktoken)
    direct = direct_encoding(trained)
    lots = [text] * 240
    size = len(text.encode()) / 1e6

    def readable() -> None:
        trained.reference.known.clear()
        trained.reference.encode(text)

    seconds = median_seconds(
        7,
        readable=readable,
        ours=lambda: trained.encode(text),
        tiktoken=lambda: direct.encode_ordinary(text),
    )
    many = median_seconds(
        3,
        one=lambda: sum(map(len, encode_stream(lots, trained))),
        threads=lambda: sum(map(len, encode_stream(lots, trained, threads=2))),
        processes=lambda: sum(map(len, encode_stream(lots, trained, processes=2))),
    )
    print(f"encoding {size:.1f} MB: readable way {size / seconds['readable']:.2f} MB/s")
    print(
        f"encoding: fast way {size / seconds['ours']:.1f} MB/s, tiktoken called directly "
        f"{size / seconds['tiktoken']:.1f} MB/s, ratio {seconds['tiktoken'] / seconds['ours']:.2f}"
    )
    for name in ("threads", "processes"):
        print(
            f"encoding {len(lots) * size:.0f} MB: one thread "
            f"{len(lots) * size / many['one']:.1f} MB/s, two {name} "
            f"{len(lots) * size / many[name]:.1f} MB/s, ratio {many['one'] / many[name]:.2f}",
            flush=True,
        )


def files(folder: Path, n_ids: int) -> None:
    """Measure writing token files from text, and reading batches from a large one."""
    texts = list(tales(30_000_000))
    trained = BPETokenizer.train(texts[:2000], vocab_size=4000, end_token=True)
    seconds = timed(lambda: write_split(folder, "val", encode_stream(texts, trained), trained))
    print(f"token file from 30 MB of stories, one thread: {30 / seconds:.1f} MB/s")
    del texts
    piece = np.random.default_rng(0).integers(0, 4000, 2**20).astype(np.uint32)
    pieces = itertools.repeat(piece, n_ids // len(piece))
    shards = {"val": (), "train": write_split(folder, "train", pieces, trained)}
    index = Index(tokenizer_sha256=trained.sha256, shards=shards)
    before = resident()
    ids = open_row(index, "train", trained, folder=folder)
    windows = Windows(tokens=ids, block_size=1024, batch_size=64)
    windows.batch(0)
    n = 2000
    seconds = timed(lambda: deque(map(windows.batch, range(1, n)), maxlen=0))  # none is kept
    after = resident()
    print(
        f"random batches from {2 * len(ids) / 1e9:.1f} GB in {len(index.shards['train'])} files: "
        f"{(n - 1) * 64 * 1024 / seconds / 1e6:.0f}M tokens/s; memory grew by "
        f"{(after['RssAnon'] - before['RssAnon']) / 1024:.1f} MiB anonymous and "
        f"{(after['RssFile'] - before['RssFile']) / 1024:.0f} MiB of the file",
        flush=True,
    )


def resident() -> dict[str, int]:
    """Return the kibibytes of memory that this process has, by kind."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith("Rss")}


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller sets")
    parser.add_argument("--sources", type=Path, default=Path(sysconfig.get_paths()["purelib"]))
    options = parser.parse_args()
    print(json.dumps(describe_machine() | {"tokenizers": tokenizers.__version__}), flush=True)
    data = data_folder() or Path()
    shakespeare = (data / "tinyshakespeare.txt").read_text()
    learning("Tiny Shakespeare", [shakespeare], 3000, 5)
    half = 5 * 10**6 if options.quick else 5 * 10**7
    mixed = [*sources(options.sources, half), *tales(half)]
    learning("Python sources and stories", mixed, 32_000, 1)
    del mixed
    with tempfile.TemporaryDirectory() as folder:
        memory(10**8 if options.quick else 10**9, Path(folder))
    encoding((data / "wikitext2-test.txt").read_text())
    with tempfile.TemporaryDirectory() as folder:
        files(Path(folder), 10**8 if options.quick else 10**9)


if __name__ == "__main__":
    main()
