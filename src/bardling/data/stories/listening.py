"""Listening to a text: the choices it was told by, or where it stops being a story and why."""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cache

from bardling.data.stories.grammar import Grammar, Memory, grammar
from bardling.data.stories.notation import Option, Site
from bardling.data.stories.telling import nats_of
from bardling.data.stories.walk import walk

BOUNDARY = frozenset(" .,!?;:\"'")
"""What may follow a word; nothing else ends one."""
SHOWN = 3  # alternatives named in a reason
SHOWN_CHARACTERS = 24


@dataclass(frozen=True, eq=False)
class Reading:
    """What came of listening: the choices as far as they go, and where and why they stop."""

    choices: tuple[Option, ...]
    end: int
    """The character at which the text stops being a story; its length if it never does."""
    reason: str | None
    """Why it stops; None for a story."""

    @property
    def is_story(self) -> bool:
        """Tell whether the whole text is one story."""
        return self.reason is None

    @property
    def nats(self) -> float:
        """-ln p of the story."""
        return nats_of(self.choices)


class Lost(Exception):
    """The text is no story from character `position` on."""

    def __init__(self, position: int, expected: str) -> None:
        super().__init__(expected)
        self.position, self.expected = position, expected


class Listener:
    """Picks what the text says, in time that grows with the length of the text only."""

    def __init__(self, text: str, language: Grammar) -> None:
        self.text, self.language = text, language
        self.position = 0
        self.choices: list[Option] = []

    def say(self, part: str) -> None:
        """Go over a part that the text has to have here."""
        if not self.text.startswith(part, self.position):
            raise Lost(self.position + self._agreeing(part), repr(_short(part)))
        self.position += len(part)

    def pick(self, site: Site, form: int, memory: Memory) -> Option:
        """Return the one option that the text goes on with."""
        option = self._word(site, form) if site.is_words else self._sentence(site, memory)
        self.choices.append(option)
        return option

    def _word(self, site: Site, form: int) -> Option:
        """Return the word here: of all words, the last one not after the text in the alphabet.

        No word with a boundary after it begins another one, so no other can be it.
        """
        texts, options, longest = _dictionary(site, form)
        rest = self.text[self.position : self.position + longest + 1]
        place = bisect_right(texts, rest) - 1
        while place >= 0:
            text = texts[place]
            if rest.startswith(text) and (len(rest) == len(text) or rest[len(text)] in BOUNDARY):
                return options[place]
            if not _begins_alike(text, rest):
                break
            place -= 1
        raise self._lost(texts, f"a word of '{site.name}'")

    def _sentence(self, site: Site, memory: Memory) -> Option:
        leads = []
        for option in site.options:
            for step in self.language.leads[option]:
                lead = step.text(memory)
                if self.text.startswith(lead, self.position):
                    return option
                leads.append(lead)
        raise self._lost(leads, f"a sentence of '{site.name}'")

    def _lost(self, texts: list[str] | tuple[str, ...], what: str) -> Lost:
        """Return where the text leaves the option that it follows longest."""
        agreeing = [self._agreeing(text) for text in texts]
        furthest = max(agreeing)
        near = [_short(t) for t, n in zip(texts, agreeing, strict=True) if n == furthest]
        more = f" or {len(near) - SHOWN} more" if len(near) > SHOWN else ""
        shown = ", ".join(map(repr, near[:SHOWN]))
        return Lost(self.position + furthest, f"{what}, such as {shown}{more}")

    def _agreeing(self, part: str) -> int:
        rest = self.text[self.position : self.position + len(part)]
        pairs = enumerate(zip(rest, part, strict=False))
        return next((i for i, (a, b) in pairs if a != b), len(rest))


@cache
def _dictionary(site: Site, form: int) -> tuple[tuple[str, ...], tuple[Option, ...], int]:
    """Return the words of a site in alphabetical order, what they stand for, the longest length."""
    pairs = sorted((option.forms[form], option.number) for option in site.options)
    texts = tuple(text for text, _ in pairs)
    return texts, tuple(site.options[number] for _, number in pairs), max(map(len, texts))


def _begins_alike(word: str, rest: str) -> bool:
    """Tell whether a shorter word could still be it: one that both of these begin with."""
    return word[:1] == rest[:1]


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."


def listen(text: str, language: Grammar | None = None) -> Reading:
    """Return the choices that `text` was told by; every story has exactly one such list."""
    language = language or grammar()
    listener = Listener(text, language)
    try:
        walk(language, listener.pick, listener.say)
        if listener.position < len(text):
            raise Lost(listener.position, "the end of the story")
    except Lost as lost:
        found = text[lost.position : lost.position + SHOWN_CHARACTERS]
        seen = repr(_short(found)) if found else "the end of the text"
        reason = f"expected {lost.expected}, found {seen}"
        return Reading(tuple(listener.choices), lost.position, reason)
    return Reading(tuple(listener.choices), len(text), None)
