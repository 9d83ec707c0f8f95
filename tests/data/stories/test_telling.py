"""Stories as functions of seed and number, and the probability of each."""

import itertools
import math
import re
from collections import Counter

import numpy as np
import pytest

from bardling.data.stories.telling import nats_of, retell, tell
from toy_stories import every_story, toy


def test_probabilities_are_those_of_the_list_of_all_stories():
    language = toy()
    expected = dict(every_story(language))
    assert len(expected) == len(every_story(language))  # no text is told in two ways
    assert math.fsum(expected.values()) == pytest.approx(1)
    stories = [tell(0, i, language=language) for i in range(1500)]
    seen = Counter(story.text for story in stories)
    assert set(seen) <= set(expected)
    for story in stories[:200]:
        assert math.exp(-nats_of(story.choices, language)) == pytest.approx(expected[story.text])
    chi2 = sum((seen[t] - 1500 * p) ** 2 / (1500 * p) for t, p in expected.items() if p > 0.004)
    common = sum(p > 0.004 for p in expected.values())
    assert chi2 < common + 4 * math.sqrt(2 * common)


def test_a_story_is_a_function_of_seed_number_and_split():
    first = tell(3, 5)
    assert tell(3, 5).text == first.text and tell(3, 5).choices == first.choices
    others = [tell(4, 5), tell(3, 6), tell(3, 5, split="val")]
    assert len({first.text, *(other.text for other in others)}) == 4


def test_splits_and_seeds_share_no_story():
    train, val = ({tell(0, i, split=split).text for i in range(400)} for split in ("train", "val"))
    other = {tell(1, i).text for i in range(400)}
    assert len(train) == len(val) == len(other) == 400
    assert not train & val and not train & other


def test_what_is_retold_is_what_was_told():
    for i in range(50):
        story = tell(0, i)
        assert retell(story.choices) == story.text
    with pytest.raises(ValueError, match="more choices"):
        retell((*story.choices, story.choices[0]))


def test_stories_are_as_long_and_as_rich_as_they_should_be():
    stories = [tell(0, i) for i in range(400)]
    lengths = [len(story.text) for story in stories]
    floor = sum(story.nats for story in stories) / sum(lengths)
    assert 0.30 <= floor <= 0.50
    assert min(story.nats for story in stories) >= 80
    assert max(lengths) <= 1000
    ends = [len(re.findall(r"[.!?]+", story.text)) for story in stories]
    assert min(ends) >= 4 and max(ends) <= 24  # full stops, those in speech too
    assert len({story.skeleton for story in stories}) >= 390
    text = "".join(story.text for story in stories)
    assert set(text) <= set(map(chr, range(32, 127)))
    assert not re.search(r"  | [.,!?]|[{}<>=]", text)


def test_articles_agree_with_what_follows():
    text = " ".join(tell(0, i).text for i in range(300))
    for article, word in re.findall(r"\b(an?) ([a-z-]+)", text):
        vowel = word[0] in "aeiou" and not word.startswith(("uni", "uku", "one"))
        assert (article == "an") == (vowel or word.startswith(("hour", "honest"))), word


def test_nobody_changes_name_or_gender():
    """The hero's pronouns are those of the name, to the end."""
    for story in itertools.islice((tell(0, i) for i in range(10**6)), 200):
        (name,) = [o for o in story.choices if o.site.startswith("name[")][:1]
        assert story.text.count(name.forms[0]) >= 1
        she = name.forms[2]
        other = {"she": " He ", "he": " She "}[she]
        assert other not in story.text


def test_what_is_left_is_what_was_there_without_what_was_given():
    numbers = [
        "none",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
    ]
    counted = 0
    for i in range(600):
        story = tell(0, i)
        gave = [o for o in story.choices if o.site.startswith("gave[")]
        if gave:
            there = numbers.index(gave[0].site[5:-1])
            given, left, still = (numbers.index(gave[0].forms[k]) for k in (0, 2, 3))
            assert left == there - given and still == left - 1 >= 2
            assert numbers[still] in story.text
            counted += 1
    assert counted > 10


def test_what_is_introduced_early_comes_back_late():
    """Lost things are found, by their own name, 200 to 800 characters later."""
    distances = []
    for i in range(1200):
        story = tell(0, i)
        if " lost " in story.text and (m := re.search(r" lost (?:her|his) ([^.]+)\.", story.text)):
            toy = m[1].split()[-1]
            last = story.text.rfind(toy)
            if last > m.end():
                distances.append(last - m.start(1))
    assert len(distances) > 40
    assert np.mean(np.array(distances) >= 150) > 0.8 and max(distances) < 800
