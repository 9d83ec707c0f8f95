"""The whole grammar: every table, laid out so that one pass over it tells or reads a story.

A sentence becomes steps: a stretch of text without a choice, then a choice. Each remembered choice
has its places in memory, one for each of its forms, and a reference is a place.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from operator import itemgetter
from typing import NamedTuple

from bardling.data.stories.notation import Draw, Option, Part, Reference, Site
from bardling.data.stories.plots import sentence_sites
from bardling.data.stories.words import word_sites

Memory = list[str]

START = "story"


class Step(NamedTuple):
    """A stretch of text without a choice, and the choice after it.

    The text is `pattern`, filled with what `recall` takes from memory where there is something to
    recall. The choice is made at `site`, or at `sites[memory[key]]`; the last step of a sentence
    may have neither. A word is kept in memory in `keep`, if it is referred to, and said in its form
    number `form`.
    """

    pattern: str
    recall: Callable[[Memory], object] | None
    site: Site | None = None
    sites: Mapping[str, Site] | None = None
    key: int = 0
    keep: slice | None = None
    form: int = 0

    def text(self, memory: Memory) -> str:
        """Return the text with what is remembered filled in."""
        return self.pattern if self.recall is None else self.pattern % self.recall(memory)


@dataclass(frozen=True, eq=False)
class Grammar:
    """All sites by name, and each sentence as steps."""

    sites: Mapping[str, Site]
    steps: Mapping[Option, tuple[Step, ...]]
    memory_size: int
    start: Site

    def sites_of(self, draw: Draw) -> dict[str, Site]:
        """Return the sites that a draw may choose at, by the value of its index."""
        return _meant(self.sites, draw)

    @cached_property
    def leads(self) -> dict[Option, tuple[Step, ...]]:
        """The ways in which each sentence can begin: up to its first choice, seen as steps.

        Where a sentence begins with another one, those are that one's ways to begin.
        """
        return {option: tuple(self._leads(option)) for option in self.steps}

    def _leads(self, option: Option) -> Iterator[Step]:
        first = self.steps[option][0]
        if first.pattern or first.site is None or first.site.is_words:
            yield first
        else:
            for inner in first.site.options:
                yield from self._leads(inner)


def _meant(sites: Mapping[str, Site], draw: Draw) -> dict[str, Site]:
    if draw.index is None:
        return {"": sites[draw.site]}
    start = f"{draw.site}["
    return {name[len(start) : -1]: site for name, site in sites.items() if name.startswith(start)}


class _Layout:
    """Where in memory each form of each remembered choice lies."""

    def __init__(self, sites: Mapping[str, Site]) -> None:
        self.sites = sites
        self.forms: dict[str, tuple[str, ...]] = {}
        self.places: dict[str, int] = {}
        self.size = 0
        for site in sites.values():
            for option in site.options:
                for part in option.parts:
                    if isinstance(part, Draw):
                        self._remember(part)

    def _remember(self, draw: Draw) -> None:
        for site in _meant(self.sites, draw).values():
            if not site.is_words or not draw.name:
                continue
            if draw.name not in self.forms:
                self.forms[draw.name], self.places[draw.name] = site.forms, self.size
                self.size += len(site.forms)
            elif self.forms[draw.name] != site.forms:
                raise ValueError(f"<{draw.name}> has other forms at {site.name}")

    def place(self, reference: Reference) -> int:
        return self.places[reference.name] + self.forms[reference.name].index(reference.form)

    def steps(self, parts: Sequence[Part]) -> tuple[Step, ...]:
        """Return a sentence as steps."""
        steps: list[Step] = []
        text: list[str | Reference] = []
        for part in parts:
            if not isinstance(part, Draw):
                text.append(part)
                continue
            steps.append(self._step(text, part))
            text = []
        return (*steps, Step(*self._text(text))) if text else tuple(steps)

    def _text(
        self, parts: Sequence[str | Reference]
    ) -> tuple[str, Callable[[Memory], object] | None]:
        places = [self.place(part) for part in parts if isinstance(part, Reference)]
        pattern = "".join("%s" if isinstance(part, Reference) else part for part in parts)
        return pattern, itemgetter(*places) if places else None

    def _step(self, text: Sequence[str | Reference], draw: Draw) -> Step:
        pattern, recall = self._text(text)
        sites = _meant(self.sites, draw)
        first = next(iter(sites.values()))
        keep, form = None, 0
        if first.is_words:
            form = first.forms.index(draw.form)
            if draw.name:
                place = self.places[draw.name]
                keep = slice(place, place + len(first.forms))
        if draw.index is None:
            return Step(pattern, recall, site=first, keep=keep, form=form)
        key = self.place(draw.index)
        return Step(pattern, recall, sites=sites, key=key, keep=keep, form=form)


def assemble(sites: Iterable[Site], start: str = START) -> Grammar:
    """Return the grammar of some sites, told from the site `start`."""
    by_name: dict[str, Site] = {}
    for site in sites:
        if site.name in by_name:
            raise ValueError(f"there are two sites '{site.name}'")
        by_name[site.name] = site
    layout = _Layout(by_name)
    options = [option for site in by_name.values() for option in site.options]
    steps = {option: layout.steps(option.parts) for option in options if option.parts}
    return Grammar(sites=by_name, steps=steps, memory_size=layout.size, start=by_name[start])


@cache
def grammar() -> Grammar:
    """Return the grammar of the stories; it is made once, in about a hundredth of a second."""
    return assemble([*word_sites(), *sentence_sites()])
