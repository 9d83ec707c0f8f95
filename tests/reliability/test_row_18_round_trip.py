"""Every text and every byte comes back from its tokens, saved or not, alone or among others.

What is written piece by piece while a model generates is, joined, what its tokens say as a whole.
"""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from promises import Protection

from bardling.data.encoding import encode_stream
from bardling.data.stories.corpus import stories
from bardling.errors import TokenizerError
from bardling.generation.text import Writer
from bardling.text.bpe import BPETokenizer
from bardling.text.characters import CharacterTokenizer
from bardling.text.pretokenize import PATTERNS
from bardling.text.tokenizer import Tokenizer
from bardling.text.tokenizer_file import load_tokenizer, save_tokenizer

PROTECTIONS = (
    Protection(
        file="generation/text.py",
        line="self.ids = self.ids[-LONGEST_BEGINNING:]",
        broken="self.ids = self.ids[-1:]",
        test="test_every_text_comes_back_from_byte_pairs[150]",
    ),
    Protection(
        file="text/bpe.py",
        line="ids += [self._byte_ids[byte] for byte in part]",
        broken="ids += [*part]",
        test="test_each_byte_has_a_token_and_comes_back_alone",
    ),
    Protection(
        file="text/bpe.py",
        line='        text.encode("utf-8")\n',
        broken='        text.encode("utf-8", "surrogatepass")\n',
        test="test_half_a_surrogate_pair_is_refused_or_left_out_and_nothing_else_is[150]",
    ),
)
ODD = (
    "\x00\ufeff\n\r\n \t\x7f\x85\u00a0\u2028\ufffdé́e\u0301\u200d😀👩\u200d🚀\U0010ffff<|endoftext|>"
)
KANA = "".join(map(chr, range(0x3041, 0x30FF)))
LEARNED = [*stories(0, 6), ODD * 4, KANA, "あいうえお、かきくけこ。“so”—‘it’…" * 9]
KINDS = ("bytes alone", *PATTERNS)
MANY = pytest.mark.parametrize("n", [150, pytest.param(10_000, marks=pytest.mark.sweep)])

TEXTS = st.one_of(
    st.text(max_size=60),
    st.text(st.sampled_from(ODD + KANA + "'s 12"), max_size=60),
    st.lists(st.sampled_from([*ODD, "the ", "  ", "\n\n", "、", "。。", "”"])).map("".join),
)
PARTS = [c.encode()[:n] for c in "é“あ😀" for n in range(1, 5)]
BYTES = st.one_of(
    st.binary(max_size=80),
    st.just(bytes(range(256))),
    st.lists(st.sampled_from(PARTS)).map(b"".join),
)


def for_many(strategy, n, law) -> None:
    """Try a law on so many examples."""
    suppressed = [HealthCheck.too_slow, HealthCheck.data_too_large]
    options = {"derandomize": True, "deadline": None, "suppress_health_check": suppressed}
    settings(max_examples=n, database=None, **options)(given(strategy)(law))()


def again(tokenizer: Tokenizer) -> Tokenizer:
    """Return a tokenizer that was written to the disk and read from there."""
    with TemporaryDirectory() as folder:
        save_tokenizer(tokenizer, Path(folder))
        return load_tokenizer(Path(folder))


@cache
def learned(kind: str) -> BPETokenizer:
    if kind == "bytes alone":
        return BPETokenizer.train([], vocab_size=257, end_token=True)
    return BPETokenizer.train(LEARNED, vocab_size=330, split=kind, end_token=True)


@cache
def saved(kind: str) -> BPETokenizer:
    loaded = again(learned(kind))
    assert loaded == learned(kind) and loaded.sha256 == learned(kind).sha256
    return loaded


def streamed(tokenizer: Tokenizer, ids: list[int]) -> str:
    """Return what comes out piece by piece, as it does while a model writes."""
    writer = Writer(tokenizer, ())
    return "".join([*map(writer.take, ids), writer.close()])


@MANY
def test_every_text_comes_back_from_byte_pairs(n):
    def law(sample):
        kind, text = sample
        tokenizer = saved(kind)
        ids = tokenizer.encode(text)
        assert ids == tokenizer.encode_array(text).tolist()
        assert all(0 <= number < tokenizer.vocab_size - 1 for number in ids)
        assert tokenizer.decode(ids) == streamed(tokenizer, ids) == text
        assert tokenizer.decode_bytes(ids) == text.encode()

    for_many(st.tuples(st.sampled_from(KINDS), TEXTS), n, law)


