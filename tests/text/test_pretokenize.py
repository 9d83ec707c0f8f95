"""Text is split as Hugging Face's own splitter does, for every pattern and every character."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, pre_tokenizers

from bardling.text.pretokenize import LLAMA_CPP, PATTERNS, pieces

TELLING = "'sSſtTrevmlLdD \n\r\t\u00a0\u3000ⅷ½٣12345éß你😀\u0345\u200d._-K\u212a\x1c\x85"
NEWER = "\u0558\u208f\U00010940\U000323b0\U0003d000"  # letters since Unicode 17


@pytest.mark.parametrize("split", PATTERNS)
@settings(max_examples=150, deadline=None)
@given(text=st.one_of(st.text(), st.text(st.sampled_from(TELLING + NEWER))))
def test_every_text_is_split_as_elsewhere(split, text):
    theirs = pre_tokenizers.Split(Regex(PATTERNS[split]), "isolated").pre_tokenize_str(text)
    assert pieces(text, split) == [piece for piece, _ in theirs]
    assert "".join(pieces(text, split)) == text


def test_of_every_character_it_is_known_what_it_is():
    """After a sign, letters and numbers begin anew, and signs do not."""
    for start in range(0, 0x40000, 0x4000):  # beyond that there is nothing but signs
        characters = (chr(c) for c in range(start, start + 0x4000) if not 0xD800 <= c < 0xE000)
        text = "".join(f".{c}" for c in characters)
        theirs = pre_tokenizers.Split(Regex(PATTERNS["qwen2"]), "isolated").pre_tokenize_str(text)
        assert pieces(text, "qwen2") == [piece for piece, _ in theirs]


def test_gpt2_s_pattern_is_that_which_the_format_has_built_in():
    text = "It's 'S 12ab  34\n\n don't  \tI'LL x'"
    theirs = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(text)
    assert [text[start:end] for _, (start, end) in theirs] == pieces(text, "gpt2")
    assert LLAMA_CPP.keys() == PATTERNS.keys()


def test_numbers_are_kept_or_cut_by_threes_or_by_digits():
    counts = {split: len(pieces("1234567", split)) for split in PATTERNS}
    assert counts == {"gpt2": 1, "llama3": 3, "qwen2": 7}
