"""Known files: where they are looked for before they are fetched, and how they are recognised."""

import os
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from bardling.data.download import download
from bardling.errors import CorpusError
from bardling.storage import exists, read_bytes, sha256


@dataclass(frozen=True, kw_only=True)
class Known:
    """A file of which every byte is known."""

    name: str
    """Where it lies in a folder of data."""
    url: str
    n_bytes: int
    sha256: str


def data_folder() -> Path | None:
    """Return the folder that BARDLING_DATA names, or None where it names none."""
    environment = os.environ.get("BARDLING_DATA")
    return Path(environment) if environment else None


def cache_folder() -> Path:
    """Return where downloaded files are kept."""
    return user_cache_path("bardling")


def find(known: Known, data_dir: Path | None = None) -> Path | None:
    """Return where a known file lies; None if it has to be fetched."""
    folders = [data_dir, data_folder(), cache_folder()]
    paths = [folder / known.name for folder in folders if folder is not None]
    return next(filter(exists, paths), None)


def find_or_download(known: Known, data_dir: Path | None = None) -> bytes:
    """Return the bytes of a known file, which is fetched into the cache if it is nowhere.

    Raises CorpusError for a file that has its name and other bytes.
    """
    path = find(known, data_dir)
    if path is None:
        place = cache_folder() / known.name
        return download(known.url, place, n_bytes=known.n_bytes, sha256_expected=known.sha256)
    data = read_bytes(path, limit_bytes=2 * known.n_bytes)
    if (found := sha256(data)) != known.sha256:
        raise CorpusError(
            f"{path} is not the {known.name} that is known: its sha256 is {found}, expected "
            f"{known.sha256}; remove it, so that it is fetched again"
        )
    return data