@MANY
def test_every_text_comes_back_from_characters(n):
    def law(sample):
        text, end_token = sample
        before = CharacterTokenizer.train([text], end_token=end_token)
        tokenizer = again(before) if len(text) % 8 == 0 else before  # the disk takes its time
        ids = tokenizer.encode(text)
        assert ids == before.encode(text) == tokenizer.encode_array(text).tolist()
        assert all(0 <= number < len(tokenizer.characters) for number in ids)
        assert tokenizer.decode(ids) == streamed(tokenizer, ids) == text

    for_many(st.tuples(TEXTS.filter(bool), st.booleans()), n, law)


@MANY
def test_every_string_of_bytes_comes_back(n):
    def law(sample):
        kind, data = sample
        tokenizer = saved(kind)
        ids = tokenizer.encode_bytes(data)
        assert all(0 <= number < tokenizer.vocab_size - 1 for number in ids)
        assert tokenizer.decode_bytes(ids) == data
        assert tokenizer.decode(ids) == streamed(tokenizer, ids) == data.decode("utf-8", "replace")

    for_many(st.tuples(st.sampled_from(KINDS), BYTES), n, law)


@MANY
def test_whatever_a_model_writes_is_streamed_as_it_is_decoded(n):
    def law(sample):
        kind, ids = sample
        tokenizer = saved(kind)
        ids = [number % (tokenizer.vocab_size - 1) for number in ids]
        assert streamed(tokenizer, ids) == tokenizer.decode(ids)

    for_many(st.tuples(st.sampled_from(KINDS), st.lists(st.integers(0, 10**4))), n, law)


@MANY
def test_texts_in_lots_have_the_tokens_of_each_alone(n):
    def law(sample):
        kind, texts = sample
        tokenizer = saved(kind)
        alone = [[*tokenizer.encode(text), tokenizer.end_token] for text in texts]
        none = np.zeros(0, dtype=np.uint32)
        together = np.concatenate([none, *encode_stream(texts, tokenizer)]).tolist()
        assert together == [number for ids in alone for number in ids]

    for_many(st.tuples(st.sampled_from(KINDS), st.lists(TEXTS, max_size=5)), n, law)


@MANY
def test_half_a_surrogate_pair_is_refused_or_left_out_and_nothing_else_is(n):
    def law(sample):
        kind, text = sample
        tokenizer = saved(kind)
        kept = "".join(c for c in text if not "\ud800" <= c <= "\udfff")
        assert tokenizer.decode(tokenizer.encode(text, unknown="skip")) == kept
        assert tokenizer.count_unknown(text) == len(text) - len(kept)
        if kept == text:
            assert tokenizer.decode(tokenizer.encode(text)) == text
        else:
            with pytest.raises(TokenizerError, match="half a surrogate pair"):
                tokenizer.encode(text)

    alphabet = st.one_of(st.characters(), st.characters(categories=["Cs"]))
    for_many(st.tuples(st.sampled_from(KINDS), st.text(alphabet, max_size=20)), n, law)


@pytest.mark.parametrize("kind", KINDS)
def test_each_byte_has_a_token_and_comes_back_alone(kind):
    tokenizer = saved(kind)
    found = [tokenizer.encode_bytes(bytes([byte])) for byte in range(256)]
    assert sorted(number for (number,) in found) == list(range(256))
    assert [tokenizer.decode_bytes(ids) for ids in found] == [bytes([b]) for b in range(256)]


@pytest.mark.parametrize("size", [270, 400, 700])
def test_characters_that_share_their_bytes_among_tokens_are_streamed_whole(size):
    """Tokens that end within a character may follow each other without end."""
    text = "".join(chr(0x4E00 + 977 * i % 512) for i in range(1000)) + KANA * 3
    tokenizer = BPETokenizer.train([text], vocab_size=size)
    ids = tokenizer.encode(text)
    assert streamed(tokenizer, ids) == text
    writer = Writer(tokenizer, ())
    for number in ids:
        writer.take(number)
        assert len(writer.ids) <= 3  # or each token would cost more than the one before


def test_special_tokens_within_a_character_are_silent_in_a_stream():
    tokenizer = BPETokenizer(merges=(), special=("<pad>", "</s>"))
    first, *rest = tokenizer.encode("😀")
    ids = [first, *[256] * 5, *rest, 256]
    assert tokenizer.decode(ids) == streamed(tokenizer, ids) == "😀"
