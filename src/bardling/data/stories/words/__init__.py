"""The words of the stories, in tables: each from common to rare."""

from bardling.data.stories.notation import Site
from bardling.data.stories.words import kinds, names, places, qualities, things


def word_sites() -> list[Site]:
    """Return every table of words."""
    return [site for table in (kinds, names, things, qualities, places) for site in table.sites()]
