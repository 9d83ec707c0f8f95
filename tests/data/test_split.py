"""The two sides of a corpus are disjoint, complete and the same for every training seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bardling.data.corpora import Corpus, load_corpus
from bardling.data.encoding import encode_stream
from bardling.data.split import split_corpus
from bardling.errors import ConfigError, CorpusError, TokenizerError
from bardling.text.characters import CharacterTokenizer

LAWS = settings(derandomize=True, deadline=None, max_examples=200)


def split(*documents: str, val_fraction: float = 0.1):
    corpus = Corpus(name="c", documents=documents)
    sides = split_corpus(corpus, val_fraction=val_fraction)
    return sides["train"], sides["val"]


@LAWS
@given(st.integers(2, 3000))
def test_a_single_text_is_cut_where_everyone_cuts_it(n):
    text = "".join(map(chr, range(n)))
    (train,), (val,) = split(text)
    assert train + val == text
    assert len(train) == int(0.9 * n)


@pytest.mark.real_text
def test_tiny_shakespeare_is_cut_where_everyone_cuts_it(real_text):
    sides = split_corpus(load_corpus("shakespeare", data_dir=real_text), val_fraction=0.1)
    assert [len(sides[side][0]) for side in ("train", "val")] == [1_003_854, 111_540]


@LAWS
@given(
    st.lists(st.sampled_from("abcdefghijklmnop"), min_size=2, max_size=60), st.floats(0.01, 0.99)
)
def test_documents_are_on_one_side_each_in_their_order(documents, val_fraction):
    if len(set(documents)) == 1:
        return
    train, val = split(*documents, val_fraction=val_fraction)
    assert not set(train) & set(val)
    assert train and val
    assert train == tuple(d for d in documents if d in train)
    assert val == tuple(d for d in documents if d in val)
    assert len(train) + len(val) == len(documents)


@LAWS
@given(st.integers(2, 200), st.floats(0.01, 0.99))
def test_the_share_of_distinct_documents_is_exact(n, val_fraction):
    _, val = split(*map(str, range(n)), val_fraction=val_fraction)
    assert len(val) == min(max(1, round(n * val_fraction)), n - 1)


def test_planted_duplicates_stay_together():
    documents = [str(i) for i in range(100)] + [str(i) for i in range(5)] * 2
    train, val = split(*documents, val_fraction=0.3)
    assert not set(train) & set(val)
    assert len(val) == 33


def test_more_copies_than_room_still_leave_both_sides_something():
    train, val = split(*["a"] * 6, *["b"] * 4)
    assert (set(train), set(val)) == ({"a"}, {"b"})


def test_the_draw_is_spread_and_always_the_same():
    documents = [str(i) for i in range(1000)]
    _, val = split(*documents)
    places = np.array(list(map(int, val)))
    assert split(*documents)[1] == val
    assert 400 < places.mean() < 600 and len(np.unique(places // 100)) == 10


@pytest.mark.parametrize("documents", [("a",), ("",), (), ("a", "a", "a")])
def test_too_little_to_split_is_said(documents):
    with pytest.raises(CorpusError, match=r"corpus 'c' with .* too small to set 10% aside"):
        split(*documents)


@pytest.mark.parametrize(
    ("val_fraction", "shown"),
    [(0.9999999, "99.99999%"), (0.07, "7%"), (0.005, "0.5%"), (1e-300, "1E-298%")],
)
def test_a_fraction_is_shown_with_every_digit(val_fraction, shown):
    with pytest.raises(CorpusError, match=rf"to set {shown} aside .* or another val_fraction"):
        split("a" if val_fraction < 0.5 else "abc" * 1000, val_fraction=val_fraction)


@pytest.mark.parametrize("val_fraction", [0, 1, -0.1, 1.5, float("nan")])
def test_a_fraction_that_is_none_is_refused(val_fraction):
    with pytest.raises(ConfigError, match="between 0 and 1"):
        split("abc", val_fraction=float(val_fraction))


def test_documents_are_joined_by_the_end_token():
    with_end = CharacterTokenizer.train(["ab"], end_token=True)

    def encode_documents(*args, **options):
        return np.concatenate([np.zeros(0, np.uint32), *encode_stream(*args, **options)])

    ids = encode_documents(["ab", "", "b"], with_end)
    assert ids.dtype == np.uint32 and ids.tolist() == [0, 1, 2, 2, 1, 2]
    without = CharacterTokenizer.train(["ab"])
    assert encode_documents(["ab", "b"], without).tolist() == [0, 1, 1]
    assert encode_documents([], with_end).tolist() == []
    with pytest.raises(TokenizerError, match="'x'"):
        encode_documents(["x"], without)
    assert encode_documents(["xa"], without, unknown="skip").tolist() == [0]
