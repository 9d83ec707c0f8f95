"""`bardling completion SHELL`: a script with which a shell completes verbs, options and runs.

It offers what `--help` shows, asked once for every verb when the script is written: a press of the
tab key starts no Python.
"""

import io
import re
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Literal

import tyro

from bardling.cli import VERBS, main
from bardling.cli.options import parse
from bardling.presets.table import PRESETS
from bardling.reporting.screen import Screen, show_text

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9.-]*[a-z0-9]")

SCRIPT = """\
_bardling() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" verb="${{COMP_WORDS[1]-}}" sub="${{COMP_WORDS[2]-}}"
  local offered=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    offered="{verbs}"
  else
    case "$verb:$sub" in
{cases}
    esac
    case "$word:$verb" in
      -*) ;;
      *:train | *:sweep | *:check | *:presets) offered="$offered {presets}" ;;
      *) offered="$offered $(ls "${{BARDLING_RUNS:-runs}}" 2> /dev/null)" ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$offered" -- "$word"))
}}
complete -o default -F _bardling bardling
"""
ZSH = "autoload -Uz compinit bashcompinit && compinit && bashcompinit\n"


@dataclass(frozen=True, kw_only=True)
class CompletionArguments:
    """Write the script with which a shell completes verbs, options and the names of runs."""

    shell: tyro.conf.Positional[Literal["bash", "zsh"]]
    """Which shell. For bash: bardling completion bash >
    ~/.local/share/bash-completion/completions/bardling. For zsh: bardling completion zsh >
    ~/.bardling.zsh, and a line `source ~/.bardling.zsh` in ~/.zshrc."""


def run(argv: Sequence[str]) -> int:
    """Parse the options and write the script."""
    arguments = parse(CompletionArguments, argv, prog="bardling completion")
    with Screen(stderr=True).status("asking every verb for its options"):
        script = completions(list(VERBS))
    show_text((ZSH if arguments.shell == "zsh" else "") + script)
    return 0


def completions(verbs: Sequence[str]) -> str:
    """Return the script for bash, which zsh reads as well."""
    cases = []
    for verb in verbs:
        told = _told([verb, "--help"])
        parts = _parts(told, verb)
        for part in parts:
            cases.append(_case(f"{verb}:{part}", _options(_told([verb, part, "--help"]))))
        cases.append(_case(f"{verb}:*", [*parts, *([] if parts else _options(told))]))
    lists = {"verbs": " ".join(verbs), "presets": " ".join(PRESETS)}
    return SCRIPT.format(cases="\n".join(cases), **lists)


def _parts(told: str, verb: str) -> list[str]:
    """Return what may stand after a verb that does several things, each a line of its usage."""
    usage = told.partition("\n\n")[0]
    found = re.findall(rf"bardling {verb} ([a-z]+) ", usage)
    return list(dict.fromkeys(found)) if usage.count("\n") else []


def _told(words: list[str]) -> str:
    said = io.StringIO()
    with redirect_stdout(said):
        main(words)
    return said.getvalue()


def _options(told: str) -> list[str]:
    return sorted(set(OPTION.findall(told)))


def _case(pattern: str, words: Sequence[str]) -> str:
    return f'      {pattern}) offered="{" ".join(words)}" ;;'
