"""Each step of cleaning does what it says, tells what it did, and touches nothing else."""

import random

import pytest

from bardling.data.curation import (
    Lengths,
    clean,
    drop_exact_duplicates,
    drop_metadata_lines,
    drop_near_duplicates,
    filter_length,
    overlap,
    repair_encoding,
    tidy_whitespace,
)
from bardling.data.statistics import measure
from bardling.data.stories.corpus import stories
from bardling.errors import UsageError
from bardling.text.characters import CharacterTokenizer

TALES = list(stories(0, 120))


def changed(text: str, rng: random.Random, n_words: int = 2) -> str:
    """Return a text with a few words exchanged for others."""
    words = text.split(" ")
    for place in rng.sample(range(len(words)), n_words):
        words[place] = "marmalade"
    return " ".join(words)


def test_broken_encodings_are_repaired_and_others_left_alone():
    broken = "a café — “tea”".encode().decode("latin-1")
    done = repair_encoding([broken, "naïve “tea” & &amp; ﬁne"])
    assert done.documents == ["a café — “tea”", "naïve “tea” & &amp; ﬁne"]
    assert (done.n_changed, done.n_removed) == (1, 0) and "cafÃ©" in done.examples[0]


def test_lines_that_are_no_content_go_and_blank_lines_stay():
    text = (
        "*** START ***\nROMEO:\nSpeak, 12 times.\n\n- 12 -\nPage 3 of 9\nhttp://x.org\nNo. 7 it is"
    )
    done = drop_metadata_lines([text, "all of it stays\n\n"])
    assert done.documents == ["ROMEO:\nSpeak, 12 times.\n\nNo. 7 it is", "all of it stays\n\n"]
    assert done.n_changed == 1 and done.examples == ["'*** START ***'"]
    assert drop_metadata_lines(["12\n***\n"]).n_removed == 1
    assert drop_metadata_lines(["***Important***: stay"]).n_changed == 0


def test_steps_take_time_in_proportion():
    """Each of these took minutes or hours once."""
    many_lines = "\n".join(f"Line number {i}" for i in range(100_000)) + "\n12"
    assert drop_metadata_lines([many_lines]).n_changed == 1
    assert drop_metadata_lines(["1" + "-" * 100_000 + "x"]).n_changed == 0
    assert tidy_whitespace(["a" + " " * 300_000 + "b"]).n_changed == 0


def test_short_lines_that_stand_everywhere_are_boilerplate():
    long = "This line is as common as the others, but it is too long to be a headline."
    texts = [f"Follow us!\nIt was {i} o'clock.\n{long}" for i in range(12)]
    done = drop_metadata_lines(texts)
    assert done.documents[3] == f"It was 3 o'clock.\n{long}" and done.n_changed == 12
    assert drop_metadata_lines(texts[:9]).n_changed == 0  # too few to know
    assert done.examples == ["'Follow us!'"]  # told once, however often it went
    headings = [f"## The idea\nNumber {i}." for i in range(12)]
    assert drop_metadata_lines(headings).n_changed == 0


def test_white_space_is_tidied():
    done = tidy_whitespace(["\na  b \t\r\nc\r\n\n\n\nd\r", "x\n\ny"])
    assert done.documents == ["a  b\nc\n\nd", "x\n\ny"] and done.n_changed == 1


def test_stubs_and_walls_are_left_out():
    done = filter_length(["one two", "a b c", "a b c d e f"], Lengths(min_words=3, max_words=5))
    assert done.documents == ["a b c"]
    assert done.examples == [
        "2 words, fewer than 3: 'one two'", "6 words, more than 5: 'a b c d e f'",
    ]  # fmt: skip


def test_every_planted_duplicate_is_found_and_nothing_else():
    rng = random.Random(0)
    planted = rng.sample(TALES, 6)
    exact = [text.replace(" ", "  ", 1) for text in planted]
    done = drop_exact_duplicates([*TALES, *exact])
    assert done.documents == TALES and done.n_removed == 6
    near = [changed(text, rng) for text in planted]
    done = drop_near_duplicates([*TALES, *near])
    assert done.documents == TALES and done.n_removed == 6
    assert done.examples[0].startswith(f"is nearly document {TALES.index(planted[0]) + 1}: ")


def test_texts_that_are_only_somewhat_alike_stay():
    rng = random.Random(0)
    others = [changed(text, rng, n_words=7) for text in TALES[:20]]
    assert drop_near_duplicates([*TALES[:20], *others]).n_removed == 0


def test_texts_that_both_sides_have_are_found():
    rng = random.Random(1)
    train, val = TALES[:100], TALES[100:]
    assert overlap(train, val) == []
    planted = [train[7], changed(train[50], rng)]
    assert overlap(train, [*val, *planted]) == planted


def test_steps_follow_each_other_and_can_be_skipped():
    texts = ["one two three four five six\r\n", "one two three four five six", "stub", " \n"]
    done = clean(texts)
    names = ["as it was", "encoding", "metadata", "whitespace", "length", "duplicates", "near"]
    assert [outcome.name for outcome in done] == names
    assert done[-1].documents == ["one two three four five six"]
    sizes = [len(outcome.documents) for outcome in done]
    assert sizes[0] - sizes[-1] == sum(outcome.n_removed for outcome in done)
    kept = clean(texts, skip=["length", "duplicates", "near"])[-1].documents
    assert kept == ["one two three four five six"] * 2 + ["stub"]
    with pytest.raises(UsageError, match="'dups' is no step"):
        clean(texts, skip=["dups"])


def test_statistics_are_counted_and_suggest_sizes():
    documents = ["a b"] * 19 + ["é " * 50]
    found = measure(documents, CharacterTokenizer.train(documents, end_token=True))
    assert (found.n_documents, found.n_words, found.n_distinct) == (20, 88, 4)
    assert (found.n_characters, found.n_bytes, found.n_tokens) == (157, 207, 177)
    assert found.words == (2, 2, 2, 2, 2, 50) and found.tokens == (4, 4, 4, 4, 4, 101)
    assert (found.block_size, found.n_parameters) == (32, 8)
