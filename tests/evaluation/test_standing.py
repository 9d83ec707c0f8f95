"""Where a model stands, against counting done by hand."""

import numpy as np
import pytest

from bardling.data.stories.corpus import stories
from bardling.evaluation.standing import Standing, ngram_loss, told


def test_the_share_of_the_gap_that_is_closed():
    standing = Standing(chance=4.0, bigram=2.4, ngram=0.8, model=0.5, floor=0.3)
    assert standing.excess == pytest.approx(0.2)
    assert standing.closed == pytest.approx(0.6)
    unknown = Standing(chance=4.0, bigram=2.4, ngram=0.8, model=0.5, floor=None)
    assert unknown.excess is None and unknown.closed is None
    hopeless = Standing(chance=4.0, bigram=2.4, ngram=0.3, model=0.5, floor=0.3)
    assert hopeless.closed is None


@pytest.mark.parametrize("by_document", [True, False])
def test_counting_learns_what_there_is_to_count(by_document):
    """One document over and over: every token is nearly certain."""
    train, val = np.tile([1, 2, 0], 4000), np.tile([1, 2, 0], 10)
    loss = ngram_loss(train, val, order=3, vocab_size=3, end_token=0, by_document=by_document)
    assert 0 < loss < 0.01


def test_a_first_token_without_anything_before_it_does_not_count():
    train = np.tile([0, 1], 500)
    with_first, without = (
        ngram_loss(train, np.array([0, 1]), order=2, vocab_size=2, end_token=None, by_document=d)
        for d in (True, False)
    )
    assert without < 0.1 < with_first


def test_texts_are_told_apart():
    good = stories(0, 1)[0]
    first, second = told([good, good[:30] + "?"])
    assert first.reason is None and first.end == len(good)
    assert second.reason is not None and second.end == 30
