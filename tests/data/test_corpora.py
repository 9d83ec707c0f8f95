"""Corpora are read strictly: damaged text is refused with its place, odd text is noted."""

import json
import os
from dataclasses import replace

import pytest

from bardling.data import corpora, known
from bardling.data.corpora import Corpus, load_corpus
from bardling.data.stories.corpus import stories
from bardling.data.sums import sums
from bardling.errors import CorpusError, StorageError, UsageError
from bardling.storage import sha256


def load(path, notes: list[str] | None = None) -> Corpus:
    return load_corpus(str(path), note=[].append if notes is None else notes.append)


def test_a_file_is_one_document(tmp_path):
    path = tmp_path / "my text.txt"
    path.write_bytes("é\nno final newline".encode())
    corpus = load(path)
    assert corpus == Corpus(name="my text", documents=("é\nno final newline",))
    assert (corpus.n_characters, corpus.n_bytes) == (18, 19)


def test_a_folder_is_read_in_sorted_order(tmp_path):
    files = {"b.txt": "b", "a/z.MD": "z", "a/c.jsonl": '{"text": "1"}\n\n{"text": "2", "n": 1}\n'}
    for name, text in (files | {".hidden/x.txt": "x", "x.py": "x", "empty.txt": ""}).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "loop").symlink_to(tmp_path)
    notes = []
    corpus = load(tmp_path, notes)
    assert corpus.documents == ("1", "2", "z", "b")
    assert corpus.name == tmp_path.name
    assert notes == [f"{tmp_path}/empty.txt: 1 empty document(s) left out"]


def test_oddities_are_kept_and_noted(tmp_path):
    path = tmp_path / "odd.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\nthree\rfour\nfi\0ve\0")
    notes = []
    corpus = load(path, notes)
    assert corpus.documents == ("one\r\ntwo\r\nthree\rfour\nfi\0ve\0",)
    assert notes == [
        f"{path}: the byte order mark at its start was dropped",
        f"{path}: 2 NUL kept, the first at character 23",
        f"{path}: line ends kept as they are, 2 CRLF and 1 CR alone",
    ]


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"caf\xe9!", "is not UTF-8: byte 3 is 0xe9"),
        (b"\xef\xbb\xbfabc\xff", "is not UTF-8: byte 6 is 0xff"),
        (b"cut \xe2\x82", "is not UTF-8: byte 4 is 0xe2"),
        (b"\xed\xa0\x80", "is not UTF-8: byte 0"),
        ("é".encode("utf-16"), "is UTF-16, .*iconv"),
        (b"\xfe\xff\x00a", "is UTF-16"),
        ("é".encode("utf-32"), "is UTF-32"),
        (b"\x00\x00\xfe\xff\x00\x00\x00a", "is UTF-32"),
    ],
)
def test_damaged_text_is_refused_with_its_place(tmp_path, data, reason):
    (tmp_path / "my.txt").write_bytes(data)
    with pytest.raises(CorpusError, match=f"my.txt {reason}"):
        load(tmp_path / "my.txt")


@pytest.mark.parametrize(
    "line",
    ["{", "[]", '"text"', '{"txt": "a"}', '{"text": 1}', '{"text": "\\ud800"}', "[" * 100_000],
)
def test_a_bad_line_is_named(tmp_path, line):
    (tmp_path / "my.jsonl").write_text('{"text": "\u2028 is no line end"}\n' + line + "\n")
    with pytest.raises(CorpusError, match=r"my\.jsonl line 2 "):
        load(tmp_path / "my.jsonl")


