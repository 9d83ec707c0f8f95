"""Hostile text is handled by a policy: refused with file and place, or kept exactly and told.

From a file to tokens and back, for every kind of file; nothing hangs, and nothing is guessed.
"""

import gzip
import json
import os
import signal
import socket
from pathlib import Path

import pytest
from promises import Protection

from bardling.data.config import DataConfig
from bardling.data.prepare import prepare
from bardling.data.token_folder import SPLITS
from bardling.errors import BardlingError
from bardling.text.bpe import BPETokenizer
from bardling.text.tokenizer_file import save_tokenizer
from imitated_hub import parquet

PROTECTIONS = (
    Protection(
        file="data/reading.py",
        line='_decode(file, b"", place, decoder, final=True)',
        broken="pass",
        test="test_bad_utf8_is_refused_with_its_byte[half a character-False]",
    ),
    Protection(
        file="data/reading.py",
        line="oddities.tell(file, note)",
        broken="pass",
        test="test_what_is_odd_is_kept_exactly_and_told[NUL-char]",
    ),
    Protection(
        file="data/reading.py",
        line="return len(_UTF8_BOM)",
        broken="return 0",
        test="test_what_is_odd_is_kept_exactly_and_told[mark-char]",
    ),
)
BOM = b"\xef\xbb\xbf"
LONG = 50_000_000


@pytest.fixture(autouse=True)
def in_time():
    """End a test that hangs."""

    def stop(*_):
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def tokens_say(path: Path, tokenizer: str = "char", **settings) -> tuple[str, list[str]]:
    """Return what all tokens of a corpus say, and what was told."""
    notes: list[str] = []
    config = DataConfig(corpus=str(path), tokenizer=tokenizer, **settings)
    found = prepare(config, data_dir=None, note=notes.append)
    parts = [found.tokenizer.decode(found.beginning(split, 10**9)) for split in SPLITS]
    return "".join(parts), notes


