"""What the hub sends: bounded in size and time, kept piece by piece, so that a cut costs little.

`huggingface_hub` gives the connection and the token. Its own download (2.4) is not used: it
starts again in every call, waits for the end of a body of any length before it looks at the size,
and lists without a time-out. Which files are wanted, and where they belong, is left to `hub`.
"""

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from bardling.errors import CorpusError, StorageError, UsageError
from bardling.extras import optional
from bardling.storage import Json, atomic_file, parse_json, read_bytes, write_bytes

TIMEOUT_SECONDS = 20.0
"""How long the hub may say nothing."""
PATIENCE_SECONDS = 300.0
"""How long an answer may take, and so much more as its bytes need at the slowest speed."""
SLOWEST_BYTES_PER_SECOND = 20_000
PIECE_BYTES = 2**24
"""So much is held in memory, then kept on the disk, from where a later try goes on."""
PAGE_BYTES = 2**26

_PURPOSE = "a corpus of the Hugging Face hub"
_DAMAGED = "nothing of it was kept, try again later or choose another revision"


class Unreachable(Exception):
    """The hub gave no answer, or not the one that was asked for."""


class Missing(Exception):
    """The hub has no such repository, revision or file."""


def hub_library(module: str = "huggingface_hub") -> Any:
    """Return `huggingface_hub` or a module of it."""
    return optional(module, "data", _PURPOSE)


