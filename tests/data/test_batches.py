"""What a step sees is a function of (seed, step, split) alone, and evaluation misses nothing."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bardling.data.batches import (
    IGNORE,
    Windows,
    evaluation_batches,
    evenly,
    require_length,
    side_by_side,
)
from bardling.data.token_file import open_tokens, write_tokens
from bardling.errors import CorpusError
from bardling.machine.randomness import row_keys

LAWS = settings(derandomize=True, deadline=None, max_examples=100)
ORDERS = ("random", "documents", "shuffled", "sequential")


def windows(n=101, *, block_size=8, batch_size=4, **options) -> Windows:
    tokens = np.arange(n, dtype=np.uint16)
    options = {"end_token": 3} | options
    return Windows(tokens=tokens, block_size=block_size, batch_size=batch_size, **options)


@pytest.mark.parametrize("order", ORDERS)
def test_targets_are_the_tokens_that_follow(order):
    data = windows(order=order)
    batch = data.batch(3)
    starts = data.starts(3)
    assert batch.inputs.shape == batch.targets.shape == (4, 8)
    assert batch.inputs.is_contiguous() and batch.targets.is_contiguous()
    for row, start in enumerate(starts):
        assert batch.inputs[row].tolist() == list(range(start, start + 8))
        assert batch.targets[row].tolist() == list(range(start + 1, start + 9))
    assert batch.n_targets == 32
    assert batch.row_keys.tolist() == row_keys(0, 3, np.arange(4)).tolist()


@pytest.mark.parametrize("order", ORDERS)
def test_a_batch_does_not_depend_on_what_was_asked_before(order):
    here, there = windows(order=order, seed=5), windows(order=order, seed=5)
    expected = [here.starts(step).tolist() for step in range(60)]
    for step in np.random.default_rng(0).permutation(60):
        assert there.starts(int(step)).tolist() == expected[step]


def test_seeds_steps_and_splits_differ():
    starts = [
        windows(10_000, seed=seed, split=split).starts(step).tolist()
        for seed in (0, 1)
        for split in ("train", "val")
        for step in (0, 1)
    ]
    assert len(set(map(tuple, starts))) == 8
    orders = [
        windows(10_000, order="shuffled", seed=seed, split=split).starts(step).tolist()
        for seed in (0, 1)
        for split in ("train", "val")
        for step in (0, 313)  # 1249 windows make 312.25 batches of 4
    ]
    assert len(set(map(tuple, orders))) == 8


@LAWS
@given(
    st.sampled_from(ORDERS), st.integers(12, 60), st.integers(1, 7), st.integers(0, 30), st.data()
)
def test_parts_of_a_batch_are_rows_of_the_whole(order, n, batch_size, step, data):
    source = windows(n, batch_size=batch_size, order=order)
    whole = source.batch(step)
    first = data.draw(st.integers(0, batch_size))
    last = data.draw(st.integers(first, batch_size))
    for rows in (slice(first, last), range(first, last)):
        part = source.batch(step, rows)
        assert torch.equal(part.inputs, whole.inputs[first:last])
        assert torch.equal(part.targets, whole.targets[first:last])
        assert torch.equal(part.row_keys, whole.row_keys[first:last])
    every_other = source.batch(step, range(0, batch_size, 2))
    assert torch.equal(every_other.inputs, whole.inputs[::2])


def test_random_windows_reach_both_ends_and_no_further():
    starts = np.concatenate([windows(12).starts(step) for step in range(200)])
    assert set(starts.tolist()) == {0, 1, 2, 3}


def test_windows_by_documents_begin_with_one():
    tokens = np.array([5, 0, 6, 6, 0, 7, 0, 8, 8, 8, 0, 9])  # 0 ends a document
    data = Windows(tokens=tokens, block_size=4, batch_size=9, order="documents", end_token=0)
    starts = np.concatenate([data.starts(step) for step in range(40)])
    assert set(starts.tolist()) == {0, 1, 4, 6}  # behind the last end there is no whole window
    counts = np.bincount(starts)[[0, 1, 4, 6]]
    assert (np.abs(counts - 90) < 5 * np.sqrt(90)).all()
    with pytest.raises(CorpusError, match="needs a text of several documents"):
        Windows(tokens=tokens, block_size=4, batch_size=9, order="documents")
    with pytest.raises(CorpusError, match="needs a text of several documents"):
        Windows(tokens=tokens, block_size=4, batch_size=9, order="documents", end_token=1)


def test_random_windows_are_spread_evenly():
    starts = np.concatenate([windows(1008, batch_size=64).starts(step) for step in range(200)])
    counts = np.bincount(starts // 100, minlength=10)
    assert (np.abs(counts - 1280) < 5 * np.sqrt(1280)).all()


@LAWS
@given(st.integers(9, 200), st.integers(1, 9), st.integers(0, 3))
def test_a_shuffled_epoch_visits_every_window_once(n, batch_size, seed):
    data = windows(n, order="shuffled", batch_size=batch_size, seed=seed)
    count = (n - 1) // 8
    assert data.n_windows == count
    n_steps = -(-3 * count // batch_size)
    seen = np.concatenate([data.starts(step) for step in range(n_steps)])
    for epoch in range(3):
        assert sorted(seen[epoch * count : (epoch + 1) * count]) == [8 * k for k in range(count)]


def test_epochs_differ_in_their_order():
    data = windows(801, order="shuffled", batch_size=100)
    assert data.starts(0).tolist() != data.starts(1).tolist()
    assert data.starts(0).tolist() != sorted(data.starts(0))


def test_sequential_windows_follow_the_text_and_begin_again():
    data = windows(33, order="sequential", batch_size=3)
    assert [data.starts(step).tolist() for step in (0, 1, 2)] == [
        [0, 8, 16],
        [24, 0, 8],
        [16, 24, 0],
    ]


def test_a_mapped_file_gives_the_batches_of_an_array(tmp_path):
    ids = np.arange(101) % 50
    write_tokens(tmp_path / "x", ids, vocab_size=50, tokenizer_sha256="00" * 32)
    options = {"block_size": 8, "batch_size": 4}
    mapped = Windows(tokens=open_tokens(tmp_path / "x"), **options)
    assert torch.equal(mapped.batch(7).inputs, Windows(tokens=ids, **options).batch(7).inputs)


@LAWS
@given(st.integers(2, 100), st.integers(1, 12), st.integers(1, 5))
def test_evaluation_predicts_every_token_but_the_first_once(n, block_size, batch_size):
    tokens = np.arange(n, dtype=np.uint16)
    found = []
    for batch in evaluation_batches(tokens, block_size=block_size, batch_size=batch_size):
        assert batch.inputs.shape == batch.targets.shape == (batch_size, block_size)
        real = batch.targets != IGNORE
        assert torch.equal(batch.inputs[real] + 1, batch.targets[real])
        assert (batch.inputs[~real] == 0).all()
        assert batch.n_targets == int(real.sum())
        assert batch.row_keys.shape == (batch_size,)
        found += batch.targets[real].tolist()
    assert found == list(range(1, n))


@LAWS
@given(st.integers(2, 300), st.integers(1, 12), st.integers(1, 5), st.integers(1, 300))
def test_a_limit_takes_a_fixed_and_evenly_spaced_part(n, block_size, batch_size, max_tokens):
    tokens = np.arange(n, dtype=np.uint16)
    part = evenly(side_by_side(n, block_size), max_tokens // block_size)
    options = {"block_size": block_size, "batch_size": batch_size, "spans": part}
    first_inputs = [
        int(row[0])
        for batch in evaluation_batches(tokens, **options)
        for row, target in zip(batch.inputs, batch.targets, strict=True)
        if target[0] != IGNORE
    ]
    n_all = -(-(n - 1) // block_size)
    assert len(first_inputs) == min(n_all, max(1, max_tokens // block_size))
    assert all(start % block_size == 0 for start in first_inputs)
    gaps = np.diff(np.array(first_inputs) // block_size)
    assert first_inputs[0] == 0 and (len(gaps) == 0 or gaps.max() - gaps.min() <= 1)
    assert (gaps > 0).all()


def test_too_little_text_is_said_with_the_numbers_and_the_cure():
    message = (
        "the train split has 8 tokens, and a block size of 8 needs 9: set --model.block-size to 7"
    )
    with pytest.raises(CorpusError, match=message):
        windows(8)
    for order in set(ORDERS) - {"documents"}:
        assert windows(9, order=order, batch_size=2).starts(0).tolist() == [0, 0]
    for n_tokens in (0, 1):
        with pytest.raises(CorpusError, match=f"val split has {n_tokens} tokens.*needs 9: give it"):
            require_length(n_tokens, 8, "val")
        with pytest.raises(CorpusError, match="nothing to predict"):
            next(evaluation_batches(np.zeros(n_tokens, np.uint16), block_size=8, batch_size=2))


def test_a_batch_goes_to_a_device_as_a_whole_or_stays_where_it_is():
    batch = windows().batch(0)
    assert batch.to(torch.device("cpu")) is batch
    moved = batch.to(torch.device("meta"))
    for name in ("inputs", "targets", "row_keys"):
        mine, other = getattr(batch, name), getattr(moved, name)
        assert other.device.type == "meta" and mine.device.type == "cpu"
        assert (other.shape, other.dtype) == (mine.shape, mine.dtype)
