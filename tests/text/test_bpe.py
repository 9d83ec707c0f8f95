"""Merges and ids against Hugging Face's trainer and against a naive reference in ten lines."""

import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers, trainers

from bardling.data.stories.corpus import stories
from bardling.errors import TokenizerError
from bardling.text.bpe import BPETokenizer
from bardling.text.byte_order import BYTES
from bardling.text.pretokenize import pieces
from bardling.text.tokenizer import END_TOKEN

TALES = stories(0, 60)
ODD = ["a  b\n\n c\t", "it's  'S 12 three4", "naïve 你好 😀👩\u200d🚀", "\x00\u00a0", "  ", ""]
SMALL = BPETokenizer.train(TALES[:3], vocab_size=300, end_token=True)
TEXTS = st.lists(st.text(st.sampled_from("ab \n'sé😀1"), max_size=30), max_size=6)


def theirs_of(texts, vocab_size):
    """Train Hugging Face's byte-level BPE on the same texts."""
    theirs = tokenizers.Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    options = {"vocab_size": vocab_size, "initial_alphabet": alphabet, "show_progress": False}
    theirs.train_from_iterator(texts, trainers.BpeTrainer(**options))
    return theirs


def naive_merges(texts, n_merges):
    """Count all pairs anew before each merge."""
    order = {byte: rank for rank, byte in enumerate(BYTES)}
    words = [[order[byte] for byte in p.encode()] for text in texts for p in pieces(text)]
    merges = []
    while len(merges) < n_merges:
        counts = Counter(pair for word in words for pair in pairwise(word))
        if not counts:
            break
        pair = min(counts, key=lambda p: (-counts[p], p))
        words = [replaced(word, pair, 256 + len(merges)) for word in words]
        merges.append(pair)
    return merges


def replaced(word, pair, token):
    text = []
    while word:
        same = tuple(word[:2]) == pair
        text.append(token if same else word[0])
        word = word[2:] if same else word[1:]
    return text


@pytest.mark.parametrize("texts", [TALES, ODD, [*TALES[:5], *ODD]], ids=["tales", "odd", "both"])
def test_merges_and_ids_are_hugging_face_s(texts):
    ours = BPETokenizer.train(texts, vocab_size=400)
    theirs = theirs_of(texts, 400)
    model = json.loads(theirs.to_str())["model"]
    mine = ours.to_json()["model"]
    assert mine["merges"] == model["merges"] and mine["vocab"] == model["vocab"]
    for text in (*TALES[:20], *ODD):
        assert ours.encode(text) == theirs.encode(text).ids
        assert ours.decode(ours.encode(text)) == text


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.integers(0, 12))
def test_merges_are_those_of_the_naive_reference(texts, n_merges):
    ours = BPETokenizer.train(texts, vocab_size=256 + n_merges)
    assert list(ours.merges) == naive_merges(texts, n_merges)


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_any_text_comes_back(text):
    tokenizer = SMALL
    text = "".join(c for c in text if not "\ud800" <= c <= "\udfff")
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text and "".join(pieces(text)) == text
    assert tokenizer.end_token not in ids
    assert np.array_equal(tokenizer.encode_array(text), ids)


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.binary(), st.text().map(str.encode), st.just(bytes(range(256)))))
def test_any_bytes_come_back(data):
    assert SMALL.decode_bytes(SMALL.encode_bytes(data)) == data


def test_bytes_without_any_sense_take_time_in_proportion():
    data = np.random.default_rng(0).bytes(300_000)  # a minute, if the rest were copied each time
    assert SMALL.decode_bytes(SMALL.encode_bytes(data)) == data


def test_the_end_token_is_the_last_id_and_no_text():
    tokenizer = BPETokenizer.train(TALES, vocab_size=300, end_token=True)
    assert (tokenizer.vocab_size, tokenizer.end_token, len(tokenizer.merges)) == (300, 299, 43)
    assert tokenizer.special_tokens == {END_TOKEN: 299}
    assert tokenizer.end_token not in tokenizer.encode(END_TOKEN)
    assert tokenizer.decode([*tokenizer.encode("so"), 299]) == "so"
    assert BPETokenizer.train(TALES, vocab_size=300).end_token is None


def test_where_there_is_nothing_left_to_merge_it_stops():
    tokenizer = BPETokenizer.train(["abab"], vocab_size=1000)
    assert [tokenizer.token_bytes[-1], len(tokenizer.merges)] == [b"abab", 2]


def test_bytes_that_are_no_text_are_shown_as_such():
    tokenizer = BPETokenizer.train([], vocab_size=256)
    ids = tokenizer.encode("é")
    assert len(ids) == 2 and tokenizer.decode(ids[:1]) == "\ufffd"
    for wrong in (-1, 256):
        with pytest.raises(TokenizerError, match=f"{wrong} is not an id"):
            tokenizer.decode([wrong])


def test_half_a_character_is_refused_or_left_out():
    tokenizer = BPETokenizer.train([], vocab_size=256)
    with pytest.raises(TokenizerError, match=r"U\+D800 at position 1"):
        tokenizer.encode("a\ud800b")
    assert tokenizer.decode(tokenizer.encode("a\ud800b", unknown="skip")) == "ab"
    assert tokenizer.count_unknown("a\ud800b") == 1


@pytest.mark.parametrize(("size", "end"), [(255, False), (256, True), (0, False)])
def test_too_small_a_vocabulary_is_refused(size, end):
    with pytest.raises(TokenizerError, match="has no room for the 256 bytes"):
        BPETokenizer.train(TALES, vocab_size=size, end_token=end)


@pytest.mark.parametrize("merges", [((0, 256),), ((0, 1), (0, 1)), ((-1, 0),)])
def test_merges_that_cannot_be_are_refused(merges):
    with pytest.raises(TokenizerError, match="merge"):
        BPETokenizer(merges=merges)


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v["model"]["merges"].append(["Q", "nothing"]),
        lambda v: v["model"]["merges"].append("a b c"),
        lambda v: v["model"]["vocab"].update({"!": "0"}),
        lambda v: v["model"]["vocab"].update({"!": 1}),
        lambda v: v["model"].update(byte_fallback=True),
        lambda v: v.update(normalizer={"type": "NFC"}),
        lambda v: v.pop("added_tokens"),
        lambda v: v.update(surprise=1),
    ],
)
def test_a_file_that_means_something_else_is_refused(change):
    value = json.loads(json.dumps(BPETokenizer.train(TALES, vocab_size=280).to_json()))
    assert BPETokenizer.from_json(value) == BPETokenizer.train(TALES, vocab_size=280)
    change(value)
    with pytest.raises(TokenizerError):
        BPETokenizer.from_json(value)


def random_text(n):
    """Return bytes without any sense, as far as they can be text."""
    return np.random.default_rng(0).bytes(n).decode("utf-8", "ignore")


@pytest.mark.real_text
@pytest.mark.parametrize(
    "name", ["tinyshakespeare.txt", "tinystories-sample.txt", "wikitext2-valid.txt", None]
)
def test_on_real_text_it_learns_what_others_learn(real_text, name):
    text = random_text(15_000) if name is None else (real_text / name).read_text()[:60_000]
    ours = BPETokenizer.train([text], vocab_size=800)
    theirs = theirs_of([text], 800)
    assert ours.to_json()["model"]["merges"] == json.loads(theirs.to_str())["model"]["merges"]
    assert ours.encode(text) == theirs.encode(text).ids == ours.reference.encode(text)
    short = text[:4000]
    assert list(BPETokenizer.train([short], vocab_size=290).merges) == naive_merges([short], 34)
