"""Documents in files: plain text, one JSON object a line, tables in parquet, compressed or not.

Files are read in a stream, strictly, and kept as they are, line ends included: what is damaged is
refused with its place, and what is merely unusual is noted. A plain text that is too long to be
held is given as a `LongFile`, which is read as often as it is asked for.
"""

import codecs
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import TypeGuard

from bardling.data.unpacking import CHUNK_BYTES, COMPRESSIONS, open_plain
from bardling.errors import CorpusError, StorageError
from bardling.extras import optional
from bardling.storage import DEFAULT_LIMIT, Json, atomic_file, open_file, parse_json_text
from bardling.text.lots import Text, whole
from bardling.text.tokenizer import END_TOKEN

SUFFIXES = (".txt", ".md", ".jsonl", ".parquet")
COLUMN = "text"
"""The field of a JSON object, and the column of a table, that holds the text."""
LONG_CHARACTERS = 2**26
"""From here on a plain text is not held in memory."""

Note = Callable[[str], None]

_ROWS = 1024  # of a table, unpacked at once
_LINE_BYTES = 2**28
_HALVES = re.compile("[\ud800-\udfff]")  # of surrogate pairs, which no UTF-8 can hold
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


def read_documents(file: Path, note: Note, *, column: str = COLUMN) -> Iterator[Text]:
    """Yield the documents of one file, empty ones too; `note` hears what is unusual.

    Raises `CorpusError` with file and place for what is damaged.
    """
    kind = _kind(file)
    if kind == ".parquet":
        yield from _rows(file, column)
    elif kind == ".jsonl":
        yield from _objects(file, note, column)
    else:
        yield _text(file, note)


def _text(file: Path, note: Note) -> Text:
    """Return a plain text, held in memory unless it is long."""
    held: list[str] = []
    n_held = 0
    for chunk in _decoded(file, note):
        held.append(chunk)
        n_held += len(chunk)
        if n_held >= LONG_CHARACTERS:
            return LongFile(path=file, note=note)
    return "".join(held)


def file_size(file: Path) -> int:
    """Return the number of bytes of a regular file."""
    with open_file(file) as opened:
        return opened.seek(0, 2)


def write_jsonl(path: Path, documents: Iterable[Text]) -> int:
    """Write documents, each as a JSON object on a line of its own; return how many there are."""
    n_documents = 0
    with atomic_file(path) as file:
        for text in documents:
            n_documents += 1
            file.write(json.dumps({COLUMN: whole(text)}, ensure_ascii=False).encode() + b"\n")
    return n_documents


@dataclass(frozen=True, kw_only=True, eq=False)
class LongFile:
    """A plain text, or a part of it, that is read anew whenever it is asked for."""

    path: Path
    note: Note
    start: int = 0
    """Its first character in the file."""
    stop: int | None = None
    """The character after its last; None for the end of the file."""

    def chunks(self) -> Iterator[str]:
        """Yield the text, about a million characters at a time."""
        place = 0
        for chunk in _decoded(self.path, self.note):
            part = chunk[max(0, self.start - place) : _none_or(self.stop, place)]
            if part:
                yield part
            place += len(chunk)
            if self.stop is not None and place >= self.stop:
                return

    @cached_property
    def n_characters(self) -> int:
        """The number of characters, found by reading all of them."""
        return sum(map(len, self.chunks()))


def first_characters(texts: Iterable[Text], n_characters: int) -> Iterator[Text]:
    """Yield texts until they have so many characters; the last is cut there."""
    for text in texts:
        if isinstance(text, LongFile):
            end = text.start + n_characters
            cut = replace(text, stop=end if text.stop is None else min(end, text.stop))
            yield cut
            n_characters -= cut.n_characters  # asked for only where there is another text
        else:
            held = whole(text)
            yield held[:n_characters]
            n_characters -= len(held)
        if n_characters <= 0:
            return


def _none_or(stop: int | None, place: int) -> int | None:
    return None if stop is None else max(0, stop - place)


def _decoded(file: Path, note: Note) -> Iterator[str]:
    """Yield strict UTF-8 in chunks, without its byte order mark."""
    oddities = _Oddities()
    decoder = codecs.getincrementaldecoder("utf-8")()
    place = 0
    with open_plain(file) as plain:
        while data := plain.read(CHUNK_BYTES):
            n_mark = 0 if place else _mark(file, data, note)
            text = _decode(file, data[n_mark:], place + n_mark, decoder)
            oddities.look_at(text)
            yield text
            place += len(data)
        _decode(file, b"", place, decoder, final=True)
    oddities.tell(file, note)


def _mark(file: Path, data: bytes, note: Note) -> int:
    """Return the length of the byte order mark of UTF-8 that a file begins with, if it does."""
    for mark, encoding in _OTHER_BOMS.items():
        if data.startswith(mark):
            raise CorpusError(
                f"{file} is {encoding}, UTF-8 was expected: "
                f"convert it with 'iconv -f {encoding} -t UTF-8'"
            )
    if not data.startswith(_UTF8_BOM):
        return 0
    note(f"{file}: the byte order mark at its start was dropped")
    return len(_UTF8_BOM)


