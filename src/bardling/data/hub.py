"""Datasets of the Hugging Face hub by word, and which of their files hold text.

Nothing of a dataset is ever run: its files are listed and copied, its scripts are left alone.
Where the files lie once they are fetched is left to `hub_files`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from bardling.data.hub_files import (
    HUB_CORPORA,
    SHA1,
    SHA256,
    HubFile,
    HubSet,
    by_hand,
    fetch,
    hub_folder,
)
from bardling.data.hub_transfer import Missing, Unreachable, endpoint, get_json
from bardling.data.reading import is_text
from bardling.data.unpacking import COMPRESSIONS
from bardling.errors import CorpusError, UsageError
from bardling.fields import show
from bardling.storage import Json, exists, read_text

__all__ = ["HUB_CORPORA", "HubFile", "HubFiles", "HubSet", "fetch", "find_files", "hub_set"]

MAX_PAGES = 100  # of 1,000 files: the hub asks for less than 100,000 files in a repository

_CONVERTED = "refs/convert/parquet"  # a branch where the hub keeps what it converted
_WORD = re.compile(
    r"hf:(?P<repository>[^/@:]*/[^/@:]*)(?:@(?P<revision>(?:refs/(?:convert|pr)/)?[^/:]*))?"
    r"(?:/(?P<folder>[^:]*))?(?::(?P<column>.*))?",
    re.DOTALL,
)
_NOT_TEXT = {"readme", "license", "licence", "notice", "dataset_infos", "requirements"}
_SPLITS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
} | dict.fromkeys(("valid", "validation", "val", "dev"), "val")


@dataclass(frozen=True, kw_only=True)
class HubFiles:
    """The files of a dataset that hold text."""

    train: tuple[HubFile, ...]
    val: tuple[HubFile, ...]
    """Those that are named so; those named test are in neither."""
    from_cache: bool = False
    """True where the hub was out of reach: these are the ones that were fetched before."""


def hub_set(word: str) -> HubSet | None:
    """Return the dataset that `word` means; None where it means something else.

    It is one of `HUB_CORPORA` or hf:owner/name[@revision][/folder][:column].
    """
    if word in HUB_CORPORA or not word.startswith("hf:"):
        return HUB_CORPORA.get(word)
    match = _WORD.fullmatch(word)
    given = match.groupdict() if match else {}
    if not given or "" in given.values():
        raise UsageError(
            f"{show(word)} is no dataset of the hub: write "
            "hf:owner/name[@revision][/folder][:column]"
        )
    return HubSet(**{name: text for name, text in given.items() if text is not None})


def find_files(hub: HubSet) -> HubFiles:
    """Return which files of a dataset hold text, from one commit and sorted by path.

    Where its main branch has none, those that the hub converted to parquet are taken. Out of
    reach of the hub, only files that were fetched before are found.
    """
    revisions = [hub.revision] + [_CONVERTED] * (hub.revision == "main")
    cached = False
    try:
        files = next(filter(None, (_list(hub, revision) for revision in revisions)), [])
    except Unreachable as error:
        cached = True
        files = next(filter(None, (_list_cached(hub, revision) for revision in revisions)), [])
        if not files:
            raise CorpusError(
                f"{hub.repository} could not be listed ({error}) and the cache holds nothing of "
                f"it: {by_hand(hub)}"
            ) from error
    if not files:
        raise CorpusError(
            f"{hub.repository} at {hub.revision} has no .parquet, .jsonl, .txt or .md file"
            f"{' below ' + hub.folder if hub.folder else ''}: choose another folder or dataset"
        )
    by_split: dict[str, list[HubFile]] = {"train": [], "val": [], "test": []}
    for file in files:
        by_split[named_split(file.path.removeprefix(hub.folder))].append(file)
    if not by_split["train"]:
        raise CorpusError(
            f"all {len(files)} texts of {hub.repository} are named as validation or test: "
            "choose the folder that holds them, or another dataset"
        )
    return HubFiles(train=tuple(by_split["train"]), val=tuple(by_split["val"]), from_cache=cached)


def _list(hub: HubSet, revision: str) -> list[HubFile]:
    """Return the files with text that the hub has; none where nothing was converted."""
    base = f"{endpoint()}/api/datasets/{hub.repository}"
    try:
        answer, _ = get_json(f"{base}/revision/{quote(revision, safe='')}")
    except Missing as error:
        if revision != hub.revision:
            return []
        raise CorpusError(
            f"the hub has no dataset {hub.repository} with a revision {revision} ({error}): "
            "check how they are written"
        ) from error
    match answer:
        case {"sha": str(commit)}:
            folder = f"/{quote(hub.folder, safe='')}" if hub.folder else ""
            tree = f"{base}/tree/{quote(commit, safe='')}{folder}?recursive=true"
            entries = list(_entries(hub, tree))
            return _texts(hub, [_parse(hub, revision, commit, entry) for entry in entries])
    raise Unreachable("its answer names no commit")


def _entries(hub: HubSet, url: str) -> Iterator[dict[str, Json]]:
    """Give what a tree of the hub holds, folders left out; nothing where it is not there."""
    page: str | None = url
    for _ in range(MAX_PAGES):
        try:
            answer, page = get_json(page or url)
        except Missing:
            return
        if not isinstance(answer, list):
            raise Unreachable("its answer is no list of files")
        for entry in answer:
            if isinstance(entry, dict) and entry.get("type") == "file":
                yield entry
        if page is None:
            return
    raise CorpusError(f"{hub.repository} has more than {MAX_PAGES:,} pages of files: name a folder")


def _parse(hub: HubSet, revision: str, commit: str, entry: dict[str, Json]) -> HubFile:
    large = entry.get("lfs")
    sha256 = large.get("oid") if isinstance(large, dict) else None
    match entry:
        case {"path": str(path), "size": int(n_bytes), "oid": str(git_sha1)}:
            return HubFile(
                hub=hub,
                revision=revision,
                commit=commit,
                path=path,
                n_bytes=n_bytes,
                sha256=None if sha256 is None else str(sha256),
                git_sha1=git_sha1,
            )
    raise Unreachable("its list of files is malformed")


def _list_cached(hub: HubSet, revision: str) -> list[HubFile]:
    """Return the files with text that were fetched before."""
    folder = hub_folder(hub)
    name = folder / "refs" / revision
    commit = read_text(name).strip() if exists(name) else revision
    root = folder / "snapshots" / commit
    if not SHA1.fullmatch(commit) or not exists(root):
        return []
    files = []
    for path in filter(Path.is_file, root.rglob("*")):
        blob = path.resolve().name
        files.append(
            HubFile(
                hub=hub,
                revision=revision,
                commit=commit,
                path=path.relative_to(root).as_posix(),
                n_bytes=path.stat().st_size,
                sha256=blob if SHA256.fullmatch(blob) else None,
                git_sha1=blob if SHA1.fullmatch(blob) else None,
            )
        )
    return _texts(hub, files)


def _texts(hub: HubSet, files: list[HubFile]) -> list[HubFile]:
    """Return the files with text, sorted; only those of the best kind that is there."""
    by_path = {file.path: file for file in files}
    return [by_path[path] for path in choose_texts(list(by_path), hub.folder)]


def choose_texts(paths: list[str], folder: str) -> list[str]:
    """Return which files below a folder of a dataset hold its text, sorted; all are of one kind."""
    below = [path for path in sorted(paths) if not folder or path.startswith(f"{folder}/")]
    for kinds in ((".parquet",), (".jsonl",), (".txt", ".md")):
        found = [path for path in below if _is_text(path) and _plain_name(path).endswith(kinds)]
        if found:
            return found
    return []


def _is_text(path: str) -> bool:
    """Tell whether a file holds text of the dataset, not about it."""
    parts = path.split("/")
    stem = parts[-1].partition(".")[0].lower()
    return is_text(Path(path)) and not (
        stem in _NOT_TEXT or any(part.startswith(".") for part in parts)
    )


def _plain_name(path: str) -> str:
    """Return the name of a file as it is when it is unpacked."""
    name = PurePosixPath(path.lower())
    return name.stem if name.suffix in COMPRESSIONS else name.name


def named_split(path: str) -> str:
    """Return the split that a file is named for, by the word that is nearest to its end."""
    for part in reversed(path.split("/")):
        for word in re.findall("[a-z]+", part.lower()):
            if word in _SPLITS:
                return _SPLITS[word]
    return "train"
