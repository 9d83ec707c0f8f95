"""Files of the hub's datasets, and their places in its cache, each fetched and checked.

The cache is the hub's own, laid out as its manual has it: blobs by hash, a snapshot of links for
each commit, and the commit of each revision. So other tools of the hub find what is here. Which
files a dataset has is left to `hub`, the transfer to `hub_transfer`.
"""

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bardling.data.hub_transfer import (
    Missing,
    Unreachable,
    download_pieces,
    endpoint,
    hub_library,
)
from bardling.errors import CorpusError, UsageError
from bardling.storage import exists, open_file, remove_leftovers, write_text

_NAME = r"(?!.*(?:--|\.\.))\w(?:[\w.-]{0,94}\w)?"  # the hub's own rule
_REVISION = re.compile(r"(?:refs/(?:convert|pr)/)?(?!.*\.\.)\w[\w.-]{0,127}", re.ASCII)
SHA1, SHA256 = re.compile(r"[0-9a-f]{40}"), re.compile(r"[0-9a-f]{64}")


def _is_plain(path: str) -> bool:
    """Tell whether a path stays below where it begins, on every system."""
    parts = path.split("/")
    return path.isprintable() and "\\" not in path and not {"", ".", ".."} & set(parts)


@dataclass(frozen=True, kw_only=True)
class HubSet:
    """A dataset of the hub, or a folder of one."""

    repository: str
    """As the hub has it: owner/name."""
    revision: str = "main"
    folder: str = ""
    """Only files below it are taken."""
    column: str = "text"
    """Which column or field holds the text."""

    def __post_init__(self) -> None:
        if not re.fullmatch(f"{_NAME}/{_NAME}", self.repository, re.ASCII):
            raise UsageError(f"{self.repository!r} is no name of a dataset: write owner/name")
        if not _REVISION.fullmatch(self.revision):
            raise UsageError(
                f"{self.revision!r} is no revision: write a branch, a tag or a commit of "
                f"{self.repository}"
            )
        if self.folder and not _is_plain(self.folder):
            raise UsageError(
                f"{self.folder!r} is no folder of a dataset: write it without '..', '\\' and a "
                "slash at either end, as in data/en"
            )
        if not self.column.isprintable() or not self.column.strip() or "/" in self.column:
            raise UsageError(f"{self.column!r} is no name of a column: write one, as in :text")

    @property
    def name(self) -> str:
        """The word for it, by which its files are found on the disk."""
        known = (word for word, hub in HUB_CORPORA.items() if hub == self)
        return next(known, self.repository.partition("/")[2])


@dataclass(frozen=True, kw_only=True)
class HubFile:
    """A file of a dataset as one listing has it."""

    hub: HubSet
    revision: str
    commit: str
    """What `revision` was when it was listed; all files of a listing have the same."""
    path: str
    n_bytes: int
    sha256: str | None
    """Known for what lies in the hub's store of large files."""
    git_sha1: str | None
    """Git's name for the file, or for what stands in its place where there is a sha256."""

    def __post_init__(self) -> None:
        digests = (SHA1, self.git_sha1), (SHA256, self.sha256)
        if not (
            _is_plain(self.path)
            and SHA1.fullmatch(self.commit)
            and self.n_bytes >= 0
            and all(text is None or pattern.fullmatch(text) for pattern, text in digests)
        ):
            raise CorpusError(
                f"{self.hub.repository} lists {self.path!r} at {self.commit!r}, which no dataset "
                "can hold: nothing of it was fetched, choose another dataset"
            )


HUB_CORPORA = {
    "tinystories": HubSet(repository="roneneldan/TinyStories", folder="data"),
    "fineweb-edu": HubSet(repository="karpathy/fineweb-edu-100b-shuffle"),
}
"""Datasets by word. The second is a shuffled part of HuggingFaceFW/fineweb-edu in small files."""