def _decode(
    file: Path, data: bytes, place: int, decoder: codecs.IncrementalDecoder, *, final: bool = False
) -> str:
    """Decode what follows in a file, where `place` bytes went before."""
    waiting = len(decoder.getstate()[0])
    try:
        return decoder.decode(data, final)
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{file} is not UTF-8: byte {place - waiting + error.start:,} is "
            f"0x{error.object[error.start]:02x}, convert the file or repair it there"
        ) from error


class _Oddities:
    """What is unusual in a text, which is kept as it is."""

    def __init__(self) -> None:
        self.n_characters = self.n_nul = self.first_nul = self.n_crlf = self.n_cr = self.n_ends = 0
        self._after_cr, self._before = False, ""

    def look_at(self, text: str) -> None:
        """Count in the next part of the text."""
        n_nul = text.count("\0")
        if n_nul and not self.n_nul:
            self.first_nul = self.n_characters + text.index("\0")
        self.n_nul += n_nul
        if "\r" in text or self._after_cr:
            self.n_crlf += text.count("\r\n") + (self._after_cr and text.startswith("\n"))
            self.n_cr += text.count("\r")
        self._after_cr = text.endswith("\r")
        self.n_ends += (self._before + text).count(END_TOKEN)
        self._before = text[1 - len(END_TOKEN) :]
        self.n_characters += len(text)

    def tell(self, file: Path, note: Note) -> None:
        """Say what was found."""
        if self.n_nul:
            note(f"{file}: {self.n_nul} NUL kept, the first at character {self.first_nul:,}")
        if self.n_ends:
            note(
                f"{file}: {self.n_ends:,} '{END_TOKEN}' kept and read as text; to part "
                f"documents by it: bardling data clean {quote(str(file))} --separator '{END_TOKEN}'"
            )
        if self.n_cr:
            alone = self.n_cr - self.n_crlf
            note(f"{file}: line ends kept as they are, {self.n_crlf:,} CRLF and {alone:,} CR alone")


def read_objects(file: Path, note: Note) -> Iterator[tuple[int, Json]]:
    """Yield what stands in the lines of a .jsonl file that are not blank, each with its number."""
    place = 0
    with open_plain(file) as plain:
        number = 0
        while line := plain.readline(_LINE_BYTES + 1):
            number += 1
            if len(line) > _LINE_BYTES:
                raise CorpusError(f"{file} line {number:,} is longer than {_LINE_BYTES:,} bytes")
            n_mark = 0 if place else _mark(file, line, note)
            text = _decode_line(file, line[n_mark:], place + n_mark)
            if not text.isspace():
                yield number, _parse_line(file, number, text)
            place += len(line)


def _objects(file: Path, note: Note, column: str) -> Iterator[str]:
    """Yield the texts of a .jsonl file, line by line."""
    for number, value in read_objects(file, note):
        text = value.get(column) if isinstance(value, dict) else None
        if not is_plain(text):
            raise CorpusError(
                f"{file} line {number:,} has no '{column}' that is text: "
                f'an object like {{"{column}": "..."}} was expected'
            )
        yield text


def is_plain(text: Json) -> TypeGuard[str]:
    """Tell whether a value is text that UTF-8 can hold."""
    return isinstance(text, str) and (text.isascii() or not _HALVES.search(text))


def _decode_line(file: Path, line: bytes, place: int) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:  # which is told with its place in the file
        decoder = codecs.getincrementaldecoder("utf-8")()
        return _decode(file, line, place, decoder, final=True)


def _parse_line(file: Path, number: int, line: str) -> Json:
    """Return what one line of a .jsonl file holds."""
    try:
        return parse_json_text(line, "it")
    except StorageError as error:
        raise CorpusError(f"{file} line {number:,} cannot be read: {error}") from error


def _rows(file: Path, column: str) -> Iterator[str]:
    """Yield the column of texts of a parquet file, some rows at a time."""
    parquet = optional("pyarrow.parquet", "data", "a .parquet file")
    arrow = optional("pyarrow", "data", "a .parquet file")
    number = size = 0
    with open_file(file) as opened:
        try:
            table = parquet.ParquetFile(opened)
            if column not in table.schema_arrow.names:
                names = ", ".join(table.schema_arrow.names[:8])
                raise CorpusError(f"{file} has no column {column!r}; its columns are {names}")
            for batch in table.iter_batches(batch_size=_ROWS, columns=[column]):
                for cell in batch.column(0):  # one by one: a dictionary may stand for gigabytes
                    text = cell.as_py()
                    number += 1
                    if not isinstance(text, str):
                        found = repr(str(text)[:60])
                        raise CorpusError(f"{file} row {number:,} has no text: found {found}")
                    size += len(text)
                    if size > DEFAULT_LIMIT:
                        raise CorpusError(
                            f"{file} unpacks to more than {DEFAULT_LIMIT:,} characters: cut it "
                            "into parts"
                        )
                    yield text
        except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
            raise CorpusError(f"{file} is damaged, or no parquet file: {error}") from error
