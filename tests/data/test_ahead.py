"""Batches made ahead: the same ones, fewer askings, whatever the order of asking."""

import numpy as np
import pytest
import torch

from bardling.data.batches import MOST_AHEAD, TOKENS_AHEAD, Ahead, Windows

TOKENS = np.random.default_rng(3).integers(0, 60, 500).astype(np.uint16)


def windows() -> Windows:
    return Windows(tokens=TOKENS, block_size=8, batch_size=6)


@pytest.mark.parametrize("tokens", [1, 48, TOKENS_AHEAD, 10 * TOKENS_AHEAD])
@pytest.mark.parametrize("steps", [range(40), [5, 6, 7, 3, 4, 100, 7, 7]])
def test_batches_are_those_of_the_source(tokens, steps):
    source = windows()
    ahead = Ahead(source.batch, tokens)
    for step in steps:
        for rows in (range(4), range(4, 6)):  # as two accumulated parts ask
            found, expected = ahead(step, rows), source.batch(step, rows)
            assert torch.equal(found.inputs, expected.inputs)
            assert torch.equal(found.targets, expected.targets)
            assert torch.equal(found.row_keys, expected.row_keys)


def test_small_batches_are_made_several_at_a_time_and_none_twice():
    made = []

    def source(step, rows):
        made.append((step, rows))
        return windows().batch(step, rows)

    ahead = Ahead(source, 48)
    for step in range(MOST_AHEAD):
        ahead(step, range(3))
        ahead(step, range(3, 6))
    assert len(made) == len(set(made)) == 2 * MOST_AHEAD
    ahead(MOST_AHEAD, range(3))
    assert len(made) == 3 * MOST_AHEAD


def test_large_batches_are_made_one_at_a_time():
    made = []

    def source(step, rows):
        made.append(step)
        return windows().batch(step, rows)

    ahead = Ahead(source, TOKENS_AHEAD + 1)
    ahead(0, range(1))
    assert made == [0]
