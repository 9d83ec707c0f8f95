"""What is true of the words, for probes: kinds, relations, analogies, as the grammar has them.

An analogy is two pairs that differ in the same respect: king is to queen as boy is to girl, which
is gender; dog is to puppy as owl is to owlet, which is age. Whether a model, or a table of counts,
has found that out can be measured, because here it is known.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import Literal

from bardling.data.stories.words.kinds import Age, Gender, Kind, kinds

Respect = Literal["gender", "age"]


@dataclass(frozen=True, kw_only=True)
class Noun:
    """A noun for a hero, and what it says about one."""

    text: str
    kind: str
    gender: Gender
    age: Age


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two nouns that differ in one respect."""

    first: str
    second: str
    respect: Respect


Analogy = tuple[str, str, str, str]
"""(a, b, c, d): a is to b as c is to d."""


def nouns() -> list[Noun]:
    """Return all nouns for heroes."""
    found = []
    for kind in kinds():
        for text, gender, age in kind.nouns():
            found.append(Noun(text=text, kind=kind.name, gender=gender, age=age))
    return found


def pairs() -> list[Pair]:
    """Return the pairs of nouns that differ only in gender (he, she) or in age (old, young)."""
    every = nouns()
    found = []
    for a, b in permutations(every, 2):
        if a.kind != b.kind:
            continue
        if a.age == b.age and (a.gender, b.gender) == ("he", "she"):
            found.append(Pair(first=a.text, second=b.text, respect="gender"))
        if a.gender == b.gender and (a.age, b.age) == ("old", "young"):
            found.append(Pair(first=a.text, second=b.text, respect="age"))
    return found


def analogies(respect: Respect) -> Iterator[Analogy]:
    """Yield all analogies in one respect."""
    chosen = [pair for pair in pairs() if pair.respect == respect]
    for one, other in permutations(chosen, 2):
        yield one.first, one.second, other.first, other.second


def context_words(kind: Kind) -> tuple[str, ...]:
    """Return the words that stand near nouns of this kind and of no other."""
    return tuple(f"{kind.home}, {kind.food}, {kind.voice}".split(", "))
