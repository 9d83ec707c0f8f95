"""Why every story has one reading: what has to hold, checked site by site, not by samples.

Whoever reads from left to right knows at each choice what was chosen before. So it is enough that
at every site, whatever was chosen before, no option can be mistaken for another:

1. no word, followed by what ends a word, begins another word of its site;
2. after each chosen word comes something that ends a word;
3. no sentence's lead (its text up to its first choice) begins another lead of its site, for any
   values of what they refer to;
4. nothing is referred to that has not been chosen on every way there, no name is given to two
   choices, and no choice is made at a site that does not exist;
5. no site can lead to itself, so that every story ends.

Then the options at each site are a prefix code, and the choices are read off one after the other.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product

from bardling.data.stories.grammar import Grammar
from bardling.data.stories.listening import BOUNDARY
from bardling.data.stories.notation import Draw, Option, Reference, Site

Lead = tuple[str | Reference, ...]
Values = Mapping[tuple[str, str], set[str]]


@dataclass
class Proof:
    """What was looked at, and every fault found; without faults the grammar is unambiguous."""

    faults: list[str] = field(default_factory=list)
    sites: int = 0
    pairs: int = 0
    """Pairs of options that were told apart."""


def prove(grammar: Grammar) -> Proof:
    """Check all five conditions on every site of a grammar."""
    proof = Proof(sites=len(grammar.sites))
    said = _forms_said(grammar)
    values = _values(grammar)
    for site in grammar.sites.values():
        if site.is_words:
            for form in sorted(said.get(site.name, ())):
                _tell_words_apart(site, form, proof)
        else:
            ways = [(option, list(_leads(grammar, option))) for option in site.options]
            for (first, of_first), (second, of_second) in combinations(ways, 2):
                proof.pairs += 1
                for a, b in product(of_first, of_second):
                    if _may_begin_alike(a, b, values):
                        proof.faults.append(f"{first} and {second} may begin alike: {a} {b}")
        proof.faults += _words_that_do_not_end(grammar, site)
    _Order(grammar, values, proof).check()
    return proof


def _leads(grammar: Grammar, option: Option) -> Iterator[Lead]:
    """Yield the ways in which a sentence can begin; an empty one begins every other."""
    found: list[str | Reference] = []
    for part in option.parts:
        if isinstance(part, Draw):
            if not found and not _is_of_words(grammar, part):
                for site in grammar.sites_of(part).values():
                    for inner in site.options:
                        yield from _leads(grammar, inner)
                return
            break
        found.append(part)
    yield tuple(found)


def _tell_words_apart(site: Site, form: int, proof: Proof) -> None:
    """In alphabetical order, what a word begins comes right after it."""
    texts = sorted(option.forms[form] for option in site.options)
    proof.pairs += len(texts) * (len(texts) - 1) // 2
    for text in texts:
        if text != text.strip() or not text:
            proof.faults.append(f"{site.name}: {text!r} is not a word")
    for i, text in enumerate(texts):
        for other in texts[i + 1 :]:
            if not other.startswith(text):
                break
            if other == text or other[len(text)] in BOUNDARY:
                proof.faults.append(f"{site.name}: {text!r} begins {other!r}")


def _words_that_do_not_end(grammar: Grammar, site: Site) -> Iterator[str]:
    for option in site.options:
        for part, following in zip(option.parts, (*option.parts[1:], ""), strict=False):
            is_ended = isinstance(following, str) and following[:1] in BOUNDARY
            if isinstance(part, Draw) and _is_of_words(grammar, part) and not is_ended:
                yield f"{option}: nothing ends the word <{part.site}>"


def _is_of_words(grammar: Grammar, draw: Draw) -> bool:
    return all(site.is_words for site in grammar.sites_of(draw).values())


def _may_begin_alike(first: Lead, second: Lead, values: Values) -> bool:
    """Tell whether one lead can begin the other: try every value of what they refer to.

    A reference that both have in the same place is the same text in both. Two forms of one name
    are tried apart, which can only find more.
    """
    while first and second:
        a, b = first[0], second[0]
        if isinstance(a, str) and isinstance(b, str):
            common = min(len(a), len(b))
            if a[:common] != b[:common]:
                return False
            first, second = _rest(a[common:], first), _rest(b[common:], second)
        elif _what(a) == _what(b):
            first, second = first[1:], second[1:]
        else:
            what = max(_what(a), _what(b))  # at least one of them is a reference
            return any(
                _may_begin_alike(_filled(first, what, value), _filled(second, what, value), values)
                for value in values[what]
            )
    return True


def _rest(text: str, parts: Lead) -> Lead:
    return (text, *parts[1:]) if text else parts[1:]


def _what(part: str | Reference) -> tuple[str, str]:
    """Return name and form of a reference, and two empty strings for a text."""
    return (part.name, part.form) if isinstance(part, Reference) else ("", "")


def _filled(parts: Lead, what: tuple[str, str], value: str) -> Lead:
    return tuple(value if _what(part) == what else part for part in parts)


def _draws(grammar: Grammar) -> Iterator[Draw]:
    for site in grammar.sites.values():
        for option in site.options:
            yield from (part for part in option.parts if isinstance(part, Draw))


def _forms_said(grammar: Grammar) -> dict[str, set[int]]:
    """Return for each site of words the numbers of the forms in which they are chosen."""
    said: dict[str, set[int]] = {}
    for draw in _draws(grammar):
        for site in grammar.sites_of(draw).values():
            if site.is_words:
                said.setdefault(site.name, set()).add(site.forms.index(draw.form))
    return said


def _values(grammar: Grammar) -> Values:
    """Return everything that a name can be in each of its forms."""
    values: dict[tuple[str, str], set[str]] = {}
    for draw in _draws(grammar):
        for site in grammar.sites_of(draw).values():
            for number, form in enumerate(site.forms if draw.name else ()):
                found = values.setdefault((draw.name, form), set())
                found.update(option.forms[number] for option in site.options)
    return values


@dataclass(frozen=True)
class _Names:
    """What a site or a sentence refers to that it did not choose, and what it chooses."""

    needs: frozenset[str] = frozenset()
    always: frozenset[str] = frozenset()
    """Chosen on every way through it."""
    sometimes: frozenset[str] = frozenset()
    """Chosen on some way through it."""

    def then(self, after: "_Names") -> "_Names":
        """Return what holds of this followed by another."""
        return _Names(
            needs=self.needs | after.needs - self.always,
            always=self.always | after.always,
            sometimes=self.sometimes | after.sometimes,
        )

    @staticmethod
    def either(several: Sequence["_Names"]) -> "_Names":
        """Return what holds of one of several, whichever it is."""
        return _Names(
            needs=frozenset().union(*(names.needs for names in several)),
            always=frozenset.intersection(*(names.always for names in several)),
            sometimes=frozenset().union(*(names.sometimes for names in several)),
        )


class _Order:
    """Whether everything is chosen before it is referred to, and chosen once."""

    def __init__(self, grammar: Grammar, values: Values, proof: Proof) -> None:
        self.grammar, self.values, self.proof = grammar, values, proof
        self.known: dict[str, _Names] = {}
        self.on_the_way: list[str] = []

    def check(self) -> None:
        """Look at everything that can be reached from the start."""
        for name in sorted(self.of_site(self.grammar.start).needs):
            self.proof.faults.append(f"{name} can be referred to before it is chosen")
        for name in sorted(self.grammar.sites.keys() - self.known.keys()):
            self.proof.faults.append(f"no way leads to {name}")

    def of_site(self, site: Site) -> _Names:
        """Return what a site needs and chooses."""
        if site.name in self.on_the_way:
            self.proof.faults.append(f"{site.name} leads to itself")
            return _Names()
        if site.name not in self.known:
            self.on_the_way.append(site.name)
            self.known[site.name] = _Names.either([self.of_option(o) for o in site.options])
            self.on_the_way.pop()
        return self.known[site.name]

    def of_option(self, option: Option) -> _Names:
        """Return what an option needs and chooses."""
        so_far = _Names()
        for part in option.parts:
            if isinstance(part, Reference):
                so_far = so_far.then(_Names(needs=frozenset({part.name})))
            elif isinstance(part, Draw):
                after = self.of_draw(option, part)
                for name in sorted(so_far.sometimes & after.sometimes):
                    self.proof.faults.append(f"{option}: {name} may have been chosen already")
                so_far = so_far.then(after)
        return so_far

    def of_draw(self, option: Option, draw: Draw) -> _Names:
        """Return what a draw needs and chooses, itself included."""
        sites = self.grammar.sites_of(draw)
        found = _Names.either([self.of_site(site) for site in sites.values()])
        if draw.index is not None:
            for value in sorted(self.values[draw.index.name, draw.index.form] - sites.keys()):
                self.proof.faults.append(f"{option}: there is no site {draw.site}[{value}]")
            found = _Names(needs=frozenset({draw.index.name})).then(found)
        if draw.name and _is_of_words(self.grammar, draw):
            name = frozenset({draw.name})
            found = found.then(_Names(always=name, sometimes=name))
        return found
