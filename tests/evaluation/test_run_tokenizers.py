"""The comparison on a run's own text: what is read off its tokens, and who takes part."""

import numpy as np
import pytest

from bardling.data.known import Known
from bardling.data.stories.corpus import stories
from bardling.errors import CorpusError
from bardling.evaluation import tokenizers
from bardling.evaluation.run_tokenizers import compare_for_run, sizes_for, text_of
from bardling.text.bpe import BPETokenizer
from bardling.text.characters import CharacterTokenizer

TALES = stories(0, 24)
OURS = BPETokenizer.train(TALES, vocab_size=400, end_token=True)
END = "<|endoftext|>"


def tokens_of(texts, tokenizer=OURS):
    return np.array(
        [number for text in texts for number in (*tokenizer.encode(text), tokenizer.end_token)],
        dtype=np.uint16,
    )


def row_of(found, name):
    return next(row for row in found.rows if row.name == name)


def test_the_text_is_that_of_the_documents_and_the_end_token_is_none():
    assert text_of(tokens_of(TALES), OURS, 10**6) == "\n".join(TALES)
    assert END not in text_of(tokens_of(TALES[:3]), OURS, 10**6)
    whole = CharacterTokenizer.train(TALES, end_token=False)
    ids = np.array(whole.encode(TALES[0]), dtype=np.uint16)
    assert text_of(ids, whole, 10**6) == TALES[0]
    assert text_of(ids[:0], whole, 10**6) == ""


@pytest.mark.parametrize("limit", [1, 5, 100, 1000, 10**6])
def test_no_more_text_is_read_than_is_wanted_and_no_half_character(limit):
    texts = ["né à côté 你好 😀", *TALES[:4]]
    text = text_of(tokens_of(texts), OURS, limit)
    whole = "\n".join(texts)
    assert whole.startswith(text) and "\ufffd" not in text
    assert len(text.encode()) > min(limit, len(whole.encode())) - 20
    assert len(text.replace("\n", "").encode()) <= limit


@pytest.mark.parametrize(
    ("n_bytes", "sizes"),
    [(0, (500,)), (30_000, (500,)), (183_000, (500, 2000)), (2_000_000, (1000, 4000, 16000))],
)
def test_vocabularies_fit_the_text(n_bytes, sizes):
    assert sizes_for(n_bytes) == sizes


def test_the_run_s_own_tokenizer_is_among_them():
    found = compare_for_run(tokens_of(TALES[:20]), tokens_of(TALES[20:]), OURS)
    kept = "\n".join(TALES[20:])
    assert [row.name for row in found.rows if row.is_own] == ["this run's"]
    own = row_of(found, "this run's")
    assert own.n_tokens == len(OURS.encode(kept)) and own.vocab_size == 400
    assert own.train_seconds is None
    assert own.attention == (own.n_tokens / row_of(found, "characters").n_tokens) ** 2
    assert {"characters", "words", "BPE 500", "tokenizers 500"} < {row.name for row in found.rows}
    assert found.n_bytes == len(kept.encode())


def test_nothing_is_downloaded_and_who_is_not_at_hand_is_left_out(monkeypatch, tmp_path):
    monkeypatch.setattr("bardling.data.known.download", lambda *_, **__: pytest.fail("no network"))
    monkeypatch.setattr("bardling.data.known.cache_folder", lambda: tmp_path)
    monkeypatch.setattr(tokenizers, "optional", missing)
    monkeypatch.delenv("BARDLING_DATA", raising=False)
    found = compare_for_run(tokens_of(TALES[:20]), tokens_of(TALES[20:]), OURS)
    assert [reason.split()[0] for reason in found.left_out] == ["absent", "GPT-2's"]
    for known in (tokenizers.GPT2_VOCAB, tokenizers.GPT2_MERGES):
        assert isinstance(known, Known)
        (tmp_path / known.name).parent.mkdir(exist_ok=True)
        (tmp_path / known.name).write_text("damaged")
    found = compare_for_run(tokens_of(TALES[:20]), tokens_of(TALES[20:]), OURS)
    assert found.left_out[1].startswith("GPT-2: ") and "sha256" in found.left_out[1]


def missing(*_):
    raise tokenizers.UsageError("absent")


def test_a_text_too_short_is_refused():
    with pytest.raises(CorpusError, match="too few to compare tokenizers"):
        compare_for_run(tokens_of(TALES), tokens_of(["Once."]), OURS)
    with pytest.raises(CorpusError, match="too few to compare tokenizers"):
        compare_for_run(tokens_of(["Once."]), tokens_of(TALES), OURS)
    with pytest.raises(CorpusError, match="6 characters are too few"):
        tokenizers.compare_on("", "abcdef")


@pytest.mark.parametrize("wall", [" ", "\n", "x"])
def test_a_text_that_would_take_minutes_is_refused(wall):
    bytes_alone = BPETokenizer.train([], vocab_size=257, end_token=True)
    long, short = tokens_of([wall * 20_001], bytes_alone), tokens_of(TALES[:9], bytes_alone)
    for train, val in ((long, short), (short, long)):
        with pytest.raises(CorpusError, match=r"20,00\d characters without a border"):
            compare_for_run(train, val, bytes_alone)


def test_a_word_that_is_endless_is_shown_in_part():
    found = tokenizers.compare_on("ab " * 400, "ab " + "c" * 5000, sizes=(260,))
    assert found.new_word == "c" * tokenizers.LONGEST_WORD and found.is_new
    assert max(len(row.new_word) for row in found.rows) <= tokenizers.LONGEST_WORD
    assert not tokenizers.compare_on("ab cd " * 200, "cd " * 30, sizes=(260,)).is_new
