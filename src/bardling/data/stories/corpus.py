"""Stories by the thousand: the corpus, and what is known of any document that is a story."""

from collections.abc import Iterable

from bardling.data.stories.listening import listen
from bardling.data.stories.telling import tell

N_STORIES = 20_000
"""Stories of the corpus unless told otherwise: about 12 MB of text."""


def stories(seed: int, n_documents: int, *, split: str = "train") -> tuple[str, ...]:
    """Return the first stories of a split, each a pure function of (seed, split, its number)."""
    return tuple(tell(seed, number, split=split).text for number in range(n_documents))


def story_nats(documents: Iterable[str]) -> tuple[float, ...] | None:
    """Return -ln p of each document, its end included; None unless all of them are stories.

    No model can expect to do better than their sum. That the text is enough to know it is what the
    grammar's being unambiguous means.
    """
    found = []
    for document in documents:
        reading = listen(document)
        if not reading.is_story:
            return None
        found.append(reading.nats)
    return tuple(found)
