"""The corpus, and what is known of any documents."""

import pytest

from bardling.data.stories.corpus import stories, story_nats
from bardling.data.stories.telling import tell


def test_the_corpus_is_the_stories_in_order():
    assert stories(3, 4) == tuple(tell(3, i).text for i in range(4))
    assert stories(3, 9)[:4] == stories(3, 4)
    assert not set(stories(3, 50)) & set(stories(3, 50, split="val"))


def test_what_is_known_of_documents_is_read_off_their_text():
    documents = stories(0, 5, split="val")
    expected = [tell(0, i, split="val").nats for i in range(5)]
    assert story_nats(documents) == pytest.approx(expected, rel=1e-15)
    assert story_nats((*documents, "Once upon a time there was nothing.")) is None
