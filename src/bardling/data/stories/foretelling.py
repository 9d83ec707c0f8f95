"""What may come next, exactly: the probability of each next character after a beginning.

The grammar is followed along everything that a beginning does not rule out. That is hardly ever
more than one way: only the choice in whose midst the beginning ends is open, as `cat` may stay a
cat or become a caterpillar.
"""

from collections import defaultdict
from collections.abc import Sequence

from bardling.data.stories.grammar import Grammar, Memory, grammar
from bardling.data.stories.listening import listen
from bardling.data.stories.notation import Option, Site
from bardling.data.stories.walk import walk
from bardling.errors import CorpusError

END = ""
"""What comes after the last character of a story."""


class _Enough(Exception):
    """It is known how this way goes on."""


class _Scout:
    """Goes the way of some choices, and stops where the text leaves the beginning or the choices.

    Then `character` is what comes after the beginning, or `site` has the next choice to be made, or
    neither: the beginning is not on this way.
    """

    def __init__(self, beginning: str, choices: Sequence[Option]) -> None:
        self.rest = beginning
        self.choices = iter(choices)
        self.character: str | None = None
        self.site: Site | None = None
        self.form = 0

    def pick(self, site: Site, form: int, memory: Memory) -> Option:
        """Return the next of the choices."""
        option = next(self.choices, None)
        if option is None:
            self.site, self.form = site, form
            raise _Enough
        return option

    def say(self, part: str) -> None:
        """Go over a part of the beginning."""
        if self.rest.startswith(part):
            self.rest = self.rest[len(part) :]
            return
        if part.startswith(self.rest):
            self.character = part[len(self.rest)]
        raise _Enough


def next_characters(beginning: str, language: Grammar | None = None) -> dict[str, float]:
    """Return the probability of each character after a beginning, and of `END`, the story's end.

    They sum to 1. Raises `CorpusError` where no story begins like that.
    """
    language = language or grammar()
    found: dict[str, float] = defaultdict(float)
    _follow(language, beginning, (), 1.0, found)
    total = sum(found.values())
    if not total:
        reading = listen(beginning, language)
        raise CorpusError(f"no story begins like that: character {reading.end}: {reading.reason}")
    return {character: found[character] / total for character in sorted(found)}


def _follow(
    language: Grammar,
    beginning: str,
    choices: tuple[Option, ...],
    probability: float,
    found: dict[str, float],
) -> None:
    """Add up, over all ways that begin with `choices`, the probability of each next character."""
    scout = _Scout(beginning, choices)
    try:
        walk(language, scout.pick, scout.say)
        scout.character = None if scout.rest else END
    except _Enough:
        pass
    if scout.character is not None:
        found[scout.character] += probability
    elif scout.site is not None:
        for option in scout.site.options:
            if _is_possible(option, scout.form, scout.rest):
                share = probability * scout.site.probability(option)
                _follow(language, beginning, (*choices, option), share, found)


def _is_possible(option: Option, form: int, rest: str) -> bool:
    """Tell whether a word can stand here; whether a sentence can shows when it is followed."""
    if not option.forms:
        return True
    word = option.forms[form]
    return rest.startswith(word) or word.startswith(rest)