def refused(path: Path, **settings) -> str:
    with pytest.raises(BardlingError) as caught:
        tokens_say(path, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


TEXT = b"one tale\n" * 20
BAD = {
    "half a character": (b"\xc3", f"byte {len(TEXT):,} is 0xc3"),
    "a lone byte": (b"\xff more", f"byte {len(TEXT):,} is 0xff"),
    "too long a form": (b"\xc0\x80", f"byte {len(TEXT):,} is 0xc0"),
    "half a surrogate pair": (b"\xed\xa0\x80", f"byte {len(TEXT):,} is 0xed"),
    "beyond the last": (b"\xf4\x90\x80\x80", f"byte {len(TEXT):,} is 0xf4"),
    "latin 1": ("café".encode("latin-1"), f"byte {len(TEXT) + 3:,} is 0xe9"),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", BAD)
def test_bad_utf8_is_refused_with_its_byte(tmp_path, name, packed):
    data, said = BAD[name]
    path = tmp_path / ("bad.txt.gz" if packed else "bad.txt")
    path.write_bytes(gzip.compress(TEXT + data) if packed else TEXT + data)
    assert f"{path} is not UTF-8: {said}" in refused(path)
    assert f"{path} is not UTF-8: {said}" in refused(path, unknown="skip")  # that is for characters


def test_bad_utf8_in_a_line_of_json_has_its_byte_in_the_file(tmp_path):
    path = tmp_path / "bad.jsonl"
    first = json.dumps({"text": "é is fine"}).encode() + b"\n"
    path.write_bytes(first + b'{"text": "\xff"}')
    assert f"{path} is not UTF-8: byte {len(first) + 10:,} is 0xff" in refused(path)


@pytest.mark.parametrize("tokenizer", ["char", "bpe:300"])
@pytest.mark.parametrize(
    ("data", "kept", "told"),
    [
        (BOM + TEXT, TEXT, "the byte order mark at its start was dropped"),
        (TEXT + BOM + TEXT, None, None),
        (b"one\r\ntwo\rthree\n" * 9, None, "line ends kept as they are, 9 CRLF and 9 CR alone"),
        (b"a\0b" * 20, None, "20 NUL kept, the first at character 1"),
        (TEXT[:-1], None, None),
        (b"\n" * 50 + b" \t" * 9, None, None),
        ("\u2028\u0085\u000b\ufffd\U0010ffff😀e\u0301".encode() * 9, None, None),
        (b"\x1b[31m\x07\x08\x7f" * 9, None, None),
    ],
    ids=["mark", "mark inside", "line ends", "NUL", "no end", "blank", "odd", "control"],
)
def test_what_is_odd_is_kept_exactly_and_told(tmp_path, data, kept, told, tokenizer):
    path = tmp_path / "odd.txt"
    path.write_bytes(data)
    text, notes = tokens_say(path, tokenizer)
    assert text.encode() == (data if kept is None else kept)
    assert notes == ([] if told is None else [f"{path}: {told}"])


@pytest.mark.parametrize("n", [2_000_000, pytest.param(LONG, marks=pytest.mark.sweep)])
@pytest.mark.parametrize("suffix", ["txt", "jsonl", "jsonl.gz", "parquet"])
def test_megabytes_without_a_line_end_are_one_document(tmp_path, suffix, n):
    path, text = tmp_path / f"long.{suffix}", "x" * n
    data = {
        "txt": text.encode,
        "jsonl": lambda: json.dumps({"text": text}).encode(),
        "jsonl.gz": lambda: gzip.compress(json.dumps({"text": text}).encode(), 1),
        "parquet": lambda: parquet(text),
    }[suffix]()
    path.write_bytes(data)
    config = DataConfig(corpus=str(path))
    found = prepare(config, data_dir=None, note=[].append)
    sizes = [sum(map(len, found.pieces(split))) for split in SPLITS]
    assert sizes == [int(0.9 * n), n - int(0.9 * n)]


@pytest.mark.parametrize(
    ("suffix", "data"),
    [
        ("txt", b""),
        ("txt", BOM),
        ("jsonl", b""),
        ("jsonl", b"\n \n"),
        ("txt.gz", gzip.compress(b"", mtime=0)),
    ],
)
def test_an_empty_file_is_said(tmp_path, suffix, data):
    path = tmp_path / f"empty.{suffix}"
    path.write_bytes(data)
    assert refused(path) == f"{path} is empty: a text was expected"


def make_socket(path: Path) -> None:
    os.chdir(path.parent)  # its name may have 108 bytes at most
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)


SPECIAL = {
    "pipe": os.mkfifo,
    "socket": make_socket,
    "endless device": lambda path: path.symlink_to("/dev/zero"),
    "terminal": lambda path: path.symlink_to("/dev/tty"),
    "folder": Path.mkdir,
    "link to nothing": lambda path: path.symlink_to("nothing"),
    "link to itself": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("suffix", ["txt", "jsonl", "txt.gz", "parquet"])
@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, monkeypatch, kind, suffix):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "texts"
    folder.mkdir()
    path = folder / f"x.{suffix}"
    SPECIAL[kind](path)
    for corpus in (path, folder):
        assert str(folder) in refused(corpus)


def test_characters_that_are_unknown_are_refused_with_their_place_or_counted(tmp_path):
    path = tmp_path / "known.txt"
    path.write_text("abc " * 50)
    config = DataConfig(corpus=str(path))
    known = prepare(config, data_dir=None, note=[].append).tokenizer
    save_tokenizer(known, tmp_path / "known")
    other = tmp_path / "other.txt"
    other.write_text("abc " * 25 + "é\0" + "abc " * 25)
    settings = {"tokenizer": str(tmp_path / "known")}
    assert "other: 'é' (U+00E9) at position 100 of the text" in refused(other, **settings)
    text, notes = tokens_say(other, unknown="skip", **settings)
    assert text == "abc " * 50
    assert "2 characters are unknown to the tokenizer and left out" in notes


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", bytes(range(256)) * 9, b"\xc3", TEXT + b"\x80"])
def test_as_bytes_anything_is_kept_exactly(data):
    tokenizer = BPETokenizer.train([TEXT.decode()], vocab_size=300)
    assert tokenizer.decode_bytes(tokenizer.encode_bytes(data)) == data
