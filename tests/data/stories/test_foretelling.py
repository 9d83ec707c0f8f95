"""The probability of the next character, against the list of all stories and the chain rule."""

import math
from collections import defaultdict

import pytest

from bardling.data.stories.foretelling import END, next_characters
from bardling.data.stories.telling import tell
from bardling.errors import CorpusError
from toy_stories import every_story, toy


def test_it_is_what_the_list_of_all_stories_says():
    language = toy()
    stories = every_story(language)
    beginnings = {text[:n] for text, _ in stories for n in range(len(text) + 1)}
    for beginning in beginnings:
        expected = defaultdict(float)
        for text, p in stories:
            if text.startswith(beginning):
                expected[text[len(beginning) : len(beginning) + 1] or END] += p
        total = sum(expected.values())
        found = next_characters(beginning, language)
        assert found == pytest.approx({c: p / total for c, p in expected.items()})


@pytest.mark.slow
def test_multiplied_along_a_story_it_is_the_probability_of_the_story():
    for number in (0, 11):
        story = tell(0, number)
        nats = -math.log(next_characters(story.text)[END])
        for at, character in enumerate(story.text):
            nats -= math.log(next_characters(story.text[:at])[character])
        assert nats == pytest.approx(story.nats, rel=1e-12)


def test_of_the_whole_language_it_is_a_distribution_that_has_the_story():
    text = tell(0, 3).text
    for at in range(0, len(text), 40):
        found = next_characters(text[:at])
        assert math.fsum(found.values()) == pytest.approx(1) and found[text[at]] > 0


def test_a_word_may_go_on_as_another():
    found = next_characters("There was a cat", toy())
    assert set(found) == {".", "e"} and sum(found.values()) == pytest.approx(1)


@pytest.mark.parametrize("text", ["There was a dog", "Here", "There was a cat. The cat purred.?"])
def test_where_no_story_begins_like_that_it_says_so(text):
    with pytest.raises(CorpusError, match="no story begins like that"):
        next_characters(text, toy())
