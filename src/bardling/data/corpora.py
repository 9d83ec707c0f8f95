"""Corpora by name: known texts, the languages that the package makes, any local file or folder.

A corpus is read strictly and kept as it is, line ends included: what is damaged is refused with
its file and position, and what is merely unusual is said in the notes. Splitting is left to
`split`, cleaning to later stages.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bardling.data.known import Known, find, find_or_download
from bardling.data.reading import SUFFIXES, is_text, read_documents
from bardling.data.stories.corpus import N_STORIES, stories
from bardling.data.sums import sums
from bardling.errors import CorpusError, UsageError, nearest
from bardling.storage import exists

CORPORA = ("shakespeare", "stories", "sums")

SHAKESPEARE = Known(
    name="tinyshakespeare.txt",
    url="https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
    n_bytes=1_115_394,
    sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
)


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Texts under one name. `notes` say in one sentence each what is unusual about them."""

    name: str
    documents: tuple[str, ...]
    notes: tuple[str, ...] = ()
    held_out: Callable[[int], tuple[str, ...]] | None = None
    """Gives documents to validate on, where the corpus has such of its own."""

    @property
    def n_characters(self) -> int:
        """The number of characters (code points) in all documents."""
        return sum(map(len, self.documents))

    @property
    def n_bytes(self) -> int:
        """The number of bytes in UTF-8, by which bits per byte are counted."""
        return sum(len(document.encode("utf-8")) for document in self.documents)


def load_corpus(name: str, *, data_dir: Path | None = None) -> Corpus:
    """Return the corpus that `name` means: one of `CORPORA`, or the path of a file or folder.

    `stories:5000` is so many stories instead of the usual number. A known text is looked for in
    `data_dir`, in the folder that BARDLING_DATA names and in the user's cache, then downloaded
    into the cache. A folder is searched for files that `reading` knows, hidden files and folders
    left out; a .txt or .md file is a document, and so is a line of a .jsonl or a row of a .parquet.
    """
    if name == "shakespeare":
        text = find_or_download(SHAKESPEARE, data_dir).decode("ascii")
        return Corpus(name=name, documents=(text,))
    if name == "sums":
        return Corpus(name=name, documents=(sums(seed=0),))
    if is_corpus(name):
        return _stories(name)
    path = Path(name)
    if not exists(path):
        raise UsageError(
            f"'{name}' is no corpus, file or folder: use {', '.join(CORPORA)} "
            f"or the path of a text{nearest(name, CORPORA)}"
        )
    files = list(_find_files(path)) if path.is_dir() else [path]
    if not files:
        raise CorpusError(f"{path} holds no {', '.join(SUFFIXES)} file: put the texts there")
    documents: list[str] = []
    notes: list[str] = []
    for file in files:
        found = read_documents(file, notes)
        documents += filter(None, found)
        if n_empty := found.count(""):
            notes.append(f"{file}: {n_empty} empty document(s) left out")
    if not documents:
        raise CorpusError(f"{path} is empty: a text was expected")
    return Corpus(name=path.resolve().stem, documents=tuple(documents), notes=tuple(notes))


def is_corpus(name: str) -> bool:
    """Tell whether a word is a corpus by name."""
    return name in CORPORA or name.startswith("stories:")


def _stories(name: str) -> Corpus:
    number = name.partition(":")[2].replace(",", "").replace("_", "")
    if ":" in name and not (number.isdecimal() and number.isascii() and int(number) >= 2):
        raise UsageError(f"'{name}' is no number of stories: give at least 2, as in stories:5000")
    return Corpus(
        name="stories",
        documents=stories(0, int(number) if number else N_STORIES),
        held_out=partial(stories, 0, split="val"),
    )


def find_shakespeare() -> Path | None:
    """Return the file that Tiny Shakespeare would be read from; None if it has to be fetched."""
    return find(SHAKESPEARE)


def _find_files(folder: Path) -> Iterator[Path]:
    """Walk `folder` in sorted order, without following links to folders, which could loop."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if not path.is_symlink():
                yield from _find_files(path)
        elif is_text(path):
            yield path
