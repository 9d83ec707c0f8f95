"""Parsing: every story is read as it was told, and what is no story is refused where it ends."""

import random

import pytest

from bardling.data.stories.listening import listen
from bardling.data.stories.telling import retell, tell
from toy_stories import every_story, toy

N_STORIES, N_MUTATIONS = 500, 400  # benchmarks/stories.py takes 100,000 and 10,000


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


class Counted(str):
    """A text that counts how many of its characters are looked at."""

    looked_at = 0

    def startswith(self, part, start=0):
        self.looked_at += len(part)
        return super().startswith(part, start)

    def __getitem__(self, place):
        found = super().__getitem__(place)
        self.looked_at += len(found)
        return found


def chain(n_sentences):
    """Return a grammar whose every story has so many sentences."""
    lines = ["story:", "  1 There was <a pet>. <s0>"]
    for i in range(n_sentences):
        after = f" <s{i + 1}>" if i + 1 < n_sentences else ""
        said = (f"2 The {{pet}} <=sound[pet]>.{after}", f"1 Then <a =pet> came.{after}")
        lines += [f"s{i}:", *said]
    return toy("\n".join(lines))


def test_parsing_is_linear_in_the_text():
    """Characters looked at for each one of the text are as many in stories 16 times as long."""
    shares = []
    for n_sentences in (10, 160):
        language = chain(n_sentences)
        text = Counted(tell(0, 0, language=language).text)
        assert listen(text, language).is_story
        shares.append(text.looked_at / len(text))
    assert shares[1] == pytest.approx(shares[0], rel=0.15)
