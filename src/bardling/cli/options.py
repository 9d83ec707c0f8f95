"""Options that several verbs share, how optional ones are shown, and how all are parsed."""

import dataclasses
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_origin, get_type_hints

import tyro

from bardling.errors import UsageError

Word = Annotated[str | None, tyro.conf.arg(metavar="WORD", help_behavior_hint="")]
Folder = Annotated[Path | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")]
File = Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")]

Arguments = TypeVar("Arguments")


def parse(
    kind: type[Arguments], words: Sequence[str], *, prog: str, default: Arguments | None = None
) -> Arguments:
    """Return the `kind` that `words` describe.

    Raises `UsageError` for a word that means nothing, with the nearest option; what tyro itself
    finds wrong (a value missing or of the wrong kind) it says, and ends with `SystemExit`.
    """
    start = tyro.MISSING_NONPROP if default is None else default
    arguments, unknown = tyro.cli(
        kind, args=list(words), prog=prog, default=start, return_unknown_args=True
    )
    if unknown:
        raise UsageError(_about(unknown, kind, prog))
    return arguments


def _about(unknown: Sequence[str], kind: Any, prog: str) -> str:
    """Say which word means nothing, and what may have been meant."""
    verb = prog.split()[1]
    options = [word.split("=")[0] for word in unknown if word.startswith("-")]
    if not options:
        return f"{verb} can do nothing with '{unknown[0]}'; text with spaces needs quotes"
    full = [f"--{name}" for name in option_names(kind)]
    known = {"--" + option[2:].split(".")[-1]: option for option in full} | {o: o for o in full}
    match = get_close_matches(options[0].replace("_", "-"), list(known), n=1, cutoff=0.5)
    meant = f", did you mean '{known[match[0]]}'?" if match else ""
    return f"{verb} has no option '{options[0]}'{meant}; --help shows them all"


def option_names(kind: Any, prefix: str = "") -> Iterator[str]:
    """Yield the options of a dataclass; a part that is `Annotated` adds its own without prefix."""
    hints = get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(kind):
        hint, name = hints[field.name], field.name.replace("_", "-")
        plain = hint.__origin__ if get_origin(hint) is Annotated else hint
        if dataclasses.is_dataclass(plain):
            yield from option_names(plain, prefix if plain is not hint else f"{prefix}{name}.")
        else:
            yield prefix + name


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
