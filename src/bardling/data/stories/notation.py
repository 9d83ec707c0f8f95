"""How the grammar is written down, and what its readers get to see.

A table is text. A line that ends in a colon begins a *site*, a place where something is chosen;
the lines below are its options, the number before each its weight:

    lost.search:
      3 {She} looked under <place>. <lost.ask>
      2 "Where is my {colour} {toy}?" {hero} <asked>. <lost.ask>

`{hero}` refers to what was chosen before, in one of its forms: `{hero.herself}`, `{a colour}`,
`{many toy}`; `{she}` is short for `{hero.she}`. `<place>` chooses at another site and remembers the
choice by that site's name, `<toy=thing>` by another name, `<=thing>` not at all; `<food[who.kind]>`
chooses at the site that belongs to an earlier choice. An option without marks is a word when it
comes from `words`, and a sentence when it stands in a table like this one.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

PRONOUNS = ("she", "her", "him", "She", "Her", "herself")

_MARK = re.compile(r"<([^<>]+)>|\{([^{}]+)\}")
SHORT_FORMS = {None: "", "a ": "a", "many ": "s"}

_DRAW = re.compile(r"(a |many )?(?:(\w*)=)?([\w.-]+)(?:\[([\w.]+)\])?")
_REFERENCE = re.compile(r"(a |many )?(\w+)(?:\.(\w+))?")


@dataclass(frozen=True, eq=False, slots=True)
class Reference:
    """What an earlier choice, called `name`, looks like in one of its forms."""

    name: str
    form: str


@dataclass(frozen=True, eq=False, slots=True)
class Draw:
    """A choice at a site: where, how it will be called, if at all, and in which form it is said.

    With `index`, the site is `site[value]`, where value is what the reference says.
    """

    name: str
    site: str
    form: str
    index: Reference | None


Part = str | Reference | Draw


@dataclass(frozen=True, eq=False, slots=True)
class Option:
    """One of the things that can be chosen at a site: a word in its forms, or a sentence in parts.

    Exactly one of `forms` and `parts` has something in it.
    """

    site: str
    number: int
    weight: int
    forms: tuple[str, ...]
    parts: tuple[Part, ...]

    def __repr__(self) -> str:
        return f"{self.site}#{self.number}"


@dataclass(frozen=True, eq=False)
class Site:
    """A place where something is chosen, with its options and the names of their forms."""

    name: str
    options: tuple[Option, ...]
    forms: tuple[str, ...] = ()

    @property
    def is_words(self) -> bool:
        """Tell a table of words from one of sentences."""
        return bool(self.forms)

    @cached_property
    def total(self) -> int:
        """The sum of all weights."""
        return sum(option.weight for option in self.options)

    def probability(self, option: Option) -> float:
        """Return the probability of an option."""
        return option.weight / self.total

    @cached_property
    def nats(self) -> tuple[float, ...]:
        """-ln p of each option."""
        return tuple(math.log(self.total / option.weight) for option in self.options)

    @cached_property
    def wheel(self) -> tuple[Option, ...]:
        """Each option as often as its weight says, so that a uniform draw takes them rightly."""
        return tuple(option for option in self.options for _ in range(option.weight))


def words(name: str, entries: str, forms: Sequence[str] = (), *, flat: bool = False) -> Site:
    """Return a site of words, listed from common to rare and parted by commas.

    A word has the forms "" (itself) and "a" (with its article), and those named in `forms`, each
    after a bar: `mouse|mice`. An empty one is made of the word: `s` by the rules of the plural.
    The weight falls with the rank, as in real texts but less steeply; `flat` makes all equal.
    """
    rows = [entry.strip().split("|") for entry in " ".join(entries.split()).split(",")]
    return site_of_rows(name, rows, forms, flat=flat)


def site_of_rows(
    name: str, rows: Sequence[Sequence[str]], forms: Sequence[str] = (), *, flat: bool = False
) -> Site:
    """Return a site of words given as rows: the word, then its other forms."""
    options = []
    for rank, (text, *others) in enumerate(rows):
        given = dict(zip(forms, others, strict=False))
        made = [given.get(form) or _made(text, form) for form in forms]
        weight = 1 if flat else max(1, 720 // (rank + 15))
        options.append(Option(name, rank, weight, (text, with_article(text), *made), ()))
    return Site(name, tuple(options), ("", "a", *forms))


def with_article(text: str) -> str:
    """Return a noun or an adjective after the article that English gives it."""
    vowel = re.match(r"[aeiou]|hour|honest", text) and not re.match(r"uni|use|ukulele|one|eu", text)
    return f"{'an' if vowel else 'a'} {text}"


def plural(text: str) -> str:
    """Return the regular plural of a noun; in `pot of jam` the first word takes it."""
    noun, of, rest = text.partition(" of ")
    if re.search(r"[^aeiou]y$", noun):
        noun = noun[:-1] + "ies"
    else:
        noun += "es" if re.search(r"(s|x|z|ch|sh)$", noun) else "s"
    return noun + of + rest


def _made(text: str, form: str) -> str:
    if form == "s":
        return plural(text)
    raise ValueError(f"{text!r} has no form {form!r}")


def sentences(text: str) -> dict[str, Site]:
    """Return the sites of a table in the notation above, in its order."""
    sites: dict[str, list[Option]] = {}
    current: list[Option] = []
    name = ""
    for line in _lines(text):
        if line.endswith(":") and " " not in line:
            name = line[:-1]
            current = sites.setdefault(name, [])
            continue
        weight, _, sentence = line.partition(" ")
        current.append(Option(name, len(current), int(weight), (), read_parts(sentence)))
    return {name: Site(name, tuple(options)) for name, options in sites.items()}


def _lines(text: str) -> Iterator[str]:
    """Yield the lines of a table; one that begins with neither number nor name goes on."""
    joined = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        begins = re.match(r"\d+ ", line) or (line.endswith(":") and " " not in line)
        if begins and joined:
            yield joined
        joined = line if begins else f"{joined} {line}"
    if joined:
        yield joined


def read_parts(sentence: str) -> tuple[Part, ...]:
    """Return a sentence as literal text, references and draws."""
    parts: list[Part] = []
    end = 0
    for mark in _MARK.finditer(sentence):
        if mark.start() > end:
            parts.append(sentence[end : mark.start()])
        parts.append(_draw(mark[1]) if mark[1] else _reference(mark[2]))
        end = mark.end()
    if end < len(sentence):
        parts.append(sentence[end:])
    return tuple(parts)


def _draw(text: str) -> Draw:
    match = _DRAW.fullmatch(text)
    if match is None:
        raise ValueError(f"<{text}> cannot be read")
    form, name, site, index = match.groups()
    return Draw(
        site if name is None else name,
        site,
        SHORT_FORMS[form],
        _reference(index) if index else None,
    )


def _reference(text: str) -> Reference:
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise ValueError(f"{{{text}}} cannot be read")
    short, name, form = match.groups()
    if name in PRONOUNS:
        return Reference("hero", name)
    return Reference(name, form or SHORT_FORMS[short])
