"""A batch of pairs is a pure function of seed, step and rows, and no pair is torn apart."""

import numpy as np
import pytest
import torch

from bardling.data.batches import IGNORE
from bardling.data.pairs import Pairs
from bardling.errors import CorpusError

END = 9
DOCUMENTS = [
    [1, 2, 3, 4, END], [1, 2, 5, END],
    [7, END], [8, 8, 8, 8, 8, END],
    [4, 4, END], [4, END],
]  # fmt: skip
TOKENS = np.array([i for document in DOCUMENTS for i in document], dtype=np.uint16)


def pairs_of(**settings) -> Pairs:
    return Pairs(**({"tokens": TOKENS, "end_token": END, "batch_size": 2} | settings))


def test_answers_are_foretold_from_where_they_differ():
    batch = pairs_of(order="sequential").batch(0)
    assert batch.inputs.tolist() == [
        [END, 1, 2, 3, 4, END], [END, 1, 2, 5, END, END],
        [END, 7, END, END, END, END], [END, 8, 8, 8, 8, 8],
    ]  # fmt: skip
    no = IGNORE
    assert batch.targets.tolist() == [
        [no, no, 3, 4, END, no], [no, no, 5, END, no, no],
        [7, END, no, no, no, no], [8, 8, 8, 8, 8, END],
    ]  # fmt: skip


def test_an_answer_that_ends_where_the_other_goes_on_differs_in_its_end():
    batch = pairs_of(order="sequential", batch_size=1).batch(2)
    assert batch.targets[:, :3].tolist() == [[IGNORE, 4, END], [IGNORE, END, IGNORE]]


def test_both_sequences_of_a_pair_have_one_key():
    keys = pairs_of(batch_size=3).batch(4).row_keys
    assert torch.equal(keys[::2], keys[1::2]) and len(keys[::2].unique()) == 3


@pytest.mark.parametrize("order", ["shuffled", "sequential", "random", "documents"])
def test_rows_are_cut_from_the_same_batch(order):
    pairs = pairs_of(batch_size=5, order=order, seed=3)
    whole = pairs.batch(7)
    assert len(whole.inputs) == 10
    for rows in (range(0, 2), range(2, 5), slice(1, 4)):
        part = pairs.batch(7, rows)
        where = slice(2 * rows.start, 2 * rows.stop)
        assert torch.equal(part.inputs, whole.inputs[where])
        assert torch.equal(part.targets, whole.targets[where])
        assert torch.equal(part.row_keys, whole.row_keys[where])
    again = pairs_of(batch_size=5, order=order, seed=3).batch(7)
    assert torch.equal(again.inputs, whole.inputs)


def test_each_pair_comes_once_an_epoch():
    pairs = pairs_of(batch_size=1, seed=2)
    epochs = [[int(pairs.numbers(3 * e + s)[0]) for s in range(3)] for e in range(8)]
    assert all(sorted(epoch) == [0, 1, 2] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_where_sequences_begin_is_known():
    pairs = pairs_of(order="sequential")
    assert pairs.starts(0).tolist() == [0, 5, 9, 11]
    assert (pairs.n_pairs, pairs.width) == (3, 6)


@pytest.mark.parametrize("tokens", [[], [1, 2, END], [1, END, 2, END, 3, END]])
def test_documents_that_are_no_pairs_are_refused(tokens):
    with pytest.raises(CorpusError, match=r"has \d documents, which are no pairs"):
        pairs_of(tokens=np.array(tokens, dtype=np.uint16))
