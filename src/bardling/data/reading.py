"""Documents in files: plain text, one JSON object a line, tables in parquet, compressed or not.

Files are read strictly and kept as they are, line ends included: what is damaged is refused with
its place, and what is merely unusual is said in the notes. What is packed is unpacked up to a
limit, so that a small file cannot fill the memory.
"""

import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from bardling.errors import CorpusError, StorageError
from bardling.extras import optional
from bardling.storage import DEFAULT_LIMIT, atomic_file, parse_json, read_bytes

SUFFIXES = (".txt", ".md", ".jsonl", ".parquet")
COLUMN = "text"
"""The field of a JSON object, and the column of a table, that holds the text."""

_UTF8_BOM = b"\xef\xbb\xbf"
_OTHER_BOMS = {  # UTF-32 first: its little-endian mark begins with that of UTF-16
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


def is_text(path: Path) -> bool:
    """Tell by its name whether a file is one of those that are read, compressed or not."""
    return _kind(path) in SUFFIXES


def _kind(path: Path) -> str:
    """Return the suffix that tells what is in a file, without that of its compression."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix in COMPRESSIONS else suffix


def read_documents(file: Path, notes: list[str]) -> list[str]:
    """Return the documents of one file, empty ones too, and add to `notes`.

    Raises `CorpusError` with file and place for what is damaged.
    """
    kind, data = _kind(file), _plain(file, read_bytes(file))
    if kind == ".parquet":
        return _rows(file, data)
    text = _decode(file, data, notes)
    if kind == ".jsonl":
        lines = enumerate(text.split("\n"), start=1)
        return [_parse_line(file, number, line) for number, line in lines if line.strip()]
    _note_oddities(file, text, notes)
    return [text]


def write_jsonl(path: Path, documents: Iterable[str]) -> None:
    """Write documents, each as a JSON object on a line of its own."""
    with atomic_file(path) as file:
        for text in documents:
            file.write(json.dumps({COLUMN: text}, ensure_ascii=False).encode() + b"\n")


def _decode(file: Path, data: bytes, notes: list[str]) -> str:
    """Decode strict UTF-8, without its byte order mark."""
    for mark, encoding in _OTHER_BOMS.items():
        if data.startswith(mark):
            raise CorpusError(
                f"{file} is {encoding}, UTF-8 was expected: "
                f"convert it with 'iconv -f {encoding} -t UTF-8'"
            )
    n_mark = len(_UTF8_BOM) if data.startswith(_UTF8_BOM) else 0
    if n_mark:
        notes.append(f"{file}: the byte order mark at its start was dropped")
    try:
        return data[n_mark:].decode("utf-8")
    except UnicodeDecodeError as error:
        position = n_mark + error.start
        raise CorpusError(
            f"{file} is not UTF-8: byte {position:,} is 0x{data[position]:02x}, "
            "convert the file or repair it there"
        ) from error


def _note_oddities(file: Path, text: str, notes: list[str]) -> None:
    """Say what is unusual in `text`, which is kept as it is."""
    if n_nul := text.count("\0"):
        notes.append(f"{file}: {n_nul} NUL kept, the first at character {text.index(chr(0)):,}")
    n_crlf = text.count("\r\n")
    n_cr = text.count("\r") - n_crlf
    if n_crlf or n_cr:
        notes.append(f"{file}: line ends kept as they are, {n_crlf:,} CRLF and {n_cr:,} CR alone")


def _parse_line(file: Path, number: int, line: str) -> str:
    """Return the text of one line of a .jsonl file."""
    try:
        value = parse_json(line.encode("utf-8"), "it")
    except StorageError as error:
        raise CorpusError(f"{file} line {number:,} cannot be read: {error}") from error
    match value:
        case {"text": str(text)} if not re.search("[\ud800-\udfff]", text):
            return text
    raise CorpusError(
        f"{file} line {number:,} has no 'text' that is text: "
        'an object like {"text": "..."} was expected'
    )


def _plain(file: Path, data: bytes) -> bytes:
    """Return what a file holds, unpacked if its name says that it is packed."""
    unpack = COMPRESSIONS.get(file.suffix.lower())
    if unpack is None:
        return data
    try:
        found = unpack(data, DEFAULT_LIMIT)
    except _Damaged as error:
        raise CorpusError(f"{file} cannot be unpacked: {error}") from error
    if len(found) > DEFAULT_LIMIT:
        raise CorpusError(f"{file} unpacks to more than {DEFAULT_LIMIT:,} bytes: cut it into parts")
    return found


class _Damaged(Exception):
    """Packed data are cut short or are not what their name says."""


def _gunzip(data: bytes, limit: int) -> bytes:
    """Unpack gzip (RFC 1952) to a little more than `limit`."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            return file.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _Damaged(str(error)) from error


def _unzstd(data: bytes, limit: int) -> bytes:
    """Unpack Zstandard (RFC 8878), frame by frame, to a little more than `limit`."""
    library = optional("zstandard", "data", "a .zst file")
    found = bytearray()
    place, frame = 0, None
    while place < len(data) and len(found) <= limit:
        frame = frame or library.ZstdDecompressor().decompressobj()
        step = data[place : place + _STEP]
        try:
            found += frame.decompress(step)
        except library.ZstdError as error:
            raise _Damaged(str(error)) from error
        place += len(step)
        if frame.eof:
            place -= len(frame.unused_data)
            frame = None
    if frame is not None and len(found) <= limit:
        raise _Damaged("it is cut short")
    return bytes(found)


def _rows(file: Path, data: bytes) -> list[str]:
    """Return the column of texts of a parquet file."""
    parquet = optional("pyarrow.parquet", "data", "a .parquet file")
    arrow = optional("pyarrow", "data", "a .parquet file")
    try:
        table = parquet.ParquetFile(io.BytesIO(data))
        if COLUMN not in table.schema_arrow.names:
            names = ", ".join(table.schema_arrow.names[:8])
            raise CorpusError(f"{file} has no column {COLUMN!r}; its columns are {names}")
        found: list[Any] = []
        size = 0
        for batch in table.iter_batches(batch_size=_ROWS, columns=[COLUMN]):
            found += batch.column(0).to_pylist()
            size += batch.nbytes
            if size > DEFAULT_LIMIT:
                raise CorpusError(f"{file} unpacks to more than {DEFAULT_LIMIT:,} bytes")
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{file} is damaged, or no parquet file: {error}") from error
    for number, text in enumerate(found, start=1):
        if not isinstance(text, str):
            raise CorpusError(f"{file} row {number:,} has no text: found {str(text)[:60]!r}")
    return found


_ROWS = 1024  # of a table, unpacked at once
_STEP = 2**12  # packed bytes taken at once: at worst, four of them are a block of 128 KiB
COMPRESSIONS: dict[str, Callable[[bytes, int], bytes]] = {".gz": _gunzip, ".zst": _unzstd}
