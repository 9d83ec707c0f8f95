"""The fast way to encode gives the ids of the readable one, on every text, in linear time."""

import random
import string
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bardling.data.stories.corpus import stories
from bardling.text.bpe import BPETokenizer
from bardling.text.bpe_encoding import ByRank, ByTiktoken
from bardling.text.pretokenize import PATTERNS, pieces

TALES = stories(0, 40)
ALPHABET = "ab \n'sé😀1.\u00a0\u0558\U000323b0"


@cache
def trained(split="gpt2"):
    return BPETokenizer.train([*TALES, ALPHABET * 3], vocab_size=600, split=split)


def naive(piece: str, tokenizer: BPETokenizer) -> list[bytes]:
    """Of all neighbours that are merged, merge the earliest learned, from the left."""
    made = tokenizer.token_bytes
    ranks = {(made[a], made[b]): rank for rank, (a, b) in enumerate(tokenizer.merges)}
    parts = [bytes([byte]) for byte in piece.encode()]
    while True:
        found = [(ranks[pair], i) for i, pair in enumerate(pairwise(parts)) if pair in ranks]
        if not found:
            return parts
        _, place = min(found)
        parts[place : place + 2] = [parts[place] + parts[place + 1]]


@pytest.mark.parametrize("split", PATTERNS)
@settings(max_examples=80, deadline=None)
@given(text=st.one_of(st.text(), st.text(st.sampled_from(ALPHABET)), st.sampled_from(TALES)))
def test_both_ways_give_the_same_tokens(split, text):
    tokenizer = trained(split)
    assert isinstance(tokenizer.encoder, ByTiktoken)
    tokens = tokenizer.reference.encode(text)
    assert tokenizer.encoder.encode(text) == tokens
    expected = [part for piece in pieces(text, split) for part in naive(piece, tokenizer)]
    assert [tokenizer.token_bytes[token] for token in tokens] == expected


@pytest.mark.parametrize("n", [4095, 8192])
@pytest.mark.parametrize("blank", [" ", "\n", " \n\t"])
def test_however_long_white_space_is(n, blank):
    """From some length on we split the text ourselves; nobody can see from which."""
    tokenizer = BPETokenizer.train(["    \n\n\n a b"] * 3, vocab_size=262, split="llama3")
    for text in (f"so{blank * n}", f"{blank * n}so.", f"a{blank * n}b{blank * 5}c"):
        assert tokenizer.encoder.encode(text) == tokenizer.reference.encode(text)


LETTERS = "".join(random.Random(0).choices(string.ascii_letters, k=10_000))
HOSTILE = {"a": "a", "^": "^", "space": " ", "newline": "\n", "letters": LETTERS, "emoji": "😀"}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_million_of_anything_is_encoded(text):
    tokenizer = trained()
    text *= 1_000_000 // len(text)
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text


class Counted(dict):
    """A table of merges that counts how often it is asked."""

    asked = 0

    def __contains__(self, pair):
        self.asked += 1
        return super().__contains__(pair)


def test_the_readable_way_is_linear_in_the_length_of_a_piece():
    tokenizer = trained()
    counts = []
    for n in (1000, 4000):
        by_rank = ByRank(tokenizer.merges, tokenizer.token_bytes, "gpt2")
        by_rank.joins = Counted(by_rank.joins)
        by_rank.merged(LETTERS[:n].encode())
        counts.append(by_rank.joins.asked)
    assert counts[1] < 4.2 * counts[0]


def test_merges_that_no_training_makes_are_encoded_the_readable_way():
    """tiktoken knows no pairs: it would merge a + bc, for which there is no merge here."""
    a, b, c = (BPETokenizer.train([], vocab_size=256).encode(x)[0] for x in "abc")
    ab, abc = 257, 258
    odd = BPETokenizer(merges=((b, c), (a, b), (ab, c)))
    assert isinstance(odd.encoder, ByRank)
    assert odd.encode("abc") == [a, 256] != [abc]
    twice = BPETokenizer(merges=((a, b), (b, c), (256, c), (a, 257)))
    assert (len(twice.token_bytes), twice.vocab_size) == (259, 259)
    assert isinstance(twice.encoder, ByRank) and twice.encode("abc") == [258]
