"""A corpus in tokens: files of bounded size with an index, each split read as one row.

    FOLDER/
        index.json        the files of each split, the number and hash of their ids; written last
        train-00000.bin   and so on; see `token_file`
        val-00000.bin
        tokenizer.json    what the ids mean, where the folder stands alone; a run has its own

An index may list files that lie elsewhere and files of nanoGPT and llm.c, so that a run on what is
prepared already need not copy it. Which of the ids are read when is left to `batches`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from bardling.data.config import Split
from bardling.data.shards import read_shard
from bardling.data.token_file import body_sha256, open_tokens, stored_sha256, write_tokens
from bardling.data.tokens import Ids, Row, numbered
from bardling.errors import TokenFileError
from bardling.fields import show
from bardling.storage import Json, exists, read_bytes, read_json, write_json
from bardling.text.tokenizer import Tokenizer

INDEX = "index.json"
SHARD_TOKENS = 2**28
"""Ids of a file at most: 512 MiB of them with two bytes each."""
KEY_BYTES = 1000
"""The first key of an index stands in its first bytes."""
SPLITS: tuple[Split, ...] = ("train", "val")

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One file of a split."""

    path: Path
    """Absolute, or below the folder of the index."""
    n_tokens: int
    sha256: str
    """Of the ids alone, as they lie in the file."""


@dataclass(frozen=True, kw_only=True)
class Index:
    """The files of a corpus."""

    tokenizer_sha256: str
    shards: Mapping[Split, tuple[Shard, ...]]

    def n_tokens(self, split: Split) -> int:
        """Return the number of ids of a split."""
        return sum(shard.n_tokens for shard in self.shards[split])

    def located(self, folder: Path) -> "Index":
        """Return the same files with absolute paths, for an index that lies elsewhere.

        Raises TokenFileError for files that are not in the folder: a corpus that someone has made
        names none of those that lie about here.
        """
        for shard in (shard for of_split in self.shards.values() for shard in of_split):
            if shard.path.is_absolute():
                raise TokenFileError(
                    f"{folder / INDEX} lists {str(shard.path)!r}, which is not in its folder: put "
                    "the file or a link to it there, and list its name"
                )
        shards = {
            split: tuple(
                Shard(path=(folder / s.path).absolute(), n_tokens=s.n_tokens, sha256=s.sha256)
                for s in of_split
            )
            for split, of_split in self.shards.items()
        }
        return Index(tokenizer_sha256=self.tokenizer_sha256, shards=shards)


def is_token_folder(folder: Path) -> bool:
    """Tell whether a folder holds an index of ours; other things are called index.json, too."""
    path = folder / INDEX
    return exists(path) and b"tokenizer_sha256" in read_bytes(path)[:KEY_BYTES]


def write_split(
    folder: Path,
    split: Split,
    pieces: Iterable[Ids],
    tokenizer: Tokenizer,
    *,
    shard_tokens: int = SHARD_TOKENS,
) -> tuple[Shard, ...]:
    """Write the ids of a split piece by piece into as many files as they take."""
    shards: list[Shard] = []
    for number, parts in groupby(numbered(pieces, shard_tokens), key=itemgetter(0)):
        path = Path(f"{split}-{number:05d}.bin")
        n_tokens, sha256 = write_tokens(
            folder / path,
            (part for _, part in parts),
            vocab_size=tokenizer.vocab_size,
            tokenizer_sha256=tokenizer.sha256,
        )
        shards.append(Shard(path=path, n_tokens=n_tokens, sha256=sha256))
    return tuple(shards)


def write_index(folder: Path, index: Index) -> None:
    """Write the index of a folder, which says that it is whole."""
    write_json(
        folder / INDEX,
        {
            "tokenizer_sha256": index.tokenizer_sha256,
            "splits": {
                split: [
                    {"file": str(s.path), "tokens": s.n_tokens, "sha256": s.sha256} for s in shards
                ]
                for split, shards in index.shards.items()
            },
        },
    )


