"""`bardling data`: stories made and read back; corpora looked at, cleaned, parted, encoded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from bardling import storage
from bardling.cli.curation import run_clean, run_split, run_stats
from bardling.cli.options import File, choose, parse
from bardling.cli.preferences import run_preferences
from bardling.cli.show import run_show
from bardling.cli.tokens import run_tokens
from bardling.data.corpora import load_corpus
from bardling.data.reading import write_jsonl
from bardling.data.stories.listening import Reading, listen
from bardling.data.stories.telling import tell
from bardling.errors import UsageError
from bardling.reporting.screen import Screen, show_text

SHOWN = 5  # texts that are no stories and are shown
BEFORE, AFTER = 50, 30  # characters shown around the place where one stops being a story

USAGE = """\
usage: bardling data stories [--documents N] [--seed N] [--split train|val] [--output FILE]
       bardling data parse FILE
       bardling data preferences FILE.jsonl --pairs N [--seed N]
       bardling data stats CORPUS
       bardling data clean CORPUS [--output FILE]
       bardling data split CORPUS FOLDER
       bardling data tokens CORPUS FOLDER [--tokenizer bpe:8000] [--max-tokens N]
       bardling data show RUN --step N

stories      makes stories by a grammar that knows how likely each one is
parse        tells whether texts are such stories, and where and why one stops being one
preferences  makes pairs of endings, of which one breaks what its story began with
stats        counts a corpus, and suggests a context and a size of model
clean        takes out what is no content, stubs and duplicates, and shows what
split        parts a corpus for training and validation, and checks that they share no text
tokens       turns a corpus of any size into a folder of tokens, once for many runs
show         shows the text of one batch of a run, to see what made its loss jump

Each with --help tells all about it.
"""


@dataclass(frozen=True, kw_only=True)
class StoriesArguments:
    """Make stories by a grammar that knows how likely each one is."""

    documents: int = 10
    """How many."""
    seed: int = 0
    """Decides all of them; story number i is the same however many are made."""
    split: Literal["train", "val"] = "train"
    """From which of two disjoint sets; runs train on one and are validated on the other."""
    output: File = None
    """Write to this file: one JSON object a line if it ends in .jsonl, else parted by blank lines.
    Without it, to the screen."""


@dataclass(frozen=True, kw_only=True)
class ParseArguments:
    """Tell whether texts are stories of the grammar, and where and why one stops being one."""

    file: tyro.conf.Positional[Path]
    """Texts parted by blank lines, or one JSON object a line (.jsonl)."""


def run(argv: Sequence[str]) -> int:
    """Do what the first word says."""
    verbs = {
        "stories": _stories,
        "parse": _parse,
        "preferences": run_preferences,
        "stats": run_stats,
        "clean": run_clean,
        "split": run_split,
        "tokens": run_tokens,
        "show": run_show,
    }
    return choose(verbs, argv, of="data", usage=USAGE)


def _stories(argv: Sequence[str]) -> int:
    arguments = parse(StoriesArguments, argv, prog="bardling data stories")
    if arguments.documents < 1:
        raise UsageError(f"{arguments.documents} documents are none; give at least 1")
    texts = (
        tell(arguments.seed, number, split=arguments.split).text
        for number in range(arguments.documents)
    )
    if arguments.output is None:
        for text in texts:
            show_text(f"{text}\n\n")
        return 0
    if arguments.output.suffix.lower() == ".jsonl":
        write_jsonl(arguments.output, texts)
    else:
        with storage.atomic_file(arguments.output) as file:
            for text in texts:
                file.write(f"{text}\n\n".encode())
    show_text(f"{arguments.documents:,} stories in {arguments.output}\n")
    return 0


def _parse(argv: Sequence[str]) -> int:
    """Exit code 0 when all texts are stories, 1 when some are not."""
    arguments = parse(ParseArguments, argv, prog="bardling data parse")
    count = good = characters = 0
    nats = 0.0
    screen = Screen()
    for number, text in enumerate(_texts(arguments.file), start=1):
        reading = listen(text)
        count += 1
        if reading.is_story:
            good, characters, nats = good + 1, characters + len(text), nats + reading.nats
        elif count - good <= SHOWN:
            screen.print(_report(number, text, reading))
    screen.print(f"{good:,} of {count:,} texts in {arguments.file} are stories")
    if good:
        screen.print(
            f"the stories have {nats / good:.1f} nats each, {nats / characters:.4f} a character: "
            "no model can expect less"
        )
    return 0 if good == count else 1


def _texts(path: Path) -> Iterator[str]:
    for document in load_corpus(str(path)).in_memory():
        if path.suffix.lower() == ".jsonl":
            yield document
        else:
            yield from filter(None, (part.strip("\n") for part in document.split("\n\n")))


def _report(number: int, text: str, reading: Reading) -> str:
    """Return where text `number` stops being a story, with a mark there, and why."""
    before = text[max(0, reading.end - BEFORE) : reading.end].replace("\n", " ")
    after = text[reading.end : reading.end + AFTER].replace("\n", " ")
    mark = " " * len(before) + "^"
    return (
        f"text {number:,} stops being a story at character {reading.end:,}: {reading.reason}\n"
        f"  {before}{after}\n  {mark}\n"
    )
