"""Corpora by name: known texts, the languages that the package makes, files, datasets of the hub.

A corpus is read strictly and kept as it is, line ends included: what is damaged is refused with
its file and position, and what is merely unusual is told. Splitting is left to `split`, cleaning
to later stages.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import islice
from pathlib import Path

from bardling.data.hub import (
    HUB_CORPORA,
    HubFile,
    HubSet,
    choose_texts,
    fetch,
    find_files,
    hub_set,
    named_split,
)
from bardling.data.known import Known, data_folder, find, find_or_download
from bardling.data.reading import COLUMN, SUFFIXES, file_size, is_text, read_documents
from bardling.data.stories.corpus import N_STORIES, stories
from bardling.data.sums import sums
from bardling.errors import CorpusError, UsageError, nearest
from bardling.storage import exists
from bardling.text.lots import Text, chunks, whole

MADE_HERE = ("stories", "sums")
CORPORA = ("shakespeare", *MADE_HERE, *HUB_CORPORA)

SHAKESPEARE = Known(
    name="tinyshakespeare.txt",
    url="https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
    n_bytes=1_115_394,
    sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
)
HELD_BYTES = 2**26
"""Files that are smaller together are held in memory, if their texts are not much longer."""
HELD_CHARACTERS = 2**27
STREAM_BYTES = 2**28
"""Datasets of the hub with larger files are streams."""

Note = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Texts under one name."""

    name: str
    documents: Iterable[Text]
    """As often as they are asked for: in memory, or read anew from where they are."""
    held_out: Callable[[int], tuple[str, ...]] | None = None
    """Gives documents to validate on, where the corpus makes such of its own."""
    validation: Iterable[Text] | None = None
    """Documents to validate on, where the corpus comes with such."""
    is_stream: bool = False
    """Whether there may be far more of it than is ever read."""

    @property
    def n_characters(self) -> int:
        """The number of characters (code points) in all documents."""
        return sum(len(part) for document in self.documents for part in chunks(document))

    @property
    def n_bytes(self) -> int:
        """The number of bytes in UTF-8, by which bits per byte are counted."""
        parts = (part for document in self.documents for part in chunks(document))
        return sum(len(part.encode("utf-8")) for part in parts)

    @property
    def has_own_val(self) -> bool:
        """Whether it has documents to validate on beside those to train on."""
        return self.validation is not None or self.held_out is not None

    @property
    def has_several(self) -> bool:
        """Whether it is more than one text."""
        return self.has_own_val or len(tuple(islice(iter(self.documents), 2))) > 1

    def beginning(self, n_documents: int) -> "Corpus":
        """Return the corpus that has only the first documents of this one."""
        documents: Iterable[Text] = Beginning(documents=self.documents, n_documents=n_documents)
        if isinstance(self.documents, tuple):
            documents = self.documents[:n_documents]
        return replace(self, documents=documents, is_stream=False)

    def in_memory(self) -> tuple[str, ...]:
        """Return all documents, each in one piece."""
        return tuple(map(whole, self.documents))


@dataclass(frozen=True, kw_only=True)
class Files:
    """The documents of some files, read anew whenever they are asked for; empty ones left out."""

    paths: Iterable[Path]
    note: Note
    column: str = COLUMN

    def __iter__(self) -> Iterator[Text]:
        for path in self.paths:
            n_empty = 0
            for document in read_documents(path, self.note, column=self.column):
                if document == "":
                    n_empty += 1
                else:
                    yield document
            if n_empty:
                self.note(f"{path}: {n_empty} empty document(s) left out")


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """Where files of the hub lie, each fetched when its turn comes."""

    files: tuple[HubFile, ...]
    fetch: Callable[[HubFile], Path]

    def __iter__(self) -> Iterator[Path]:
        return map(self.fetch, self.files)


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """The first documents of some, as often as they are asked for."""

    documents: Iterable[Text]
    n_documents: int

    def __iter__(self) -> Iterator[Text]:
        return islice(iter(self.documents), self.n_documents)


