"""The sentences of the stories, in tables: an opening, seventeen plots, what they share, an end."""

from collections import defaultdict
from dataclasses import replace

from bardling.data.stories.notation import Option, Site, sentences
from bardling.data.stories.plots import errands, frame, losses, meetings, numbers, tales, wishes


def sentence_sites() -> list[Site]:
    """Return every site of sentences, and the words that only one plot uses.

    Several tables may add to one site: each plot adds its own beginnings to `plot`.
    """
    options: dict[str, list[Option]] = defaultdict(list)
    found: list[Site] = []
    for table in (frame, losses, numbers, tales, errands, meetings, wishes):
        for name, site in sentences(table.SENTENCES).items():
            options[name] += site.options
        found += table.sites()
    for name, parts in options.items():
        numbered = [replace(option, number=number) for number, option in enumerate(parts)]
        found.append(Site(name, tuple(numbered)))
    return found
