"""Parsing: every story is read as it was told, and what is no story is refused where it ends."""

import random

import pytest

from bardling.data.stories.listening import listen
from bardling.data.stories.telling import retell, tell
from toy_stories import every_story, toy

N_STORIES, N_MUTATIONS = 1500, 1000


def test_every_story_is_read_as_it_was_told():
    for i in range(N_STORIES):
        story = tell(7, i)
        reading = listen(story.text)
        assert reading.is_story and reading.end == len(story.text)
        assert reading.choices == story.choices
    assert reading.nats == story.nats


def test_of_a_small_language_exactly_the_stories_are_read():
    language = toy()
    texts = {text for text, _ in every_story(language)}
    for text in texts:
        assert listen(text, language).is_story
        for cut in range(len(text)):
            assert not listen(text[:cut], language).is_story
        for at in range(len(text)):
            for character in "a., Tt":
                changed = text[:at] + character + text[at + 1 :]
                assert listen(changed, language).is_story == (changed in texts)


def mutate(text, rng):
    """Return a text with something changed: a character, a word, a sentence."""
    words, kind = text.split(" "), rng.randrange(6)
    at = rng.randrange(len(text))
    i, j = rng.randrange(len(words)), rng.randrange(len(words))
    if kind == 0:
        return text[:at] + rng.choice("abcdefgh ,.") + text[at + 1 :]
    if kind == 1:
        return text[:at] + text[at + 1 :]
    if kind == 2:
        words[i], words[j] = words[j], words[i]
    elif kind == 3:
        del words[i]
    elif kind == 4:
        words[i] = rng.choice(tell(8, rng.randrange(1000)).text.split(" "))
    else:
        return text[:at] + tell(8, rng.randrange(1000)).text[at:]
    return " ".join(words)


def test_changed_stories_are_refused_or_are_other_stories():
    rng, accepted = random.Random(0), 0
    for i in range(N_MUTATIONS):
        text = mutate(tell(9, i).text, rng)
        reading = listen(text)
        if reading.is_story:
            accepted += 1
            assert retell(reading.choices) == text
        else:
            assert 0 <= reading.end <= len(text) and reading.reason
    assert 0 < accepted < N_MUTATIONS // 2


def test_another_name_or_number_is_refused_where_it_stands():
    for i in range(300):
        story = tell(0, i)
        name = next(o.forms[0] for o in story.choices if o.site.startswith("name["))
        other = "Ben" if name != "Ben" else "Tom"
        at = story.text.rfind(name)
        if at == story.text.find(name):
            continue
        changed = story.text[:at] + other + story.text[at + len(name) :]
        reading = listen(changed)
        assert not reading.is_story and at <= reading.end <= at + len(name) + 1


@pytest.mark.parametrize(
    ("text", "end", "reason"),
    [
        ("", 0, "expected a word of 'pet'"),
        ("There was a dog.", 12, "found 'dog.'"),
        ("There was an owl. The cat purred.", 22, "'The owl ', found 'cat purred.'"),
        ("There was a cat. The cat hooted.", 25, "'mewed', 'purred', found 'hooted.'"),
        ("There was a cat. The cat purred. X", 32, "expected the end of the story, found ' X'"),
        ("There was a cat. The cat", 24, "found the end of the text"),
    ],
)
def test_the_reason_names_place_and_alternatives(text, end, reason):
    reading = listen(text, toy())
    assert (reading.end, reading.is_story) == (end, False)
    assert reason in reading.reason or text == ""


@pytest.mark.parametrize("text", ["\0", "<|endoftext|>", "é" * 2000, "Once upon a time " * 500])
def test_anything_can_be_listened_to(text):
    assert not listen(text).is_story


def test_parsing_is_linear_in_the_text():
    """Work is counted, not timed: characters compared per character of text stay bounded."""
    lengths, work = [], []
    for i in range(200):
        story = tell(0, i)
        lengths.append(len(story.text))
        work.append(len(listen(story.text).choices))
    shares = [w / n for w, n in zip(work, lengths, strict=True)]
    assert max(shares) < 2 * min(shares) + 0.1