def load_corpus(
    name: str, *, data_dir: Path | None = None, note: Note = lambda sentence: None
) -> Corpus:
    """Return the corpus that `name` means: one of `CORPORA`, or the path of a file or folder.

    `stories:5000` is so many stories instead of the usual number, `hf:owner/name` a dataset of the
    Hugging Face hub (see `hub`). Known texts and datasets are looked for in `data_dir`, in the
    folder that BARDLING_DATA names and in the user's cache, then downloaded into the cache. A
    folder is searched for files that `reading` knows, hidden files and folders left out; a .txt or
    .md file is a document, and so is a line of a .jsonl or a row of a .parquet. What is large is
    not held in memory but read from its files whenever it is asked for. `note` hears once what is
    unusual about the texts, when they are read.
    """
    note = _once(note)
    if name == "shakespeare":
        text = find_or_download(SHAKESPEARE, data_dir).decode("ascii")
        return Corpus(name=name, documents=(text,))
    if name == "sums":
        return Corpus(name=name, documents=(sums(seed=0),))
    hub = hub_set(name)
    if hub is not None:
        return _hub(hub, data_dir, note)
    if is_corpus(name):
        return _stories(name)
    path = Path(name)
    if not exists(path):
        raise UsageError(
            f"'{name}' is no corpus, file or folder: use {', '.join(CORPORA)}, hf:owner/name "
            f"or the path of a text{nearest(name, CORPORA)}"
        )
    paths = tuple(_find_files(path)) if path.is_dir() else (path,)
    if not paths:
        raise CorpusError(f"{path} holds no {', '.join(SUFFIXES)} file: put the texts there")
    documents = _read(paths, note)
    if next(iter(documents), None) is None:
        raise CorpusError(f"{path} is empty: a text was expected")
    return Corpus(name=path.resolve().stem, documents=documents)


def is_corpus(name: str) -> bool:
    """Tell whether a word is a corpus by name."""
    return name in CORPORA or name.startswith(("stories:", "hf:"))


def _once(note: Note) -> Note:
    """Let a sentence be heard only the first time it is said."""
    return cache(note)


def _read(paths: tuple[Path, ...], note: Note, column: str = COLUMN) -> Iterable[Text]:
    """Return the documents of files: held in memory if they are small, also when unpacked."""
    files = Files(paths=paths, note=note, column=column)
    if sum(map(file_size, paths)) >= HELD_BYTES:
        return files
    held: list[Text] = []
    n_held = 0
    for document in files:
        held.append(document)
        n_held += len(document) if isinstance(document, str) else HELD_CHARACTERS
        if n_held >= HELD_CHARACTERS:
            return files
    return tuple(held)


def _hub(hub: HubSet, data_dir: Path | None, note: Note) -> Corpus:
    """Return a dataset of the hub, from a folder of its name on the disk if there is one."""
    folders = [folder for folder in (data_dir, data_folder()) if folder is not None]
    places = [folder / name for folder in folders for name in (hub.repository, hub.name)]
    here = next((folder for folder in places if folder.is_dir()), None)
    if here is not None:
        return _hub_on_disk(hub, here, note)
    found = find_files(hub)
    if found.from_cache:
        note(f"{hub.repository}: out of reach, so only what was fetched before is read")
    fetch_once = cache(partial(_fetch, note=note))
    train, val = (
        Files(paths=Fetched(files=files, fetch=fetch_once), note=note, column=hub.column)
        for files in (found.train, found.val)
    )
    return Corpus(
        name=hub.name,
        documents=train,
        validation=val if found.val else None,
        is_stream=sum(file.n_bytes for file in found.train) >= STREAM_BYTES,
    )


def _hub_on_disk(hub: HubSet, here: Path, note: Note) -> Corpus:
    """Return a dataset from a folder that someone has put there, whatever its revision is."""
    note(f"{hub.repository} is read from {here}, as it is there")
    paths = choose_texts([str(path.relative_to(here)) for path in _find_files(here)], hub.folder)
    train, val = (
        _read(tuple(here / path for path in paths if named_split(path) == split), note, hub.column)
        for split in ("train", "val")
    )
    if next(iter(train), None) is None:
        raise CorpusError(f"{here} holds no texts to train on: put the dataset's files there")
    has_val = next(iter(val), None) is not None
    return Corpus(name=hub.name, documents=train, validation=val if has_val else None)


def _fetch(file: HubFile, *, note: Note) -> Path:
    def heard(done: int, total: int) -> None:
        note(f"fetching {file.path} of {file.hub.repository}, {total / 1e6:,.1f} MB")

    return fetch(file, heard=heard)


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
