"""Options that several verbs share, and how optional ones are shown in the help."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

Word = Annotated[str | None, tyro.conf.arg(metavar="WORD", help_behavior_hint="")]
Folder = Annotated[Path | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")]
File = Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")]


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
