"""Telling stories: chance makes the choices, and their probability is known exactly."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bardling.data.stories.grammar import Grammar, Memory, grammar
from bardling.data.stories.notation import Option, Site
from bardling.data.stories.walk import walk
from bardling.machine.randomness import stream

_DRAWS = 96  # random numbers fetched at once; most stories take fewer


@dataclass(frozen=True, eq=False)
class Story:
    """A text and the choices that it consists of, in their order."""

    text: str
    choices: tuple[Option, ...]

    @property
    def nats(self) -> float:
        """-ln p of the story, its end included: no model can expect to do better."""
        return nats_of(self.choices)

    @property
    def skeleton(self) -> tuple[Option, ...]:
        """The choices of sentences, without those of words."""
        return tuple(option for option in self.choices if not option.forms)


def nats_of(choices: Sequence[Option], language: Grammar | None = None) -> float:
    """Return the sum of -ln p of some choices."""
    sites = (language or grammar()).sites
    return math.fsum(sites[option.site].nats[option.number] for option in choices)


def tell(seed: int, number: int, *, split: str = "train", language: Grammar | None = None) -> Story:
    """Return story `number` of a split, a pure function of its arguments.

    The splits have different Philox keys, and the number is the counter's high word, so no two
    stories share random numbers.
    """
    numbers = _uniform(stream(seed, f"stories/{split}", number))
    chosen: list[Option] = []
    pieces: list[str] = []
    note = chosen.append

    def pick(site: Site, form: int, memory: Memory) -> Option:
        wheel = site.wheel
        option = wheel[int(next(numbers) * len(wheel))]
        note(option)
        return option

    walk(language or grammar(), pick, pieces.append)
    return Story("".join(pieces), tuple(chosen))


def _uniform(random: np.random.Generator) -> Iterator[float]:
    while True:
        yield from random.random(_DRAWS).tolist()


def retell(choices: Sequence[Option], language: Grammar | None = None) -> str:
    """Return the text that some choices make; they have to be those of a whole story."""
    pieces: list[str] = []
    left = iter(choices)
    walk(language or grammar(), lambda site, form, memory: next(left), pieces.append)
    if next(left, None) is not None:
        raise ValueError("there are more choices than the story has")
    return "".join(pieces)
