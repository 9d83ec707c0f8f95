"""Windows of whole documents, and the floor on them, against plain loops."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bardling.data.batches import IGNORE, evaluation_batches, evenly
from bardling.data.documents import Documents, known_documents
from bardling.data.encoding import encode_stream
from bardling.data.stories.corpus import stories, story_nats
from bardling.errors import CorpusError
from bardling.text.characters import CharacterTokenizer

END = 9
LENGTHS = st.lists(st.integers(1, 14), min_size=1, max_size=12)


def tokens_of(lengths):
    """Return documents of these lengths, end tokens included, and whose places are what."""
    return np.concatenate([[*np.arange(n - 1) % 5, END] for n in lengths]).astype(np.uint16)


@given(LENGTHS, st.integers(1, 20), st.integers(1, 4))
def test_every_token_is_predicted_once_from_the_one_before(lengths, block_size, batch_size):
    tokens = tokens_of(lengths)
    documents = Documents.find(tokens, END)
    assert documents.ends.tolist() == np.cumsum(lengths).tolist()
    assert documents.longest == max(lengths)
    inputs, targets = [], []
    for batch in evaluation_batches(
        tokens,
        block_size=block_size,
        batch_size=batch_size,
        spans=documents.spans(block_size),
        end_token=END,
    ):
        assert batch.inputs.shape == (batch_size, block_size)
        real = batch.targets != IGNORE
        targets += batch.targets[real].tolist()
        inputs += batch.inputs[real].tolist()
    assert targets == tokens.tolist()
    assert inputs == [END, *tokens[:-1].tolist()]


@given(LENGTHS, st.integers(1, 40))
def test_windows_hold_whole_documents_as_many_as_fit(lengths, block_size):
    documents = Documents.find(tokens_of(lengths), END)
    edges = {0, *documents.ends.tolist()}
    spans = documents.spans(block_size).tolist()
    assert all(0 < end - start <= block_size for start, end in spans)
    if max(lengths) <= block_size:
        assert all(start in edges and end in edges for start, end in spans)
        for start, end in spans[:-1]:
            one_more = min(edge for edge in edges if edge > end)
            assert one_more - start > block_size


def test_the_floor_is_the_mean_over_the_tokens_of_the_windows():
    lengths, nats = [4, 6, 3, 8], [1.0, 5.0, 2.0, 4.0]
    documents = Documents.find(tokens_of(lengths), END, nats)
    spans = documents.spans(10)
    assert spans.tolist() == [[0, 10], [10, 13], [13, 21]]
    assert documents.floor(spans) == pytest.approx(12 / 21)
    assert documents.floor(spans[:1]) == pytest.approx(6 / 10)
    assert documents.floor(evenly(spans, 2)) == pytest.approx(8 / 13)


def test_there_is_no_floor_where_documents_are_cut_or_unknown():
    tokens = tokens_of([4, 12])
    assert Documents.find(tokens, END, [1.0, 2.0]).floor(np.array([[0, 4], [4, 10]])) is None
    known = Documents.find(tokens, END, [1.0, 2.0])
    assert known.floor(known.spans(8)) is None and known.floor(known.spans(12)) is not None
    unknown = Documents.find(tokens, END)
    assert unknown.floor(unknown.spans(12)) is None


def test_documents_are_known_if_all_are_stories():
    texts = stories(0, 4, split="val")
    tokenizer = CharacterTokenizer.train(texts, end_token=True)
    tokens = np.concatenate([*encode_stream(texts, tokenizer)])
    known = known_documents(tokens, tokenizer)
    assert known.nats.tolist() == list(story_nats(texts))
    assert known.longest == max(map(len, texts)) + 1
    assert known_documents(tokens[:-1], tokenizer) is None  # the last one is not whole
    assert known_documents(tokens[1:], tokenizer) is None  # nor is the first
    assert known_documents(tokens[:0], tokenizer) is None
    assert known_documents(tokens, replace(tokenizer, has_end_token=False)) is None


def test_a_floor_of_other_documents_is_refused():
    with pytest.raises(CorpusError, match="known of 3 documents, but 2 are there"):
        Documents.find(tokens_of([4, 2]), END, [1.0, 2.0, 3.0])