def read_index(folder: Path) -> Index:
    """Return the index of a folder; raises TokenFileError for one that says something else."""
    path = folder / INDEX
    match read_json(path):
        case {
            "tokenizer_sha256": str(tokenizer),
            "splits": {"train": list(train), "val": list(val)},
        }:
            listed: dict[Split, list[Json]] = {"train": train, "val": val}
            shards = {
                split: tuple(_shard(path, entry) for entry in entries)
                for split, entries in listed.items()
            }
            return Index(tokenizer_sha256=tokenizer, shards=shards)
    raise TokenFileError(f"{path} does not list the token files of train and val: make them anew")


def _shard(where: Path, entry: Json) -> Shard:
    match entry:
        case {"file": str(name), "tokens": int(n_tokens), "sha256": str(sha256)}:
            path = Path(name)
            plain = path.is_absolute() or path.name == name != ".."
            if name and plain and "\0" not in name and _SHA256.fullmatch(sha256) and n_tokens >= 0:
                return Shard(path=path, n_tokens=n_tokens, sha256=sha256)
    raise TokenFileError(f"{where} has an entry that names no token file: {show(entry)}")


def open_split(folder: Path, split: Split, tokenizer: Tokenizer) -> Row:
    """Map the ids of a split, after every byte of its files was checked.

    Raises TokenFileError that names the file, what was found and what was expected.
    """
    older = folder / f"{split}.bin"  # what runs had before there was an index
    if not exists(folder / INDEX) and exists(older):
        return Row([open_tokens(older, tokenizer=tokenizer)], [older])
    return open_row(read_index(folder), split, tokenizer, folder=folder)


def open_row(index: Index, split: Split, tokenizer: Tokenizer, *, folder: Path = Path()) -> Row:
    """Map the ids of a split that an index lists, whose `folder` its paths are below."""
    if index.tokenizer_sha256 != tokenizer.sha256:
        raise TokenFileError(
            f"{folder / INDEX} does not fit: the tokenizer of its tokens has the sha256 "
            f"{index.tokenizer_sha256[:64]}, expected {tokenizer.sha256}"
        )
    shards = [shard for shard in index.shards[split] if shard.n_tokens]
    paths = [folder / shard.path for shard in shards]
    try:
        parts = [_open_shard(path, shard, tokenizer) for path, shard in zip(paths, shards)]
        return Row(parts, paths)
    except OSError as error:  # of so many files that no more can be opened
        raise TokenFileError(
            f"{folder / INDEX} lists {len(shards):,} files, which cannot all be read at once "
            f"({error.strerror}): make fewer of them by a larger --shard-tokens"
        ) from error


def _open_shard(path: Path, shard: Shard, tokenizer: Tokenizer) -> Ids:
    _require_file(path)
    sha256 = stored_sha256(path)
    if sha256 is not None:
        ids = open_tokens(path, tokenizer=tokenizer)
    else:
        ids = read_shard(path, vocab_size=tokenizer.vocab_size)
        sha256 = body_sha256(ids)
    if (len(ids), sha256) != (shard.n_tokens, shard.sha256):
        raise TokenFileError(
            f"{path} is not what it was when its index was written: it has {len(ids):,} ids, "
            f"expected {shard.n_tokens:,}, and the sha256 {sha256}, expected {shard.sha256}; "
            "put the old file back, or make the tokens anew"
        )
    return ids


def require_files(index: Index) -> None:
    """Raise TokenFileError unless all files of an index with absolute paths are there."""
    for shard in (shard for of_split in index.shards.values() for shard in of_split):
        _require_file(shard.path)


def _require_file(path: Path) -> None:
    if not exists(path):
        raise TokenFileError(
            f"{path} is gone, and tokens of this corpus lie there: put it back, or train anew"
        )


def shards_of(paths: Mapping[Split, Iterable[Path]], tokenizer: Tokenizer) -> Index:
    """Return the index of files that others have prepared, after reading all of them."""
    found: dict[Split, tuple[Shard, ...]] = {}
    for split, files in paths.items():
        shards = []
        for path in files:
            ids = read_shard(path, vocab_size=tokenizer.vocab_size)
            shards.append(Shard(path=path.absolute(), n_tokens=len(ids), sha256=body_sha256(ids)))
        found[split] = tuple(shards)
    return Index(tokenizer_sha256=tokenizer.sha256, shards=found)
