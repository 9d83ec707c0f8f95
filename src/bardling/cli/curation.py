"""`bardling data clean | stats | split`: a corpus looked at, cleaned and parted."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.table import Table

from bardling.cli.options import File, parse
from bardling.data.corpora import Corpus, load_corpus
from bardling.data.curation import Lengths, Outcome, clean, overlap
from bardling.data.pretrained import tokenizer_for
from bardling.data.reading import write_jsonl
from bardling.data.split import split_corpus
from bardling.data.statistics import PERCENTILES, Statistics, measure
from bardling.errors import CorpusError, UsageError
from bardling.reporting.console import count
from bardling.reporting.screen import Screen, complain
from bardling.text.lots import whole


@dataclass(frozen=True, kw_only=True)
class CorpusArguments:
    """What is read, and what counts as a document."""

    corpus: tyro.conf.Positional[str]
    """A corpus by name, a file or a folder."""
    paragraphs: bool = False
    """Take what blank lines part for documents, instead of whole files."""
    separator: str = ""
    """Take what this text parts for documents, such as <|endoftext|>."""
    max_documents: int = 0
    """Read only so many documents (before they are parted); 0 for all."""


@dataclass(frozen=True, kw_only=True)
class CleanArguments(CorpusArguments):
    """Clean a corpus step by step, and show what each step did."""

    output: File = None
    """Write what is left to this .jsonl file; without it, nothing is written."""
    min_words: int = 5
    """Documents with fewer words are left out."""
    max_words: int = 0
    """Documents with more words are left out; 0 for no limit."""
    skip: tuple[str, ...] = ()
    """Steps to leave out: encoding, metadata, whitespace, length, duplicates, near."""


@dataclass(frozen=True, kw_only=True)
class StatsArguments(CorpusArguments):
    """Count a corpus, and say what size of context and of model it suggests."""

    tokenizer: str = "bpe:4000"
    """Counts the tokens: char, bpe:4000, or the path of one."""


@dataclass(frozen=True, kw_only=True)
class SplitArguments(CorpusArguments):
    """Part a corpus into a training and a validation file, and check that they share no text."""

    output: tyro.conf.Positional[Path]
    """The folder to write train.jsonl and val.jsonl to."""
    val_fraction: float = 0.1
    """Share of the documents, or of a single text, for validation."""


def run_clean(argv: Sequence[str]) -> int:
    """Clean, show each step, and write what is left."""
    arguments = parse(CleanArguments, argv, prog="bardling data clean")
    corpus = _load(arguments)
    lengths = Lengths(min_words=arguments.min_words, max_words=arguments.max_words)
    done = clean(corpus.in_memory(), lengths=lengths, skip=arguments.skip)
    screen = Screen()
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    for name in ("step", "documents", "removed", "changed", "characters"):
        table.add_column(name, justify="left" if name == "step" else "right")
    for outcome in done:
        table.add_row(*_cells(outcome))
    screen.print(table, soft_wrap=False)
    for outcome in done:
        for example in outcome.examples:
            screen.print(f"  {outcome.name}: {example}")
    left = done[-1].documents
    if arguments.output is None:
        return 0
    if not left:
        raise CorpusError(f"nothing is left of {arguments.corpus}, so nothing was written")
    write_jsonl(arguments.output, left)
    screen.print(f"{len(left):,} documents in {arguments.output}")
    return 0


def _cells(outcome: Outcome) -> list[str]:
    return [
        outcome.name,
        f"{len(outcome.documents):,}",
        f"{outcome.n_removed:,}",
        f"{outcome.n_changed:,}",
        f"{sum(map(len, outcome.documents)):,}",
    ]


def run_stats(argv: Sequence[str]) -> int:
    """Count a corpus."""
    arguments = parse(StatsArguments, argv, prog="bardling data stats")
    corpus = _load(arguments)
    tokenizer = tokenizer_for(arguments.tokenizer, corpus.documents, end_token=corpus.has_several)
    found = measure(corpus.documents, tokenizer)
    screen = Screen()
    noun = "document" if found.n_documents == 1 else "documents"
    screen.print(
        f"{corpus.name}: {found.n_documents:,} {noun}, {found.n_bytes:,} bytes, "
        f"{found.n_characters:,} characters ({found.n_distinct} different), "
        f"{found.n_words:,} words, {found.n_tokens:,} tokens of {arguments.tokenizer}"
    )
    screen.print(f"  {found.n_bytes / max(found.n_tokens, 1):.2f} bytes per token\n")
    if found.n_documents > 1:
        screen.print(_lengths(found), soft_wrap=False)
        screen.print()
    screen.print(_advice(found))
    return 0


def _lengths(found: Statistics) -> Table:
    """Return a table of how long documents are, which is narrow enough for any terminal."""
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    for head in ("of a document, at percentile", "words", "tokens"):
        table.add_column(head, justify="right", no_wrap=True)
    for percentile, words, tokens in zip(PERCENTILES, found.words, found.tokens, strict=True):
        table.add_row(str(percentile), f"{words:,}", f"{tokens:,}")
    return table


def _advice(found: Statistics) -> str:
    enough = (
        f"read once, it is enough for {count(found.n_parameters)} parameters, by Chinchilla's 20 "
        "tokens for each; bardling train --budget TIME finds a size by itself"
    )
    if found.n_documents == 1:
        return enough
    return (
        f"suggested: --model.block-size {found.block_size}, which holds 95 of 100 documents whole "
        f"(2048 at most); {enough}"
    )


def run_split(argv: Sequence[str]) -> int:
    """Part a corpus in two files; exit code 1 where they share texts."""
    arguments = parse(SplitArguments, argv, prog="bardling data split")
    corpus = _load(arguments)
    sides = split_corpus(corpus, val_fraction=arguments.val_fraction)
    screen = Screen()
    for name, texts in sides.items():
        path = arguments.output / f"{name}.jsonl"
        screen.print(f"{write_jsonl(path, texts):,} documents in {path}")
    shared = overlap(map(whole, sides["train"]), map(whole, sides["val"]))
    if not shared:
        screen.print("no validation document is like one to train on")
        return 0
    screen.print(
        f"{len(shared):,} validation documents are like one to train on; "
        "'bardling data clean' takes such doubles out first"
    )
    for text in shared[:3]:
        screen.print(f"  {text[:80]!r}")
    return 1


def _load(arguments: CorpusArguments) -> Corpus:
    """Return a corpus, or what a separator parts its documents into."""
    name, separator = arguments.corpus, arguments.separator or "\n\n" * arguments.paragraphs
    if not separator:
        return _bounded(load_corpus(name, note=complain), arguments.max_documents)
    corpus = load_corpus(name, note=lambda text: None if separator in text else complain(text))
    texts = _bounded(corpus, arguments.max_documents).in_memory()
    parts = (part for text in texts for part in text.split(separator))
    documents = tuple(part for part in parts if part.strip())
    if not documents:
        raise CorpusError(f"{name} is blank: a text was expected")
    return Corpus(name=corpus.name, documents=documents)


def _bounded(corpus: Corpus, max_documents: int) -> Corpus:
    if max_documents:
        return corpus.beginning(max_documents)
    if corpus.is_stream:
        raise UsageError(f"{corpus.name} is too much to read all of: give --max-documents")
    return corpus
