"""`bardling tokenizer`: train one, use one, look into one, or compare several on a text."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.table import Table
from rich.text import Text

from bardling import storage
from bardling.cli.options import File, Folder, choose, parse
from bardling.data.corpora import load_corpus
from bardling.data.prepare import LEARN_CHARACTERS
from bardling.data.pretrained import gpt2_tokenizer
from bardling.data.reading import first_characters
from bardling.data.statistics import measure
from bardling.errors import TokenizerError, UsageError
from bardling.evaluation.tokenizers import SIZES, Comparison, Row, compare
from bardling.machine.threads import usable_cores
from bardling.reporting.learning import learning_bars
from bardling.reporting.screen import Screen, complain, show_text
from bardling.reporting.tokenizer_section import row_cells, visible
from bardling.run_folder import find_run, runs_folder
from bardling.text.bpe import BPETokenizer
from bardling.text.bpe_files import write_ranks
from bardling.text.lots import whole
from bardling.text.pretokenize import SplitName
from bardling.text.tokenizer import Tokenizer
from bardling.text.tokenizer_file import RANKS_SUFFIX, load_tokenizer, save_tokenizer

COLOURS = ("on #cfe3ee", "on #f2ddd3", "on #dfe8cf", "on #e8dcee")  # in turn, so that cuts show
SHOWN_MERGES = 10
COMPARED_CHARACTERS = 2**26  # of a corpus that is longer, the first

USAGE = """\
usage: bardling tokenizer train CORPUS --size N --output FOLDER
       bardling tokenizer encode TOKENIZER [TEXT] [--file FILE]
       bardling tokenizer decode TOKENIZER IDS...
       bardling tokenizer show TOKENIZER [TEXT]
       bardling tokenizer compare CORPUS [--sizes N ...] [--output FILE]

train    learns a byte-pair tokenizer from a text
encode   gives the ids of a text
decode   gives the text of ids
show     tells what is in a tokenizer, or how it cuts a text
compare  sets tokenizers side by side: ours, those of others, characters, words

A TOKENIZER is gpt2, a tokenizer.json, a ranks file, or a folder or run that holds one.
Each with --help tells all about it.
"""


@dataclass(frozen=True, kw_only=True)
class TrainArguments:
    """Learn a byte-pair tokenizer from a text, and write tokenizer.json and tiktoken's ranks."""

    corpus: tyro.conf.Positional[str]
    """A corpus by name, a file or a folder."""
    size: int = 4000
    """Tokens in all, the end token included."""
    split: SplitName = "gpt2"
    """How text is cut into pieces before anything is merged."""
    min_frequency: int = 1
    """A pair that stands in the text less often becomes no token."""
    end_token: bool = True
    """Have a token that ends a document."""
    processes: int = 0
    """Processes that count words; 0 takes one for each core."""
    output: Path = Path("tokenizer")
    """The folder to write to."""


@dataclass(frozen=True, kw_only=True)
class EncodeArguments:
    """Give the ids of a text."""

    tokenizer: tyro.conf.Positional[str]
    """gpt2, a tokenizer.json, a ranks file, or a folder or run that holds one."""
    text: tyro.conf.Positional[str] = ""
    """The text; or give a file."""
    file: File = None
    """Encode this file."""
    runs_dir: Folder = None
    """Where runs are looked for by name: else BARDLING_RUNS, else ./runs."""


@dataclass(frozen=True, kw_only=True)
class DecodeArguments:
    """Give the text of ids."""

    tokenizer: tyro.conf.Positional[str]
    """gpt2, a tokenizer.json, a ranks file, or a folder or run that holds one."""
    ids: tyro.conf.Positional[tuple[int, ...]]
    """The ids."""
    runs_dir: Folder = None
    """Where runs are looked for by name: else BARDLING_RUNS, else ./runs."""


@dataclass(frozen=True, kw_only=True)
class ShowArguments:
    """Tell what is in a tokenizer, or how it cuts a text."""

    tokenizer: tyro.conf.Positional[str]
    """gpt2, a tokenizer.json, a ranks file, or a folder or run that holds one."""
    text: tyro.conf.Positional[str] = ""
    """A text to cut."""
    runs_dir: Folder = None
    """Where runs are looked for by name: else BARDLING_RUNS, else ./runs."""


@dataclass(frozen=True, kw_only=True)
class CompareArguments:
    """Set tokenizers side by side: each learns from nine tenths of a text and meets the rest."""

    corpus: tyro.conf.Positional[str]
    """A corpus by name, a file or a folder."""
    sizes: tuple[int, ...] = SIZES
    """Vocabularies of our own BPE; those of others take the middle one."""
    output: File = None
    """Write the table to this file too, in Markdown."""


def run(argv: Sequence[str]) -> int:
    """Do what the first word says."""
    verbs = {
        "train": _train,
        "encode": _encode,
        "decode": _decode,
        "show": _show,
        "compare": _compare,
    }
    return choose(verbs, argv, of="a tokenizer", usage=USAGE)


def _train(argv: Sequence[str]) -> int:
    arguments = parse(TrainArguments, argv, prog="bardling tokenizer train")
    if arguments.processes < 0 or arguments.min_frequency < 1:
        raise UsageError("processes are at least 0, and min_frequency is at least 1")
    corpus = load_corpus(arguments.corpus, note=complain)
    is_held = isinstance(corpus.documents, tuple)  # else counting would read all of it once more
    n_characters = corpus.n_characters if is_held else None
    with learning_bars(n_characters, Screen(stderr=True)) as heard:
        trained = BPETokenizer.train(
            first_characters(corpus.documents, LEARN_CHARACTERS),
            vocab_size=arguments.size,
            end_token=arguments.end_token,
            split=arguments.split,
            min_frequency=arguments.min_frequency,
            processes=arguments.processes or usable_cores(),
            heard=heard,
        )
    save_tokenizer(trained, arguments.output)
    storage.write_bytes(arguments.output / f"tokenizer{RANKS_SUFFIX}", write_ranks(trained))
    measured = measure(first_characters(corpus.documents, LEARN_CHARACTERS), trained)
    Screen().print(
        f"{trained.vocab_size:,} tokens in {arguments.output}; {corpus.name} is "
        f"{measured.n_tokens:,} of them, {measured.n_bytes / measured.n_tokens:.2f} bytes each"
        f"{'' if measured.n_characters < LEARN_CHARACTERS else ' (its beginning is)'}"
    )
    return 0


