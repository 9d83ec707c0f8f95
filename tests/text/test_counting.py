"""Pieces are counted the same however the texts are handed out."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bardling.data.stories.corpus import stories
from bardling.text import counting
from bardling.text.bpe import BPETokenizer
from bardling.text.counting import count_pieces
from bardling.text.lots import lots
from bardling.text.pretokenize import PATTERNS, pieces

TALES = stories(0, 60)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("lot", [1, 3000, 10**9])
def test_counts_do_not_depend_on_lots_and_processes(monkeypatch, processes, lot):
    monkeypatch.setattr(counting, "_LOT", lot)
    texts = TALES if lot > 1 else TALES[:6]
    expected = Counter(piece for text in texts for piece in pieces(text))
    assert count_pieces(iter(texts), "gpt2", processes=processes) == expected
    assert count_pieces([], "gpt2", processes=processes) == Counter()


def test_texts_are_taken_one_after_the_other():
    """No more of a stream is held than one lot."""
    given = []

    def stream():
        for number in range(50):
            given.append(number)
            yield "x" * 100

    next(lots(stream(), 100))
    assert len(given) == 1


@pytest.mark.parametrize("split", PATTERNS)
@settings(max_examples=150, deadline=None)
@given(
    texts=st.lists(st.text(st.sampled_from("ab .\n'1é\u00a0"), max_size=60)), size=st.integers(1, 9)
)
def test_wherever_long_texts_are_cut_their_pieces_are_the_same(split, texts, size):
    parts = [part for lot in lots(texts, size) for part in lot]
    assert sum(is_end for _, is_end in parts) == len(texts)
    expected = [piece for text in texts for piece in pieces(text, split)]
    assert [piece for text, _ in parts for piece in pieces(text, split)] == expected
    sizes = [sum(len(text) for text, _ in lot) for lot in lots(["so it is " * 99], size)]
    assert max(sizes) < size + 9


def test_rare_pairs_can_be_left_alone():
    texts = ["ab " * 5 + "cd " * 2]
    assert BPETokenizer.train(texts, vocab_size=300, min_frequency=3).token_bytes[256:] == (
        b"ab", b" ab",
    )  # fmt: skip


@pytest.mark.parametrize("processes", [1, 2])
def test_how_far_it_is_only_grows_and_ends_at_the_total(monkeypatch, processes):
    monkeypatch.setattr(counting, "_LOT", 3000)
    told = []

    def heard(phase, done, total):
        told.append((phase, done, total))

    with_it = BPETokenizer.train(TALES, vocab_size=500, processes=processes, heard=heard)
    assert with_it == BPETokenizer.train(TALES, vocab_size=500)
    counted = [done for phase, done, _ in told if phase == "counting"]
    merged = [(done, total) for phase, done, total in told if phase == "merging"]
    assert [phase for phase, _, _ in told] == ["counting"] * len(counted) + ["merging"] * len(
        merged
    )
    assert counted == sorted(counted) and counted[0] == 0 and len(counted) > 3
    assert counted[-1] == sum(map(len, TALES))
    assert merged == [(0, 244), (64, 244), (128, 244), (192, 244), (244, 244)]
    assert all(total is None for phase, _, total in told if phase == "counting")


def test_merges_that_cannot_be_had_are_no_longer_wanted():
    told = []
    BPETokenizer.train(["abab"], vocab_size=1000, heard=lambda *what: told.append(what))
    assert told[-1] == ("merging", 2, 2)
