"""Packed files and tables give the texts that went in; the damaged are named, bombs bounded."""

import gzip
import json
import sys

import pyarrow
import pyarrow.parquet
import pytest
import zstandard

from bardling.data import reading, unpacking
from bardling.data.corpora import load_corpus
from bardling.data.reading import is_text, read_documents
from bardling.errors import CorpusError, UsageError

TEXTS = ["One é.\n", "", "Two 😀 " * 500]
LINES = "\n".join(json.dumps({"text": text}) for text in TEXTS).encode()


def read(path) -> list:
    return list(read_documents(path, [].append))


def table_of(path, **columns):
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


@pytest.mark.parametrize("pack", ["gz", "gz twice", "zst", "zst twice"])
@pytest.mark.parametrize("name", ["x.jsonl", "x.txt"])
def test_what_is_packed_is_what_went_in(tmp_path, pack, name):
    squeeze = {"gz": gzip.compress, "zst": zstandard.ZstdCompressor().compress}[pack.split()[0]]
    half = len(LINES) // 2
    parts = [LINES] if " " not in pack else [LINES[:half], LINES[half:]]
    path = tmp_path / f"{name.upper()}.{pack.split()[0]}"
    path.write_bytes(b"".join(map(squeeze, parts)))
    assert is_text(path)
    expected = TEXTS if "jsonl" in name else [LINES.decode()]
    assert read(path) == expected


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_many_small_parts_take_time_in_proportion(tmp_path, suffix):
    squeeze = {"gz": gzip.compress, "zst": zstandard.ZstdCompressor().compress}[suffix]
    path = tmp_path / f"x.txt.{suffix}"
    path.write_bytes(squeeze(b"word ") * 30_000)
    assert read(path) == ["word " * 30_000]
    if suffix == "gz":
        path.write_bytes(gzip.compress(b"padded") + bytes(512))
        assert read(path) == ["padded"]


def test_a_table_gives_its_column_of_texts(tmp_path):
    path = tmp_path / "part-0.parquet"
    table_of(path, n=[1, 2, 3], text=TEXTS)
    assert read(path) == TEXTS
    (tmp_path / "a.md").write_text("before")
    notes = []
    corpus = load_corpus(str(tmp_path), note=notes.append)
    assert corpus.documents == ("before", TEXTS[0], TEXTS[2])
    assert notes == [f"{path}: 1 empty document(s) left out"]


def test_tables_without_texts_are_refused(tmp_path):
    path = tmp_path / "x.parquet"
    table_of(path, body=TEXTS)
    with pytest.raises(CorpusError, match="no column 'text'; its columns are body"):
        read(path)
    array = pyarrow.Array.from_buffers(
        pyarrow.string(), 1, [None, *map(pyarrow.py_buffer, (b"\0\0\0\0\2\0\0\0", b"\xff\xfe"))]
    )
    table_of(path, text=array)
    with pytest.raises(CorpusError, match=r"x\.parquet is damaged"):
        read(path)
    table_of(path, text=["a", None])
    with pytest.raises(CorpusError, match="row 2 has no text: found 'None'"):
        read(path)
    data = path.read_bytes()
    for damaged in (b"", b"PAR1", data[:-9], data[:40] + b"x" * 40 + data[80:]):
        path.write_bytes(damaged)
        with pytest.raises(CorpusError, match=r"x\.parquet"):
            read(path)


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_damaged_packs_are_refused_by_name(tmp_path, suffix):
    squeeze = {"gz": gzip.compress, "zst": zstandard.ZstdCompressor().compress}[suffix]
    path, data = tmp_path / f"x.txt.{suffix}", squeeze(LINES)
    for damaged in (data[:-5], data[: len(data) // 2], b"plain text", data + b"more"):
        path.write_bytes(damaged)
        with pytest.raises(CorpusError, match=rf"x\.txt\.{suffix} cannot be unpacked"):
            read(path)


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_a_small_file_cannot_fill_the_memory(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(unpacking, "DEFAULT_LIMIT", 2**20)
    squeeze = {"gz": gzip.compress, "zst": zstandard.ZstdCompressor().compress}[suffix]
    path = tmp_path / f"x.txt.{suffix}"
    path.write_bytes(squeeze(b"x" * 2**20))
    assert len(read(path)[0]) == 2**20
    for bomb in (squeeze(b"x" * 2**24), squeeze(b"x" * 2**19) * 3):
        path.write_bytes(bomb)
        with pytest.raises(CorpusError, match="unpacks to more than 1,048,576 bytes"):
            read(path)


def test_nor_can_a_table(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "DEFAULT_LIMIT", 2**20)
    table_of(tmp_path / "x.parquet", text=["x" * 1000] * 4000)  # by a dictionary, in 1 KB or so
    with pytest.raises(CorpusError, match="unpacks to more than 1,048,576 characters"):
        read(tmp_path / "x.parquet")


def test_without_the_library_its_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "x.txt.zst").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(
        UsageError, match=r"a \.zst file needs zstandard: pip install 'bardling\[data"
    ):
        read(tmp_path / "x.txt.zst")
