"""From the name of a corpus to two splits of ids: what is told, and what is refused."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from bardling.data import prepare as preparing
from bardling.data.config import DataConfig
from bardling.data.prepare import prepare
from bardling.errors import TokenizerError
from bardling.text.tokenizer import Tokenizer
from bardling.text.tokenizer_file import save_tokenizer


@dataclass
class Read:
    """A corpus, its tokens in memory."""

    tokenizer: Tokenizer
    train: np.ndarray
    val: np.ndarray


def ready(path: Path, **settings) -> tuple[Read, list[str]]:
    notes: list[str] = []
    found = prepare(DataConfig(corpus=str(path), **settings), data_dir=None, note=notes.append)
    train, val = (found.beginning(split, 10**6) for split in ("train", "val"))
    return Read(found.tokenizer, train, val), notes


@pytest.fixture
def text(tmp_path) -> Path:
    path = tmp_path / "text.txt"
    path.write_bytes(b"the quick brown fox\n" * 10)
    return path


def test_one_text_is_cut_by_position_and_read_back(text):
    prepared, notes = ready(text)
    whole = text.read_text()
    assert prepared.tokenizer.decode(prepared.train) == whole[:180]
    assert prepared.tokenizer.decode(prepared.val) == whole[180:]
    assert prepared.tokenizer.vocab_size == len(set(whole))
    assert prepared.tokenizer.end_token is None and notes == []


def test_the_fraction_is_that_of_the_config(text):
    prepared, _ = ready(text, val_fraction=0.25)
    assert (len(prepared.train), len(prepared.val)) == (150, 50)


def test_characters_of_both_splits_are_known(text):
    text.write_text("ab" * 50 + "z" * 5)
    prepared, _ = ready(text)
    assert prepared.tokenizer.decode(prepared.val)[-5:] == "zzzzz"


def test_documents_end_with_the_end_token(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    for i in range(10):
        (folder / f"{i}.txt").write_text(f"number {i} of the ten")
    prepared, _ = ready(folder)
    end = prepared.tokenizer.end_token
    assert end == prepared.tokenizer.vocab_size - 1
    assert int(np.sum(prepared.train == end)) == 9 and prepared.train[-1] == end
    assert int(np.sum(prepared.val == end)) == 1 and prepared.val[-1] == end


def test_what_is_odd_about_a_text_is_told(text):
    text.write_bytes(b"\xef\xbb\xbf" + b"one\r\ntwo\0 \r\n" * 10)
    prepared, notes = ready(text)
    assert [note.removeprefix(f"{text}: ") for note in notes] == [
        "the byte order mark at its start was dropped",
        "10 NUL kept, the first at character 8",
        "line ends kept as they are, 20 CRLF and 0 CR alone",
    ]
    assert prepared.tokenizer.decode(prepared.train).startswith("one\r\ntwo\0 \r\n")


def test_another_tokenizer_is_used_as_it_is_or_refused(text, tmp_path):
    from bardling.text.tokenizer_file import save_tokenizer

    first, _ = ready(text)
    save_tokenizer(first.tokenizer, tmp_path / "first")
    other = tmp_path / "other.txt"
    other.write_text("the box " * 30)
    prepared, _ = ready(other, tokenizer=str(tmp_path / "first"))
    assert prepared.tokenizer.sha256 == first.tokenizer.sha256
    other.write_text("the BOX " * 30)
    with pytest.raises(TokenizerError, match=r"'B' \(U\+0042\) at position 4"):
        ready(other, tokenizer=str(tmp_path / "first"))


def test_unknown_characters_are_refused_with_their_place_or_skipped_and_counted(text, tmp_path):
    save_tokenizer(ready(text)[0].tokenizer, tmp_path / "words")
    other = tmp_path / "other.txt"
    other.write_text("the fox " * 20 + "ÉÉ" + "the fox " * 20)
    settings = {"tokenizer": str(tmp_path / "words")}
    with pytest.raises(TokenizerError, match=r"other: .*U\+00C9.* 160"):
        ready(other, **settings)
    prepared, notes = ready(other, unknown="skip", **settings)
    assert notes == ["2 characters are unknown to the tokenizer and left out"]
    assert len(prepared.train) + len(prepared.val) == 320


def test_documents_without_an_end_token_are_told(text, tmp_path):
    save_tokenizer(ready(text)[0].tokenizer, tmp_path / "words")
    folder = tmp_path / "documents"
    folder.mkdir()
    for i in range(4):
        (folder / f"{i}.txt").write_text("the quick fox\n")
        (folder / f"{i}b.txt").write_text("brown\n" * i + "the fox\n")
    _, notes = ready(folder, tokenizer=str(tmp_path / "words"))
    assert notes == ["the tokenizer has no end token, so the documents run into each other"]
    (folder / "3b.txt").write_text("É")
    with pytest.raises(TokenizerError, match="document 8 of "):
        ready(folder, tokenizer=str(tmp_path / "words"))


@pytest.mark.parametrize(("processes", "threads"), [(1, 4), (2, 4), (4, 4)])
def test_one_of_several_processes_encodes_with_the_cores_of_all(
    text, monkeypatch, processes, threads
):
    monkeypatch.setattr("bardling.machine.threads.usable_cores", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    heard = []
    monkeypatch.setattr(
        preparing, "encode_stream", lambda *given, **how: iter((heard.append(how["threads"]),))
    )
    list(prepare(DataConfig(corpus=str(text)), data_dir=None, note=print).pieces("train"))
    assert heard == [threads]