def fetch(file: HubFile, *, heard: Callable[[int, int], None] | None = None) -> Path:
    """Return where a file lies, whole and checked; it is fetched into the hub's cache if needed.

    What an earlier try kept is not asked for again. `heard` is told bytes done and in all. Raises
    CorpusError that says what to do.
    """
    folder = hub_folder(file.hub)
    place = folder / "snapshots" / file.commit / file.path
    blob = folder / "blobs" / (file.sha256 or file.git_sha1 or "unknown")
    lock = folder.parent / ".locks" / folder.name / f"{blob.name}.lock"
    try:
        if _is_whole(file, place):
            return place
        lock.parent.mkdir(parents=True, exist_ok=True)
        with hub_library("huggingface_hub.utils").WeakFileLock(lock):
            for path in (blob, folder / "refs" / file.revision):
                remove_leftovers(path.parent, of=path.name)  # of one that was killed
            for path in (place, blob):
                if not _is_whole(file, path):
                    path.unlink(missing_ok=True)
            if not exists(blob):
                _download(file, blob, heard or (lambda done, total: None))
            if not exists(place):
                _link(file, blob, place)
    except OSError as error:
        raise CorpusError(
            f"could not keep {file.path} in {folder} ({error.strerror or error}): set "
            "HF_HUB_CACHE to a folder that can be written"
        ) from error
    return place


def _download(file: HubFile, blob: Path, heard: Callable[[int, int], None]) -> None:
    """Fetch the bytes of a file, under their hash."""
    url = hub_library().hf_hub_url(
        repo_id=file.hub.repository,
        filename=file.path,
        repo_type="dataset",
        revision=file.commit,
        endpoint=endpoint(),
    )
    try:
        download_pieces(
            url,
            blob,
            n_bytes=file.n_bytes,
            digest=_digest(file),
            expected=file.sha256 or file.git_sha1 or "",
            heard=heard,
        )
    except (Missing, Unreachable) as error:
        raise CorpusError(
            f"{file.path} of {file.hub.repository} could not be fetched ({error}): try again, "
            f"what came is kept; {by_hand(file.hub)}"
        ) from error


def _link(file: HubFile, blob: Path, place: Path) -> None:
    """Give the commit the name of its revision, and a blob the one that it has in its commit.

    Whoever finds the second takes the first for done.
    """
    if file.revision != file.commit:
        write_text(hub_folder(file.hub) / "refs" / file.revision, file.commit)
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        place.symlink_to(os.path.relpath(blob, place.parent))
    except OSError:  # no links here: the hub then keeps the file itself
        blob.replace(place)


def _digest(file: HubFile) -> Any:
    """Return the hash that a blob is named by: git's has a header."""
    if file.sha256:
        return hashlib.sha256()
    return hashlib.sha1(b"blob %d\0" % file.n_bytes, usedforsecurity=False)


def _is_whole(file: HubFile, path: Path) -> bool:
    """Tell whether `path` has the bytes of a file."""
    if not path.is_file():
        return False
    digest = _digest(file)
    with open_file(path) as stream:
        if os.fstat(stream.fileno()).st_size != file.n_bytes:
            return False
        while chunk := stream.read(2**20):
            digest.update(chunk)
    return (file.sha256 or file.git_sha1) in (None, digest.hexdigest())


def by_hand(hub: HubSet) -> str:
    """Return what to do where the hub is out of reach."""
    return f"get online, or put its .parquet files into a folder '{hub.name}' of BARDLING_DATA"


def hub_folder(hub: HubSet) -> Path:
    """Return where the hub's cache keeps a dataset, by the environment of this moment."""
    get = os.environ.get
    home = get("HF_HOME") or f"{get('XDG_CACHE_HOME') or '~/.cache'}/huggingface"
    cache = get("HF_HUB_CACHE") or get("HUGGINGFACE_HUB_CACHE") or f"{home}/hub"
    root = Path(os.path.expandvars(cache)).expanduser()
    return root / f"datasets--{hub.repository.replace('/', '--')}"
