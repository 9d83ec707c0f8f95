"""What is read when is a function of (seed, step): not of stops, of ranks or of files.

Nobody reads ahead in processes of their own, so there is no number of workers to vary.
"""

from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from promises import Protection

from bardling.data.batches import Batch, Windows
from bardling.data.token_folder import Index, open_split, write_index, write_split
from bardling.data.tokens import Tokens
from bardling.text.characters import CharacterTokenizer

PROTECTIONS = (
    Protection(
        file="data/batches.py",
        line='random = stream(self.seed, f"windows/{self.split}", step)',
        broken='random = vars(self).setdefault("random", stream(self.seed, "windows"))',
        test="test_fifty_stops_in_one_run_change_nothing[random]",
    ),
    Protection(
        file="data/batches.py",
        line="row_keys(self.seed, step, numbers)",
        broken="row_keys(self.seed, step, np.arange(len(numbers)))",
        test="test_ranks_and_parts_of_a_batch_are_the_whole[random-2-1]",
    ),
    Protection(
        file="machine/randomness.py",
        line="[seed % 2**64, word(purpose)]",
        broken="[0, word(purpose)]",
        test="test_another_seed_is_another_order_but_where_it_is_that_of_the_text[random]",
    ),
)
ORDERS = ("random", "documents", "shuffled", "sequential")
TOKENIZER = CharacterTokenizer(characters="".join(map(chr, range(40, 139))), has_end_token=True)
IDS = np.random.default_rng(0).integers(0, 100, 5000).astype(np.uint32)  # 99 ends a document
N_BATCHES, BATCH_SIZE, SEED = 200, 6, 7  # of 8 ids: two epochs
# Written down, so that a change of order is seen: a run that goes on would not go on exactly.
KNOWN = {
    "random": "4988ef7aebfdb2f1a52246b44bbe75737b3018d5080af37877de335b345f5e88",
    "documents": "96f75a9f3dc22a92cbc956a5152654f013c393ec883784097788d279f669ddfe",
    "shuffled": "e886de75933a8e9aa99b22836b233040cc714395bb8adbabee99d4bb91fecbd5",
    "sequential": "48670881967e21bcb12355f01e814e743a72a17f391b40aec051542decb334d0",
}


def windows(order: str, tokens: Tokens = IDS, seed: int = SEED) -> Windows:
    return Windows(
        tokens=tokens, block_size=8, batch_size=BATCH_SIZE, order=order, seed=seed,
        end_token=TOKENIZER.end_token,
    )  # fmt: skip


def digest(batches: list[Batch]) -> str:
    """Return a hash of everything that a step sees."""
    found = sha256()
    for batch in batches:
        for part in (batch.inputs, batch.targets, batch.row_keys):
            found.update(part.numpy().tobytes())
    return found.hexdigest()


def undisturbed(order: str) -> list[Batch]:
    source = windows(order)
    return [source.batch(step) for step in range(N_BATCHES)]


def joined(parts: list[Batch]) -> Batch:
    """Put the rows of a batch together again."""
    return Batch(
        inputs=torch.cat([part.inputs for part in parts]),
        targets=torch.cat([part.targets for part in parts]),
        row_keys=torch.cat([part.row_keys for part in parts]),
    )


def folder_of(folder: Path, shard_tokens: int) -> Tokens:
    shards = {
        "train": write_split(folder, "train", [IDS], TOKENIZER, shard_tokens=shard_tokens),
        "val": write_split(folder, "val", [IDS[:9]], TOKENIZER),
    }
    write_index(folder, Index(tokenizer_sha256=TOKENIZER.sha256, shards=shards))
    return open_split(folder, "train", TOKENIZER)


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_is_the_one_that_was_written_down(order):
    assert digest(undisturbed(order)) == KNOWN[order]


@pytest.mark.parametrize("order", ORDERS)
def test_fifty_stops_in_one_run_change_nothing(order):
    stops = sorted(np.random.default_rng(1).choice(N_BATCHES, size=50, replace=False).tolist())
    batches = []
    for first, last in pairwise([0, *stops, N_BATCHES]):
        source = windows(order)  # as if nothing had gone before
        batches += [source.batch(step) for step in range(first, last)]
    assert digest(batches) == digest(undisturbed(order))


@pytest.mark.sweep
@pytest.mark.parametrize("order", ORDERS)
def test_nor_does_a_stop_at_any_of_them_alone(order):
    whole = undisturbed(order)
    for stop in np.random.default_rng(2).choice(N_BATCHES, size=50, replace=False).tolist():
        source = windows(order)
        rest = [source.batch(step) for step in range(stop, N_BATCHES)]
        assert digest([*whole[:stop], *rest]) == digest(whole)


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("order", ORDERS)
def test_ranks_and_parts_of_a_batch_are_the_whole(order, ranks, accumulate):
    """Each rank has a source of its own, and asks for its rows in parts."""
    sources = [windows(order) for _ in range(ranks)]
    size = BATCH_SIZE // ranks
    batches = []
    for step in range(N_BATCHES):
        parts = []
        for rank, source in enumerate(sources):
            rows = range(rank * size, (rank + 1) * size)
            cuts = [len(rows) * part // accumulate for part in range(accumulate + 1)]
            parts += [source.batch(step, rows[a:b]) for a, b in pairwise(cuts)]
        batches.append(joined(parts))
    assert digest(batches) == digest(undisturbed(order))


@pytest.mark.parametrize("shard_tokens", [5000, 1700, 31])
@pytest.mark.parametrize("order", ORDERS)
def test_one_file_or_many_are_read_alike(tmp_path, order, shard_tokens):
    source = windows(order, folder_of(tmp_path, shard_tokens))
    assert len(list(tmp_path.glob("train-*.bin"))) == -(-5000 // shard_tokens)
    assert digest([source.batch(step) for step in range(N_BATCHES)]) == digest(undisturbed(order))


@pytest.mark.parametrize("order", ORDERS)
def test_another_seed_is_another_order_but_where_it_is_that_of_the_text(order):
    source = windows(order, seed=SEED + 1)
    starts = [source.starts(step).tolist() for step in range(N_BATCHES)]
    same = starts == [windows(order).starts(step).tolist() for step in range(N_BATCHES)]
    assert same == (order == "sequential")
