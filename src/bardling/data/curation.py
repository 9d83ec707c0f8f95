"""Cleaning a corpus step by step, each of which says what it changed and what it removed.

Seed 003, day 36, lists the steps: lines that are no content, white space, length, duplicates. Its
own code drops blank lines with the page numbers, so that nothing is left to tell documents apart,
and takes two texts for one where their first hundred characters agree; here documents stay what
they are, and only whole texts are compared. Near duplicates are found by MinHash (Broder 1997),
broken encodings are repaired by ftfy.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from bardling.errors import UsageError, nearest
from bardling.extras import optional

EXAMPLES = 3  # kept of what a step removed or changed
SHINGLE_WORDS = 5
SIMILAR = 0.7  # Jaccard similarity of word sequences from which texts are taken for one
WORTH_A_LOOK = 0.5  # similarity from which texts are compared; lower, so that none is missed
PERMUTATIONS = 128
COMMON_LINE = 0.3  # share of the documents in which a short line stands that is boilerplate
SHORT_LINE = 60

_PAGE = re.compile(r"\W*+(page\s*+)?\d++\W*+(of\s*+\d++)?\W*+", re.IGNORECASE)
_RULE = re.compile(r"\*{3,}(\s.*)?")
_BARE_LINK = re.compile(r"(https?://|www\.)\S+")


@dataclass(kw_only=True)
class Outcome:
    """What a step left, and what it did."""

    name: str
    documents: list[str] = field(default_factory=list)
    n_removed: int = 0
    n_changed: int = 0
    examples: list[str] = field(default_factory=list)
    """A few of the texts or lines that went, each with its reason."""

    def remove(self, text: str, why: str) -> None:
        """Note that a document was left out."""
        self.n_removed += 1
        self._show(f"{why}: {text[:80]!r}")

    def keep(self, before: str, after: str, what: str = "") -> None:
        """Keep a document; an empty one that was none before is left out."""
        if before and not after.strip():
            self.remove(before, "nothing is left")
            return
        self.documents.append(after)
        if after != before:
            self.n_changed += 1
            if what:
                self._show(what)

    def _show(self, example: str) -> None:
        if len(self.examples) < EXAMPLES:
            self.examples.append(example)


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """The least and the most words of a document; 0 for no limit."""

    min_words: int = 5
    max_words: int = 0


def repair_encoding(documents: Sequence[str]) -> Outcome:
    """Undo what reading UTF-8 as another encoding has done: `cafÃ©` becomes `café`."""
    library = optional("ftfy", "data", "the repair of encodings")
    done = Outcome(name="encoding")
    for text in documents:
        fixed = library.fix_encoding(text)
        done.keep(text, fixed, _difference(text, fixed) if fixed != text else "")
    return done


def _difference(before: str, after: str) -> str:
    place = next((i for i, (a, b) in enumerate(zip(before, after)) if a != b), len(after))
    here = slice(max(0, place - 20), place + 20)
    return f"{before[here]!r} is {after[here]!r}"


def drop_metadata_lines(documents: Sequence[str]) -> Outcome:
    """Take out lines that are no content: page numbers, `***` rules, bare links, boilerplate.

    Boilerplate is a short line that stands in many of at least ten documents; headings of Markdown
    are none.
    """
    done = Outcome(name="metadata")
    common = _common_lines(documents)
    told = set[str]()
    for text in documents:
        lines = text.split("\n")
        goes = [_is_metadata(line) or line.strip() in common for line in lines]
        kept = "\n".join(line for line, gone in zip(lines, goes) if not gone)
        new = [line for line, gone in zip(lines, goes) if gone and line not in told]
        told.update(new)
        done.keep(text, kept, repr(new[0][:80]) if new else "")
    return done


def _is_metadata(line: str) -> bool:
    line = line.strip()
    return bool(line) and (
        _RULE.fullmatch(line) is not None
        or _PAGE.fullmatch(line) is not None
        or _BARE_LINK.fullmatch(line) is not None
    )


def _common_lines(documents: Sequence[str]) -> set[str]:
    if len(documents) < 10:
        return set()
    counts = Counter(
        line for text in documents for line in {line.strip() for line in text.split("\n")}
    )
    least = max(3, COMMON_LINE * len(documents))
    often = {line for line, n in counts.items() if n >= least and 0 < len(line) <= SHORT_LINE}
    return {line for line in often if not line.startswith("#")}


def tidy_whitespace(documents: Sequence[str]) -> Outcome:
    """Make line ends one sign, drop blanks before them, and leave one blank line at most."""
    done = Outcome(name="whitespace")
    for text in documents:
        tidy = re.sub(r"\r\n?", "\n", text)
        tidy = re.sub(r"(?<![ \t])[ \t]++(?=\n|\Z)", "", tidy)
        done.keep(text, re.sub(r"\n{3,}", "\n\n", tidy).strip("\n"))
    return done


def filter_length(documents: Sequence[str], lengths: Lengths) -> Outcome:
    """Leave out stubs and walls of text."""
    done = Outcome(name="length")
    for text in documents:
        n_words = len(text.split())
        if n_words < lengths.min_words:
            done.remove(text, f"{n_words} words, fewer than {lengths.min_words}")
        elif lengths.max_words and n_words > lengths.max_words:
            done.remove(text, f"{n_words:,} words, more than {lengths.max_words:,}")
        else:
            done.keep(text, text)
    return done


def drop_exact_duplicates(documents: Sequence[str]) -> Outcome:
    """Leave out texts that stood there before, white space aside."""
    done = Outcome(name="duplicates")
    seen: set[bytes] = set()
    for text in documents:
        key = fingerprint(text)
        if key in seen:
            done.remove(text, "stood there before")
        else:
            seen.add(key)
            done.keep(text, text)
    return done


def fingerprint(text: str) -> bytes:
    """Return a hash of the words of a text."""
    return blake2b(" ".join(text.split()).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def drop_near_duplicates(documents: Sequence[str]) -> Outcome:
    """Leave out texts that share most of their sequences of words with an earlier one."""
    done = Outcome(name="near")
    index = SimilarTexts()
    for number, text in enumerate(documents):
        found = index.find(text)
        if found is not None:
            done.remove(text, f"is nearly document {found + 1:,}")
        else:
            index.add(number, text)
            done.keep(text, text)
    return done


class SimilarTexts:
    """Finds texts whose sequences of words overlap, by MinHash and locality-sensitive hashing."""

    def __init__(self) -> None:
        self.library: Any = optional("datasketch", "data", "the search for near duplicates")
        self.index = self.library.MinHashLSH(threshold=WORTH_A_LOOK, num_perm=PERMUTATIONS)
        self.sketches: dict[int, Any] = {}

    def add(self, number: int, text: str) -> None:
        """Remember a text."""
        self.sketches[number] = sketch = self._sketch(text)
        self.index.insert(number, sketch)

    def find(self, text: str) -> int | None:
        """Return the first text remembered that is like this one."""
        sketch = self._sketch(text)
        alike = (
            number
            for number in sorted(self.index.query(sketch))
            if sketch.jaccard(self.sketches[number]) >= SIMILAR
        )
        return next(alike, None)

    def _sketch(self, text: str) -> Any:
        words = text.lower().split()
        n_shingles = max(1, len(words) - SHINGLE_WORDS + 1)
        sketch = self.library.MinHash(num_perm=PERMUTATIONS, seed=1)
        sketch.update_batch(
            list({" ".join(words[i : i + SHINGLE_WORDS]).encode() for i in range(n_shingles)})
        )
        return sketch


def overlap(train: Iterable[str], val: Iterable[str]) -> list[str]:
    """Return the validation texts that stand in the training text too, or nearly so."""
    index, exact = SimilarTexts(), set[bytes]()
    for number, text in enumerate(train):
        exact.add(fingerprint(text))
        index.add(number, text)
    return [text for text in val if fingerprint(text) in exact or index.find(text) is not None]


def clean(
    documents: Sequence[str], *, lengths: Lengths | None = None, skip: Sequence[str] = ()
) -> list[Outcome]:
    """Take all steps that are not skipped, one after the other; the last one has what is left."""
    steps: dict[str, Callable[[Sequence[str]], Outcome]] = {
        "encoding": repair_encoding,
        "metadata": drop_metadata_lines,
        "whitespace": tidy_whitespace,
        "length": lambda texts: filter_length(texts, lengths or Lengths()),
        "duplicates": drop_exact_duplicates,
        "near": drop_near_duplicates,
    }
    for name in skip:
        if name not in steps:
            raise UsageError(f"'{name}' is no step{nearest(name, steps)}: {', '.join(steps)}")
    done = [Outcome(name="as it was", documents=list(documents))]
    for name, step in steps.items():
        if name not in skip:
            done.append(step(done[-1].documents))
    return done
