"""Options that several verbs share, how optional ones are shown, and how all are parsed."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_origin, get_type_hints

import tyro

from bardling.errors import UsageError, nearest
from bardling.fields import kinds
from bardling.reporting.screen import show_text

Word = Annotated[str | None, tyro.conf.arg(metavar="WORD", help_behavior_hint="")]
Folder = Annotated[Path | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")]
File = Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")]

Arguments = TypeVar("Arguments")
PARTED = ("data", "tokenizer", "bench")
"""The verbs that do several things, by the word after them."""
Verb = Callable[[Sequence[str]], int]
"""Words of a command line to its exit code."""


def parse(
    kind: type[Arguments], words: Sequence[str], *, prog: str, default: Arguments | None = None
) -> Arguments:
    """Return the `kind` that `words` describe.

    Raises `UsageError` for a word that means nothing, with the nearest option; what tyro itself
    finds wrong (a value missing or of the wrong kind) it says, and ends with `SystemExit`. Where
    a part is one of several types, the options are those of the type that `default` has there.
    """
    start = tyro.MISSING_NONPROP if default is None else default
    arguments, unknown = tyro.cli(
        kind,
        args=list(words),
        prog=prog,
        default=start,
        return_unknown_args=True,
        config=(tyro.conf.AvoidSubcommands,),
    )
    if unknown:
        raise UsageError(_about(unknown, kind, default, prog))
    return arguments


def _about(unknown: Sequence[str], kind: Any, default: Any, prog: str) -> str:
    """Say which word means nothing, and what may have been meant."""
    words = prog.split()[1:]
    verb = " ".join(words[: 2 if words[0] in PARTED else 1])
    options = [word.split("=")[0] for word in unknown if word.startswith("-")]
    if not options:
        return f"{verb} can do nothing with '{unknown[0]}'; text with spaces needs quotes"
    full = _words_to_type(kind, default)
    known = {"--" + option[2:].split(".")[-1]: words for option, words in full.items()} | full
    match = get_close_matches(options[0].replace("_", "-"), list(known), n=1, cutoff=0.5)
    meant = f", did you mean '{known[match[0]]}'?" if match else ""
    return f"{verb} has no option '{options[0]}'{meant}; --help shows them all"


def _words_to_type(kind: Any, default: Any) -> dict[str, str]:
    """Return for every option, with its dashes, what has to be typed for it.

    That is the option itself, or, where another type of a part has it than the one in `default`,
    the choice of that type before it: `--optimizer muon --optimizer.muon-lr`.
    """
    words: dict[str, str] = {}
    for name, hint in get_type_hints(kind).items():
        for word, group in kinds(hint).items():
            for option in option_names(group, prefix=f"{name}."):
                words.setdefault(f"--{option}", f"--{name} {word} --{option}")
    return words | {f"--{option}": f"--{option}" for option in option_names(kind, default)}


def option_names(kind: Any, default: Any = None, prefix: str = "") -> Iterator[str]:
    """Yield the options of a dataclass, without dashes.

    A part gives its own, after its name and a dot where it is shown by a name; where it is one of
    several types, that of `default` does, or else the first.
    """
    hints = get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(kind):
        name, plain = _shown(field.name, hints[field.name])
        groups = [plain] if dataclasses.is_dataclass(plain) else list(kinds(plain).values())
        active = type(getattr(default, field.name, None))
        for group in [active] if active in groups else groups[:1]:
            yield from option_names(group, prefix=f"{prefix}{name}." if name else prefix)
        if not groups:
            yield prefix + name


def _shown(name: str, hint: Any) -> tuple[str, Any]:
    """Return the name by which a field is an option, and its type without tyro's marks."""
    if get_origin(hint) is not Annotated:
        return name.replace("_", "-"), hint
    names = [mark.name for mark in hint.__metadata__ if getattr(mark, "name", None) is not None]
    return (names or [name.replace("_", "-")])[0], hint.__origin__


def choose(verbs: Mapping[str, Verb], words: Sequence[str], *, of: str, usage: str) -> int:
    """Do what the first word after a verb says, or show its `usage`; return the exit code.

    `of` is what is done something with: "data", "a tokenizer".
    """
    first, *rest = words or [""]
    if first in ("-h", "--help"):
        show_text(usage)
        return 0
    if first not in verbs:
        hint = nearest(first, verbs) if first and not first.startswith("-") else ""
        raise UsageError(f"say what to do with {of}{hint}: {', '.join(verbs)}")
    return verbs[first](rest)


def split_commas(words: Sequence[str], option: str) -> list[str]:
    """Let `OPTION 200,1000` mean `OPTION 200 1000`."""
    split: list[str] = []
    for word in words:
        if split and split[-1] == option:
            split += word.split(",")
        elif word.startswith(option + "="):
            split += [option, *word[len(option) + 1 :].split(",")]
        else:
            split.append(word)
    return split


def value_of(option: str, words: Sequence[str]) -> str | None:
    """Return the value that `words` give to `option`, before they are parsed; the last counts."""
    value = None
    for place, word in enumerate(words):
        if word == option and place + 1 < len(words):
            value = words[place + 1]
        elif word.startswith(f"{option}="):
            value = word.partition("=")[2]
    return value
