"""Which tokens a step sees: windows of a token array as a pure function of (seed, step, split).

Nothing here has a position that would have to be saved. A resumed run, a second process that
takes its rows of the same global batch, or anyone who only wants to look, gets the same numbers.
Where the tokens come from is left to `token_file`, what is done with a batch to training.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Int32, Int64
from torch import Tensor

from bardling.data.config import Order
from bardling.data.tokens import Tokens, places_of, require_length
from bardling.errors import CorpusError
from bardling.machine.randomness import row_keys, stream

BatchSource = Callable[[int, range], "Batch"]
"""(step, rows of the global batch) → those rows."""

Counted = Callable[[Int64[np.ndarray, "rows time"]], Bool[np.ndarray, "rows time"]]
"""Rows of ids, each from the beginning of a document, to which of them a loss counts."""

IGNORE = -100
"""The target that no loss counts; torch's cross_entropy has the same default."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Rows of token ids, the ids that follow them, and one key per row for dropout masks."""

    inputs: Int64[Tensor, "batch time"]
    targets: Int64[Tensor, "batch time"]
    row_keys: Int32[Tensor, " batch"]

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device."""
        if self.inputs.device == device:
            return self
        inputs, targets, row_keys = (_send(x, device) for x in _tensors(self))
        return Batch(inputs=inputs, targets=targets, row_keys=row_keys)

    @property
    def n_targets(self) -> int:
        """The number of tokens to predict, padding left out."""
        return int((self.targets != IGNORE).sum())


@dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """All training batches of a split. `batch_size` is that of the global batch.

    In random order windows begin anywhere; by documents, with the end token before one or at the
    very beginning, so that the first document of a window is whole. In the other orders they lie
    side by side and each comes once per epoch, in an order of the epoch's own or in that of the
    text.
    """

    tokens: Tokens
    block_size: int
    batch_size: int
    order: Order = "random"
    seed: int = 0
    split: str = "train"
    end_token: int | None = None
    counted: Counted | None = None
    """Which tokens are to be foretold; None for all."""

    def __post_init__(self) -> None:
        require_length(len(self.tokens), self.block_size, self.split)
        if self.order == "documents" and len(self._beginnings) < 2:
            raise CorpusError(
                "order 'documents' needs a text of several documents; take 'random' for this one"
            )

    @cached_property
    def _beginnings(self) -> Int64[np.ndarray, " documents"]:
        """Where the documents begin that a whole window fits behind; at least the first does."""
        none = np.zeros(0, dtype=np.int64)
        ends = none if self.end_token is None else places_of(self.tokens, self.end_token)
        fitting = ends[ends < len(self.tokens) - self.block_size]
        return np.unique(np.concatenate(([0], fitting)))

    @property
    def n_windows(self) -> int:
        """The number of windows side by side, which is the length of an epoch."""
        return (len(self.tokens) - 1) // self.block_size

    def starts(self, step: int) -> Int64[np.ndarray, " batch"]:
        """Return where each window of the global batch of a step begins."""
        if self.order == "random":
            n_starts = len(self.tokens) - self.block_size  # the last target is the last token
            random = stream(self.seed, f"windows/{self.split}", step)
            return random.integers(0, n_starts, size=self.batch_size)
        if self.order == "documents":
            random = stream(self.seed, f"documents/{self.split}", step)
            return random.choice(self._beginnings, size=self.batch_size)
        places = in_turn(step, self.batch_size, self.n_windows, self.order, self.seed, self.split)
        return places * self.block_size

    def batch(self, step: int, rows: slice | range | None = None) -> Batch:
        """Return the global batch of a step, or only some of its rows."""
        numbers = np.arange(self.batch_size)
        if rows is not None:
            numbers = numbers[rows if isinstance(rows, slice) else np.array(rows, dtype=int)]
        ids = _gather(self.tokens, self.starts(step)[numbers], self.block_size)
        targets = ids if self.counted is None else np.where(self.counted(ids), ids, IGNORE)
        return Batch(
            inputs=torch.from_numpy(ids[:, :-1].copy()),
            targets=torch.from_numpy(targets[:, 1:].copy()),
            row_keys=torch.from_numpy(row_keys(self.seed, step, numbers)),
        )


def _tensors(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    return batch.inputs, batch.targets, batch.row_keys


def _send(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor on a device; nobody waits until it has come to a GPU."""
    if (tensor.device.type, device.type) == ("cpu", "cuda"):
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


TOKENS_AHEAD = 2**14
MOST_AHEAD = 16