def _encode(argv: Sequence[str]) -> int:
    arguments = parse(EncodeArguments, argv, prog="bardling tokenizer encode")
    if bool(arguments.text) == (arguments.file is not None):
        raise UsageError("give a text to encode, or --file")
    tokenizer = _find(arguments.tokenizer, arguments.runs_dir)
    text = arguments.text if arguments.file is None else storage.read_text(arguments.file)
    show_text(" ".join(map(str, tokenizer.encode(text))) + "\n")
    return 0


def _decode(argv: Sequence[str]) -> int:
    arguments = parse(DecodeArguments, argv, prog="bardling tokenizer decode")
    tokenizer = _find(arguments.tokenizer, arguments.runs_dir)
    show_text(tokenizer.decode(arguments.ids) + "\n")
    return 0


def _show(argv: Sequence[str]) -> int:
    arguments = parse(ShowArguments, argv, prog="bardling tokenizer show")
    tokenizer = _find(arguments.tokenizer, arguments.runs_dir)
    screen = Screen()
    if arguments.text:
        ids = tokenizer.encode(arguments.text)
        screen.print(_coloured([tokenizer.decode([number]) for number in ids]))
        screen.print(f"{len(ids)} tokens: {' '.join(map(str, ids))}")
        return 0
    special = ", ".join(f"{name} {number:,}" for name, number in tokenizer.special_tokens.items())
    screen.print(f"{tokenizer.vocab_size:,} tokens; special: {special or 'none'}")
    if isinstance(tokenizer, BPETokenizer):
        screen.print(f"split {tokenizer.split}, {len(tokenizer.merges):,} merges; the first:")
        made = tokenizer.token_bytes
        for first, second in tokenizer.merges[:SHOWN_MERGES]:
            screen.print(f"  {_quoted(made[first])} + {_quoted(made[second])}")
        longest = sorted(made, key=len, reverse=True)[:SHOWN_MERGES]
        screen.print("the longest tokens: " + ", ".join(map(_quoted, longest)))
    return 0


def _quoted(token: bytes) -> str:
    return repr(token.decode("utf-8", "backslashreplace"))


def _compare(argv: Sequence[str]) -> int:
    arguments = parse(CompareArguments, argv, prog="bardling tokenizer compare")
    if not arguments.sizes or min(arguments.sizes) < 256:
        raise UsageError("sizes are 256 or more: a BPE begins with the bytes")
    corpus = load_corpus(arguments.corpus, note=complain)
    with Screen(stderr=True).status("training tokenizers", refresh_per_second=4):
        texts = first_characters(corpus.documents, COMPARED_CHARACTERS)
        found = compare("\n".join(map(whole, texts)), sizes=arguments.sizes)
    screen = Screen()
    screen.print(
        f"{corpus.name}: learned from {found.n_train_bytes:,} bytes, measured on the next "
        f"{found.n_bytes:,}\n"
    )
    screen.print(_table(found.rows), soft_wrap=False)
    seen = "which was never seen" if found.is_new else "the longest word"
    screen.print(f"\n{found.new_word!r}, {seen}, and the first tokens:")
    for row in found.rows:
        line = Text.assemble(f"  {row.name:<20}", _coloured(row.new_word), "  ")
        screen.print(line + _coloured(row.beginning))
    for reason in found.left_out:
        complain(f"left out: {reason}")
    if arguments.output is not None:
        storage.write_text(arguments.output, _markdown(found))
    return 0


HEADS = ("tokenizer", "vocab", "tokens", "B/token", "attention", "learned", "encodes")


def _table(rows: Sequence[Row]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for head in HEADS:
        table.add_column(head, justify="left" if head == HEADS[0] else "right")
    for row in rows:
        table.add_row(*row_cells(row))
    return table


def _markdown(found: Comparison) -> str:
    lines = [f"| {' | '.join((*HEADS, found.new_word))} |", "|---" * (len(HEADS) + 1) + "|"]
    for row in found.rows:
        cut = "·".join(piece.replace("|", "\\|") for piece in row.new_word)
        lines.append(f"| {' | '.join(row_cells(row))} | {cut} |")
    return "\n".join(lines) + "\n"


def _coloured(pieces: Sequence[str]) -> Text:
    """Return pieces side by side, each on a ground of its own, or with bars in a pipe."""
    shown = [visible(piece) for piece in pieces]
    if not Screen().is_terminal:
        return Text("|".join(shown))
    styles = (f"black {COLOURS[number % len(COLOURS)]}" for number in range(len(shown)))
    return Text.assemble(*zip(shown, styles, strict=True))


def _find(name: str, runs_dir: Path | None) -> Tokenizer:
    """Return the tokenizer that a word means: GPT-2's, a file, a folder, or a run."""
    if name == "gpt2":
        return gpt2_tokenizer()
    if storage.exists(Path(name)):
        return load_tokenizer(Path(name))
    try:
        return load_tokenizer(find_run(name, runs_folder(runs_dir)).path)
    except UsageError as error:
        raise TokenizerError(f"'{name}' is no tokenizer, file or run: {error}") from error