def test_nothing_hangs_and_nothing_is_guessed(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    for path in (tmp_path / "pipe.txt", tmp_path):
        with pytest.raises(StorageError, match=r"pipe\.txt is a folder, pipe or device"):
            load(path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(CorpusError, match=r"folder holds no \.txt, \.md, \.jsonl, \.parquet file"):
        load(tmp_path / "folder")


def test_a_line_of_many_megabytes_is_only_text(tmp_path):
    (tmp_path / "long.txt").write_bytes(b"x" * 50_000_000)
    assert load(tmp_path / "long.txt").n_bytes == 50_000_000


@pytest.mark.parametrize(
    "name, hint", [("shakespear", "did you mean 'shakespeare'"), ("?", "sums")]
)
def test_an_unknown_name_is_refused(name, hint):
    with pytest.raises(
        UsageError, match=f"shakespeare, stories, sums or .*{hint}|shakespeare, stories, sums"
    ):
        load(name)
    with pytest.raises(UsageError):
        load("x" * 5000)


def test_stories_are_made_by_the_package_as_many_as_wanted():
    corpus = load("stories:30")
    assert corpus.documents == stories(0, 30) and corpus.name == "stories"
    assert corpus.held_out(4) == stories(0, 4, split="val")
    assert load("stories:1,000").documents[:30] == corpus.documents


@pytest.mark.parametrize("name", ["stories:", "stories:1", "stories:-5", "stories:x", "stories:²"])
def test_a_number_of_stories_that_is_none_is_refused(name):
    with pytest.raises(UsageError, match="is no number of stories"):
        load(name)


def test_sums_is_made_by_the_package():
    assert load("sums").documents == (sums(0),)


@pytest.fixture
def small_shakespeare(monkeypatch, tmp_path):
    """Let a short text stand for Tiny Shakespeare, in places that are all below `tmp_path`."""
    text = b"Speak, speak."
    short = replace(
        corpora.SHAKESPEARE,
        n_bytes=len(text), sha256=sha256(text), url="http://127.0.0.1:9/absent",
    )  # fmt: skip
    monkeypatch.setattr(corpora, "SHAKESPEARE", short)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("BARDLING_DATA", str(tmp_path / "environment"))
    monkeypatch.setenv("no_proxy", "*")
    return text


@pytest.mark.parametrize("place", ["given", "environment", "cache/bardling"])
def test_shakespeare_is_found_where_it_may_lie(small_shakespeare, tmp_path, place):
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / "tinyshakespeare.txt").write_bytes(small_shakespeare)
    corpus = load_corpus("shakespeare", data_dir=tmp_path / "given")
    assert corpus == Corpus(name="shakespeare", documents=("Speak, speak.",))


def test_another_text_under_its_name_is_refused(small_shakespeare, tmp_path):
    path = tmp_path / "tinyshakespeare.txt"
    path.write_bytes(b"Speak, spark.")
    expected = sha256(small_shakespeare)
    with pytest.raises(
        CorpusError, match=f"{path} is not .* is {sha256(b'Speak, spark.')}, .*{expected}"
    ):
        load_corpus("shakespeare", data_dir=tmp_path)


def test_without_a_network_it_says_where_to_put_the_file(small_shakespeare, tmp_path, monkeypatch):
    monkeypatch.delenv("BARDLING_DATA")
    path = tmp_path / "cache" / "bardling" / "tinyshakespeare.txt"
    with pytest.raises(CorpusError, match=f"put the file at {path} by hand"):
        load_corpus("shakespeare")


def test_a_download_is_asked_for_the_known_bytes(small_shakespeare, tmp_path, monkeypatch):
    asked = []

    def download(url, path, *, n_bytes, sha256_expected):
        asked.append((url, path, n_bytes, sha256_expected))
        return small_shakespeare

    monkeypatch.setattr(known, "download", download)
    assert load_corpus("shakespeare").documents == ("Speak, speak.",)
    path = tmp_path / "cache" / "bardling" / "tinyshakespeare.txt"
    assert asked == [(corpora.SHAKESPEARE.url, path, 13, sha256(small_shakespeare))]


@pytest.mark.real_text
def test_the_real_shakespeare_is_the_known_one(real_text):
    corpus = load_corpus("shakespeare", data_dir=real_text)
    assert corpus.n_bytes == corpus.n_characters == 1_115_394
    assert len(set(corpus.documents[0])) == 65
    assert corpus.documents[0].startswith("First Citizen:\nBefore we proceed any further")


def test_jsonl_text_comes_back_exactly(tmp_path):
    documents = ["é\r\n\0", "\u2028", '"quoted"']
    lines = [json.dumps({"text": text}) for text in documents]
    (tmp_path / "my.jsonl").write_bytes("\r\n".join(lines).encode())
    assert load(tmp_path / "my.jsonl").documents == tuple(documents)