class Ahead:
    """Batches made several steps at a time, for whoever asks for one step after the other.

    A small batch is made in 30 microseconds among its like and in 350 between two steps of a
    model, which leave nothing of it in the caches (docs/performance.md). Which batch comes is not
    changed by it.
    """

    def __init__(self, source: "BatchSource", tokens: int) -> None:
        self._source, self._made = source, dict[tuple[int, range], Batch]()
        self._steps = max(1, min(MOST_AHEAD, TOKENS_AHEAD // tokens))

    def __call__(self, step: int, rows: range) -> Batch:
        """Return those rows of a step's global batch."""
        if (step, rows) not in self._made:
            steps = range(step, step + self._steps)
            self._made = {key: batch for key, batch in self._made.items() if key[0] in steps}
            self._made.update({(later, rows): self._source(later, rows) for later in steps})
        return self._made.pop((step, rows))


def in_turn(
    step: int, batch_size: int, count: int, order: Order, seed: int, split: str
) -> Int64[np.ndarray, " batch"]:
    """Return which of `count` things a step sees where each comes once an epoch.

    They come as they lie, or shuffled anew for every epoch.
    """
    first = step * batch_size
    epochs, places = np.divmod(np.arange(first, first + batch_size), count)
    if order == "shuffled":
        for epoch in np.unique(epochs):  # a batch may cross from one epoch into the next
            here = epochs == epoch
            places[here] = _epoch_order(seed, split, int(epoch), count)[places[here]]
    return places


@lru_cache(maxsize=2)  # an epoch and the next, where a batch crosses; still a pure function
def _epoch_order(seed: int, split: str, epoch: int, count: int) -> Int64[np.ndarray, " count"]:
    order = stream(seed, f"epochs/{split}", epoch).permutation(count)
    order.flags.writeable = False
    return order


def _gather(
    tokens: Tokens, starts: Int64[np.ndarray, " batch"], block_size: int
) -> Int64[np.ndarray, "batch time_and_one"]:
    """Read all windows, each with the token after it, row by row: that is one copy of each."""
    found = np.empty((len(starts), block_size + 1), dtype=np.int64)
    for row, start in zip(found, starts.tolist(), strict=True):
        row[:] = tokens[start : start + block_size + 1]
    return found


Spans = Int64[np.ndarray, "_ 2"]
"""Where the tokens that each window predicts begin and end."""


def side_by_side(n_tokens: int, block_size: int) -> Spans:
    """Return windows side by side that predict every token but the first exactly once."""
    if n_tokens < 2:
        raise CorpusError(f"{n_tokens} token(s) leave nothing to predict: give it more text")
    starts = np.arange(1, n_tokens, block_size)
    return np.stack([starts, np.minimum(starts + block_size, n_tokens)], axis=1)


def evenly(spans: Spans, max_windows: int | None) -> Spans:
    """Return a fixed and evenly spaced part of some windows, at least one; None means all."""
    if max_windows is None or max_windows >= len(spans):
        return spans
    wanted = max(1, max_windows)
    return spans[np.arange(wanted) * len(spans) // wanted]


def evaluation_batches(
    tokens: Tokens,
    *,
    block_size: int,
    batch_size: int,
    spans: Spans | None = None,
    end_token: int = 0,
    counted: Counted | None = None,
) -> Iterator[Batch]:
    """Yield the windows that predict some spans of tokens; without spans, windows side by side.

    All batches have the same shape: shorter windows, and the rows missing from the last batch, are
    padded with id 0 and targets `IGNORE`. A span that begins with the first token of all is
    predicted from `end_token`. Where only some tokens are `counted`, the others are `IGNORE`.
    """
    spans = side_by_side(len(tokens), block_size) if spans is None else spans
    for first in range(0, len(spans), batch_size):
        rows = spans[first : first + batch_size]
        inputs = np.zeros((batch_size, block_size), dtype=np.int64)
        targets = np.full((batch_size, block_size), IGNORE, dtype=np.int64)
        for row, (start, end) in enumerate(rows.tolist()):
            part = tokens[max(start - 1, 0) : end]
            targets[row, : end - start] = part[-(end - start) :]
            inputs[row, 0] = part[0] if start else end_token
            inputs[row, 1 : end - start] = targets[row, : end - start - 1]
        if counted is not None:
            ids = np.concatenate((inputs[:, :1], targets), axis=1)
            targets[~counted(ids)[:, 1:]] = IGNORE
        yield Batch(
            inputs=torch.from_numpy(inputs),
            targets=torch.from_numpy(targets),
            row_keys=torch.zeros(batch_size, dtype=torch.int32),  # evaluation drops nothing
        )