def endpoint() -> str:
    """Return the address of the hub, which HF_ENDPOINT may change."""
    url = (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
    if not re.fullmatch(r"https?://[\w.-]+(:\d{1,5})?(/[\w./-]*)?", url, re.ASCII):
        raise UsageError(
            f"HF_ENDPOINT is {url!r}: an address like https://huggingface.co is needed"
        )
    return url


def get_json(url: str) -> tuple[Json, str | None]:
    """Return what the hub answers, and the address of the next page, if there is one.

    Raises Unreachable also for what is no JSON, as a network's page for signing in.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    data = bytearray()
    with _get(url, {}) as response:
        for chunk in response.iter_raw():
            data += chunk
            if len(data) > PAGE_BYTES or time.monotonic() > deadline:
                raise Unreachable("its answer had no end")
        link = response.links.get("next", {}).get("url")
    following = urljoin(url, link) if link else None
    if following and urlsplit(following)[:2] != urlsplit(url)[:2]:
        raise Unreachable("its list goes on at another address")
    try:
        return parse_json(bytes(data), "its answer"), following
    except StorageError as error:
        raise Unreachable(str(error)) from error


@contextmanager
def _get(url: str, headers: dict[str, str]) -> Iterator[Any]:
    """Open `url`, which may lead on to other http and https addresses, but to nothing else."""
    for name in filter(_is_set, ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")):
        raise Unreachable(f"{name} is set")
    library, errors = hub_library(), hub_library("huggingface_hub.errors")
    try:
        if (token := library.get_token()) and not _is_set("HF_HUB_DISABLE_IMPLICIT_TOKEN"):
            headers = headers | {"Authorization": f"Bearer {token}"}
        with library.get_session().stream(
            "GET",
            url,
            headers=headers | {"Accept-Encoding": "identity"},
            timeout=TIMEOUT_SECONDS,
            follow_redirects=True,
        ) as response:
            _require_success(response)
            yield response
    except (errors.HTTPError, OSError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise Unreachable(reason) from error


def _is_set(name: str) -> bool:
    return os.environ.get(name, "").upper() in {"1", "ON", "YES", "TRUE"}


def _require_success(response: Any) -> None:
    """Sort the hub's refusals: it answers 401 also for what is not there, to those unknown."""
    status, code = response.status_code, response.headers.get("X-Error-Code", "")
    if status in (401, 403):
        raise CorpusError(
            f"the hub answered {status} for {urlsplit(str(response.url)).path}: it is private, "
            "gated or not there; check its name, accept its terms on the hub and set HF_TOKEN"
        )
    if status == 404:
        raise Missing(code or "404")
    if status not in (200, 206):
        raise Unreachable(f"it answered {status}")


def download_pieces(
    url: str,
    path: Path,
    *,
    n_bytes: int,
    digest: Any,
    expected: str,
    heard: Callable[[int, int], None],
) -> None:
    """Fetch `n_bytes`, and give them the name `path` once `digest` (of hashlib) is `expected`.

    What arrived before a cut is kept beside it, and the next try asks for the rest. Raises
    Unreachable after a try that brought nothing, CorpusError for other bytes than expected.
    """
    pieces = path.with_name(f"{path.name}.pieces")
    done = _kept(pieces, n_bytes)
    free = shutil.disk_usage(_nearest_folder(path)).free
    if free < (needed := n_bytes - done + PIECE_BYTES):
        raise CorpusError(
            f"{url} needs {needed:,} bytes and {path.parent} has {free:,} left: make room, or set "
            "HF_HUB_CACHE to a folder on a larger disk"
        )
    deadline = time.monotonic() + PATIENCE_SECONDS + n_bytes / SLOWEST_BYTES_PER_SECOND
    while done < n_bytes:
        try:
            _add_pieces(url, pieces, done, n_bytes, deadline, heard)
            reason = f"it sent {_kept(pieces, n_bytes):,} of {n_bytes:,} bytes"
        except Unreachable as error:
            reason = str(error)
        before, done = done, _kept(pieces, n_bytes)
        if done <= before:
            raise Unreachable(reason)
    with atomic_file(path) as file:
        for piece in _pieces(pieces):
            data = read_bytes(piece)
            digest.update(data)
            file.write(data)
            piece.unlink()  # so that the disk never holds the file twice
        shutil.rmtree(pieces, ignore_errors=True)
        if (found := digest.hexdigest()) != expected:
            raise CorpusError(
                f"{url} is damaged, its hash is {found}, expected {expected}: {_DAMAGED}"
            )


def _add_pieces(
    url: str,
    pieces: Path,
    done: int,
    n_bytes: int,
    deadline: float,
    heard: Callable[[int, int], None],
) -> None:
    """Ask for what follows the first `done` bytes and keep it, also when it is cut."""
    held = bytearray()
    with _get(url, {"Range": f"bytes={done}-"} if done else {}) as response:
        sent_from = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if done and not (response.status_code == 206 and sent_from and int(sent_from[1]) == done):
            shutil.rmtree(pieces)  # it sends the whole again
            done = 0
        try:
            for chunk in response.iter_raw():
                held += chunk
                if done + len(held) > n_bytes:
                    held.clear()
                    shutil.rmtree(pieces, ignore_errors=True)
                    raise CorpusError(
                        f"{url} is damaged, it has more than {n_bytes:,} bytes: {_DAMAGED}"
                    )
                heard(done + len(held), n_bytes)
                if time.monotonic() > deadline:
                    raise CorpusError(
                        f"{url} is too slow: {done + len(held):,} of {n_bytes:,} bytes are kept, "
                        "try again on a faster line"
                    )
                if len(held) >= PIECE_BYTES:
                    done += _keep(pieces, done, held)
        finally:
            _keep(pieces, done, held)


def _keep(pieces: Path, done: int, held: bytearray) -> int:
    """Write what is held as the piece that begins at `done`, and return how much it was."""
    n_held = len(held)
    if n_held:
        write_bytes(pieces / f"{done:015d}", bytes(held))
        held.clear()
    return n_held


def _pieces(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]" * 15))


def _kept(pieces: Path, n_bytes: int) -> int:
    """Return how many bytes from the start are there; pieces that do not fit are removed."""
    done = 0
    for piece in _pieces(pieces):
        done += piece.stat().st_size if int(piece.name) == done else n_bytes + 1
    if done > n_bytes:
        shutil.rmtree(pieces)
        return 0
    return done


def _nearest_folder(path: Path) -> Path:
    """Return the first folder above `path` that is there."""
    return next(parent for parent in path.parents if parent.is_dir())
