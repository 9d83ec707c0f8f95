"""Pairs of endings of which one keeps to what its story began with, and the other does not.

The wrong ending is not written but told: the story is told again with one of its words changed
early on (another colour, another number given away, another promise), and from that telling the
ending is taken. So both endings are fluent, and they differ in nothing but what the beginning
decides; after the beginning that was not changed, the wrong one makes a text that the parser
refuses.

Neither words nor lengths tell which is which. The word of the story and the one instead of it are
drawn alike, so what is right in one pair is as likely to be wrong in another; and where the
beginning says other words of the same site, the one instead is among those.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from bardling.data.stories.grammar import Grammar, Memory, grammar
from bardling.data.stories.listening import listen
from bardling.data.stories.notation import Option, Site
from bardling.data.stories.telling import retell, tell
from bardling.data.stories.walk import walk
from bardling.machine.randomness import stream
from bardling.storage import atomic_file

SPLIT = "preferences"
"""Of stories that no run is trained on or validated by."""
LONGER = 0.1
"""By what share one ending may be longer than the other."""

Thing = TypeVar("Thing")
_MARK = "\0"
_SENTENCE_END = re.compile(r"(?<!Mr)(?<!Mrs)(?<!Dr)[.!?]\"?(?= )")


@dataclass(frozen=True, kw_only=True)
class Endings:
    """A beginning, the ending that keeps to it, and the same one that does not."""

    prompt: str
    chosen: str
    rejected: str
    rule: str
    """The site of the word that the beginning has decided."""


class _Piece(NamedTuple):
    """A stretch of a story, and how many choices had been made when it was said."""

    text: str
    n_choices: int


def endings(seed: int, n_pairs: int) -> Iterator[Endings]:
    """Yield pairs of endings; the first are the same however many are asked for."""
    found = 0
    for number in count():
        if found == n_pairs:
            return
        pair = endings_of(seed, number)
        if pair is not None:
            found += 1
            yield pair


def endings_of(seed: int, number: int) -> Endings | None:
    """Return two endings of a story, or None where the change that was drawn makes no such pair."""
    language = grammar()
    told = tell(seed, number, split=SPLIT).choices
    random = stream(seed, f"changes/{SPLIT}", number)
    deciding: dict[str, list[int]] = {}
    for place, option in enumerate(told):
        if _mentions(language, told, place):
            deciding.setdefault(option.site.partition("[")[0], []).append(place)
    places = _one_of(
        list(deciding.values()), random
    )  # a name is in every story, but one of several
    place = _one_of(places, random)
    instead = _instead(language, told, place, random)
    changed = [*told[:place], instead, *told[place + 1 :]]
    if instead.forms == told[place].forms or not listen(retell(changed)).is_story:
        return None
    parted = _part(_pieces(language, told), _pieces(language, changed), place)
    if parted is None:
        return None
    prompt, chosen, rejected = parted
    longest = max(len(chosen), len(rejected))
    if abs(len(chosen) - len(rejected)) > LONGER * longest or listen(prompt + rejected).is_story:
        return None
    return Endings(prompt=prompt, chosen=chosen, rejected=rejected, rule=told[place].site)


def write_endings(path: Path, *, seed: int, n_pairs: int) -> Counter[str]:
    """Write pairs of endings, each as a JSON object on a line of its own; count their rules."""
    rules: Counter[str] = Counter()
    with atomic_file(path) as file:
        for pair in endings(seed, n_pairs):
            rules[pair.rule.partition("[")[0]] += 1
            file.write(json.dumps(vars(pair), ensure_ascii=False).encode() + b"\n")
    return rules


def _pieces(language: Grammar, choices: Sequence[Option]) -> list[_Piece]:
    """Return what some choices say, stretch by stretch."""
    pieces: list[_Piece] = []
    left = iter(choices)
    made = 0

    def pick(site: Site, form: int, memory: Memory) -> Option:
        nonlocal made
        made += 1
        return next(left)

    walk(language, pick, lambda text: pieces.append(_Piece(text, made)))
    return pieces


def _mentions(language: Grammar, choices: Sequence[Option], place: int) -> list[int]:
    """Return how many choices had been made whenever a word was referred to later.

    There is nothing where it is no word, or where what can be chosen later depends on it.
    """
    option = choices[place]
    if not option.forms:
        return []
    marked = Option(option.site, -1, 1, (_MARK,) * len(option.forms), ())
    try:
        pieces = _pieces(language, [*choices[:place], marked, *choices[place + 1 :]])
    except KeyError:  # there is no site that belongs to a mark
        return []
    return [n for text, n in pieces if _MARK in text][1:]


def _instead(
    language: Grammar, choices: Sequence[Option], place: int, random: np.random.Generator
) -> Option:
    """Return a word for another: one that the beginning says, or else one drawn anew."""
    last = _mentions(language, choices, place)[-1]
    name = choices[place].site
    others = [o for i, o in enumerate(choices[:last]) if o.site == name and i != place]
    return _one_of(others or language.sites[name].wheel, random)


def _one_of(several: Sequence[Thing], random: np.random.Generator) -> Thing:
    return several[int(random.integers(len(several)))]


def _part(
    told: Sequence[_Piece], changed: Sequence[_Piece], place: int
) -> tuple[str, str, str] | None:
    """Part a story before the last sentence in which the changed word shows.

    Returns the beginning, its own ending and that of the changed story; None where that sentence
    is the one in which the word is chosen.
    """
    here, there = ("".join(text for text, _ in pieces) for pieces in (told, changed))
    ends = [match.end() for match in _SENTENCE_END.finditer(here)]
    differing: list[tuple[int, int]] = []
    start = other_start = chosen_until = 0
    for (text, n_choices), (other, _) in zip(told, changed, strict=True):
        if text != other:
            same = _common(text, other)
            differing.append((start + same, other_start + same))
        start, other_start = start + len(text), other_start + len(other)
        if n_choices == place + 1 and not chosen_until:
            chosen_until = start
    for first, other_first in reversed(differing[1:]):
        end = max((end for end in ends if chosen_until <= end <= first), default=None)
        if end is None:
            return None
        other_end = other_first - (first - end)
        if here[end:first] == there[other_end:other_first]:
            return here[:end], here[end:], there[other_end:]
    return None


def _common(one: str, other: str) -> int:
    """Return how many characters two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
