"""One known file from the network: bounded in size and time, checked, then put in its place.

Only the exact bytes whose hash is known ever get their name on the disk. Which files exist and
where they are looked for first is left to `corpora`.
"""

import time
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    UnknownHandler,
)

from bardling.errors import CorpusError
from bardling.storage import sha256, write_bytes

_CHUNK_BYTES = 2**16


def _http_only() -> OpenerDirector:
    """Return an opener that a redirect cannot lead anywhere but to http and https."""
    opener = OpenerDirector()
    for handler in (
        *(ProxyHandler(), HTTPHandler(), HTTPSHandler(), HTTPRedirectHandler()),
        *(HTTPErrorProcessor(), HTTPDefaultErrorHandler(), UnknownHandler()),
    ):
        opener.add_handler(handler)
    return opener


def download(
    url: str,
    path: Path,
    *,
    n_bytes: int,
    sha256_expected: str,
    timeout_seconds: float = 20.0,
    total_seconds: float = 300.0,
) -> bytes:
    """Fetch `n_bytes` with the hash `sha256_expected` from `url`, keep them at `path`, return them.

    Never reads more than one chunk beyond `n_bytes`, and never waits longer than
    `timeout_seconds` for the next bytes or `total_seconds` for all. Raises CorpusError that
    says where to put the file by hand.
    """
    try:
        data = _fetch(url, n_bytes, timeout_seconds, total_seconds)
        if len(data) != n_bytes:
            much = "more than" if len(data) > n_bytes else f"{len(data):,} of"
            raise CorpusError(f"it sent {much} {n_bytes:,} bytes")
        if (found := sha256(data)) != sha256_expected:
            raise CorpusError(f"its sha256 is {found}, expected {sha256_expected}")
    except (OSError, HTTPException, ValueError, CorpusError) as error:
        if isinstance(error, HTTPError):
            error.close()
        raise CorpusError(
            f"could not download {url} ({error}): put the file at {path} by hand, "
            f"{n_bytes:,} bytes with sha256 {sha256_expected}"
        ) from error
    write_bytes(path, data)
    return data


def _fetch(url: str, n_bytes: int, timeout_seconds: float, total_seconds: float) -> bytes:
    """Return what `url` sends, cut off soon after `n_bytes`."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise CorpusError("only http and https are downloaded")
    deadline = time.monotonic() + total_seconds
    data = bytearray()
    with _http_only().open(url, timeout=timeout_seconds) as response:
        while len(data) <= n_bytes and (chunk := response.read1(_CHUNK_BYTES)):
            data += chunk
            if time.monotonic() > deadline:
                raise CorpusError(f"it took longer than {total_seconds:g} seconds")
    return bytes(data)
