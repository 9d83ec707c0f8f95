"""One token per character: exact both ways, fast, and strict about what it does not know."""

import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bardling.errors import TokenizerError
from bardling.text import characters as module
from bardling.text.characters import CharacterTokenizer
from bardling.text.tokenizer import END_TOKEN, Tokenizer

LAWS = settings(derandomize=True, deadline=None, max_examples=200)
character = st.characters(exclude_categories=["Cs"])
texts = st.text(character, min_size=1)


def test_it_is_a_tokenizer():
    assert isinstance(CharacterTokenizer.train(["ab"]), Tokenizer)


def test_ids_follow_the_code_points_and_the_end_token_comes_last():
    tokenizer = CharacterTokenizer.train(["ba\n", "c😀a"], end_token=True)
    assert tokenizer.characters == "\nabc😀"
    assert tokenizer.encode("abc\n😀") == [1, 2, 3, 0, 4]
    assert (tokenizer.end_token, tokenizer.vocab_size) == (5, 6)
    assert tokenizer.special_tokens == {END_TOKEN: 5}
    without = CharacterTokenizer.train(["ba\n", "c😀a"])
    assert (without.end_token, without.vocab_size, without.special_tokens) == (None, 5, {})


@LAWS
@given(texts, st.booleans())
def test_text_comes_back_and_ids_are_those_of_a_plain_dictionary(text, end_token):
    tokenizer = CharacterTokenizer.train([text], end_token=end_token)
    number = {c: i for i, c in enumerate(sorted(set(text)))}
    ids = tokenizer.encode(text)
    assert ids == [number[c] for c in text]
    array = tokenizer.encode_array(text)
    assert array.dtype == np.uint32 and array.tolist() == ids
    assert tokenizer.decode(ids) == tokenizer.decode(array) == text


@LAWS
@given(texts, st.text())
def test_what_is_unknown_is_skipped_or_counted_exactly(known, text):
    tokenizer = CharacterTokenizer.train([known])
    kept = [c for c in text if c in known]
    assert tokenizer.decode(tokenizer.encode(text, unknown="skip")) == "".join(kept)
    assert tokenizer.count_unknown(text) == len(text) - len(kept)


@pytest.mark.parametrize(
    "text, name, position",
    [
        ("aax", r"'x' \(U\+0078\)", "2"),
        ("\x00", r"'\\x00' \(U\+0000\)", "0"),
        ("a\U0010ffff", r"\(U\+10FFFF\)", "1"),
        ("ab\ud800", r"'\\ud800' \(U\+D800\)", "2"),
        ("a" * 1500 + "é" + "!", r"'é' \(U\+00E9\)", "1,500"),
    ],
)
def test_an_unknown_character_is_named_with_its_place(text, name, position, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", 1000)
    with pytest.raises(TokenizerError, match=f"{name} at position {position} of the text"):
        CharacterTokenizer.train(["ab"]).encode(text)


def test_pieces_give_the_ids_of_the_whole(monkeypatch):
    tokenizer = CharacterTokenizer.train(["abc"])
    text = "abcx" * 50
    whole = tokenizer.encode(text, unknown="skip")
    monkeypatch.setattr(module, "_CHUNK", 7)
    assert tokenizer.encode(text, unknown="skip") == whole
    assert tokenizer.encode("") == []


@pytest.mark.parametrize("text", [END_TOKEN, f"a{END_TOKEN}b", "<|endof" + "text|>" * 2])
def test_a_special_tokens_own_string_is_only_text(text):
    tokenizer = CharacterTokenizer.train([text], end_token=True)
    ids = tokenizer.encode(text)
    assert tokenizer.end_token not in ids and len(ids) == len(text)
    assert tokenizer.decode(ids) == text


def test_the_end_token_has_no_text():
    tokenizer = CharacterTokenizer.train(["ab"], end_token=True)
    assert tokenizer.decode([0, 2, 1, 2]) == "ab"


def test_ids_may_be_arrays_tensors_or_generators():
    tokenizer = CharacterTokenizer.train(["ab"])
    for ids in (np.array([0, 1]), torch.tensor([0, 1]), (i for i in (0, 1)), range(2)):
        assert tokenizer.decode(ids) == "ab"


@pytest.mark.parametrize("number", [-1, 2, 2**70])
def test_an_id_out_of_range_is_refused(number):
    with pytest.raises(TokenizerError, match=f"{number} is not an id .* 0 to 1 were expected"):
        CharacterTokenizer.train(["ab"]).decode([0, number])


def test_what_cannot_be_a_vocabulary_is_refused():
    with pytest.raises(TokenizerError, match="at least one character"):
        CharacterTokenizer.train([""])
    with pytest.raises(TokenizerError, match=r"U\+DC80\) is half a surrogate pair"):
        CharacterTokenizer.train(["a\udc80"])
    with pytest.raises(TokenizerError, match=r"'a' \(U\+0061\) is listed twice"):
        CharacterTokenizer(characters="aba")


def test_the_hash_tells_vocabularies_apart():
    ab, ba = CharacterTokenizer(characters="ab"), CharacterTokenizer(characters="ba")
    assert ab.sha256 == CharacterTokenizer.train(["ba"]).sha256
    assert len({ab.sha256, ba.sha256, CharacterTokenizer.train(["ab"], end_token=True).sha256}) == 3


def test_a_million_characters_take_moments():
    text = "a^ \n😀" * 200_000
    start = time.perf_counter()
    assert len(CharacterTokenizer.train([text]).encode_array(text)) == 1_000_000
    assert time.perf_counter() - start < 5
