"""Text to tokens and tokens to batches: learning, encoding and reading, beside other libraries.

The text is made here (`data/stories`), so nothing has to be fetched; a text of one's own tells
more about one's own text.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tiktoken

from bardling.benchmarking.timing import ROUNDS, Spread, by_turns
from bardling.data.batches import Windows
from bardling.data.encoding import encode_stream
from bardling.data.stories.telling import tell
from bardling.data.token_folder import Index, open_row, write_split
from bardling.evaluation.tokenizers import hugging_face_bpe
from bardling.text.bpe import BPETokenizer
from bardling.text.pretokenize import PATTERNS

STORIES = 4000
"""About 2.5 MB."""
VOCABULARY = 4000
BATCHES = 500
BATCH_SIZE, BLOCK_SIZE = 64, 256


@dataclass(frozen=True, kw_only=True)
class TextSpeed:
    """How fast one thing is done, here and elsewhere."""

    what: str
    by: str
    """bardling, or the library that did it."""
    unit: str
    rate: Spread


def made_text() -> list[str]:
    """Return stories to measure with."""
    return [tell(0, number).text for number in range(STORIES)]


def measure_tokenizer(texts: list[str], *, rounds: int = ROUNDS) -> list[TextSpeed]:
    """Measure learning byte pairs, and encoding with them, beside `tokenizers` and tiktoken."""
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    trained = BPETokenizer.train(texts, vocab_size=VOCABULARY)
    direct = direct_encoding(trained)
    learning = by_turns(
        {
            "bardling": _rate(lambda: BPETokenizer.train(texts, vocab_size=VOCABULARY), megabytes),
            "tokenizers": _rate(lambda: hugging_face_bpe(texts, VOCABULARY), megabytes),
        },
        rounds=rounds,
    )
    encoding = by_turns(
        {
            "bardling": _rate(lambda: [trained.encode(text) for text in texts], megabytes),
            "tiktoken": _rate(lambda: [direct.encode_ordinary(text) for text in texts], megabytes),
        },
        rounds=rounds,
    )
    whats = {f"learning {VOCABULARY:,} byte pairs": learning, "encoding, one thread": encoding}
    return [
        TextSpeed(what=what, by=by, unit="MB/s", rate=Spread.of(rates))
        for what, found in whats.items()
        for by, rates in found.items()
    ]


def measure_data(texts: list[str], folder: Path, *, rounds: int = ROUNDS) -> list[TextSpeed]:
    """Measure writing token files into `folder`, and reading random batches from them."""
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    trained = BPETokenizer.train(texts, vocab_size=VOCABULARY, end_token=True)

    def write() -> None:
        write_split(folder, "train", encode_stream(texts, trained), trained)

    writing = by_turns({"bardling": _rate(write, megabytes)}, rounds=rounds)
    shards = write_split(folder, "train", encode_stream(texts, trained), trained)
    index = Index(tokenizer_sha256=trained.sha256, shards={"val": (), "train": shards})
    row = open_row(index, "train", trained, folder=folder)
    windows = Windows(tokens=row, block_size=BLOCK_SIZE, batch_size=BATCH_SIZE)
    mapped = np.asarray(row[: len(row)])

    def read() -> None:
        deque(map(windows.batch, range(BATCHES)), maxlen=0)  # none is kept

    def read_by_index() -> None:
        random = np.random.default_rng(0)
        for _ in range(BATCHES):
            starts = random.integers(0, len(mapped) - BLOCK_SIZE, BATCH_SIZE)
            ids = mapped[starts[:, None] + np.arange(BLOCK_SIZE + 1)].astype(np.int64)
            _ = ids[:, :-1].copy(), ids[:, 1:].copy()

    tokens = BATCHES * BATCH_SIZE * BLOCK_SIZE / 1e6
    reading = by_turns(
        {"bardling": _rate(read, tokens), "numpy, in memory": _rate(read_by_index, tokens)},
        rounds=rounds,
    )
    batches = f"random batches of {BATCH_SIZE} x {BLOCK_SIZE}"
    found = [("encoding into files, one thread", "MB/s", writing), (batches, "M tokens/s", reading)]
    return [
        TextSpeed(what=what, by=by, unit=unit, rate=Spread.of(rates))
        for what, unit, measured in found
        for by, rates in measured.items()
    ]


def _rate(work: Callable[[], object], amount: float) -> Callable[[], float]:
    def measure() -> float:
        began = time.perf_counter()
        work()
        return amount / (time.perf_counter() - began)

    return measure


def direct_encoding(trained: BPETokenizer) -> tiktoken.Encoding:
    """Return tiktoken's own encoder with the same byte pairs, split as GPT-2 does."""
    return tiktoken.Encoding(
        "direct",
        pat_str=PATTERNS["gpt2"],
        mergeable_ranks={token: rank for rank, token in enumerate(trained.token_bytes)},
        special_tokens={},
    )
