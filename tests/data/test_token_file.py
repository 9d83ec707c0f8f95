"""A token file is whole, fits its tokenizer, or is refused before anyone uses it."""

import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bardling.data import token_file
from bardling.data.token_file import open_tokens, write_tokens
from bardling.errors import StorageError, TokenFileError
from bardling.text.characters import CharacterTokenizer

TOKENIZER = CharacterTokenizer.train(["abcdefgh"])
IDS = np.array([0, 1, 2, 7, 3], dtype=np.uint32)
NO_HASH = "00" * 32


def write(path: Path, ids=IDS, tokenizer=TOKENIZER) -> Path:
    write_tokens(path, ids, vocab_size=tokenizer.vocab_size, tokenizer_sha256=tokenizer.sha256)
    return path


def test_ids_come_back_as_a_read_only_map(tmp_path):
    ids = open_tokens(write(tmp_path / "train.bin"), tokenizer=TOKENIZER)
    assert isinstance(ids, np.memmap) and not ids.flags.writeable
    assert ids.dtype == np.uint16 and ids.tolist() == IDS.tolist()
    assert (tmp_path / "train.bin").stat().st_size == 128 + 2 * len(IDS)


@pytest.mark.parametrize("vocab_size", [65_535, 65_536, 65_537, 100_000, 2**32])
def test_the_width_follows_the_vocabulary_and_nothing_wraps(tmp_path, vocab_size):
    ids = np.array([0, 1, 65_534, 65_535, 65_536, vocab_size - 1], dtype=np.int64)
    ids = ids[ids < vocab_size]
    write_tokens(tmp_path / "x", ids, vocab_size=vocab_size, tokenizer_sha256=NO_HASH)
    found = open_tokens(tmp_path / "x")
    assert found.tolist() == ids.tolist()
    assert found.dtype == (np.uint16 if vocab_size <= 65_536 else np.uint32)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.lists(st.lists(st.integers(0, 2**17), max_size=9)), st.sampled_from(["i8", "u4", "i4"]))
def test_pieces_give_the_file_of_the_whole(tmp_path_factory, pieces, dtype):
    folder = tmp_path_factory.mktemp("pieces")
    arrays = [np.array(piece, dtype=dtype) for piece in pieces]
    options = {"vocab_size": 2**17 + 1, "tokenizer_sha256": NO_HASH}
    write_tokens(folder / "pieces", (array for array in arrays), **options)
    whole = np.concatenate([np.zeros(0, dtype), *arrays])
    write_tokens(folder / "whole", whole, **options)
    assert (folder / "pieces").read_bytes() == (folder / "whole").read_bytes()
    assert open_tokens(folder / "whole").tolist() == whole.tolist()


def test_an_empty_file_is_an_empty_array(tmp_path):
    assert open_tokens(write(tmp_path / "x", IDS[:0]), tokenizer=TOKENIZER).tolist() == []


@pytest.mark.parametrize(
    "ids", [np.array([8]), np.array([-1, 3]), np.array([2**40]), [np.array([1]), np.array([8])]]
)
def test_ids_outside_the_vocabulary_are_not_written(tmp_path, ids):
    before = write(tmp_path / "x").read_bytes()
    with pytest.raises(TokenFileError, match="0 to 7 were expected"):
        write(tmp_path / "x", ids)
    assert (tmp_path / "x").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_only_whole_numbers_are_written(tmp_path):
    with pytest.raises(TokenFileError, match="whole numbers only: found float64"):
        function = token_file._require_in_range
        unchecked = getattr(function, "__wrapped__", function)  # users have no checked shapes
        unchecked(tmp_path, np.array([1.0]), 8)


def test_every_flipped_byte_and_every_truncation_is_found(tmp_path):
    whole = write(tmp_path / "x").read_bytes()
    for position in range(len(whole)):
        flipped = bytes([whole[position] ^ 1])
        (tmp_path / "x").write_bytes(whole[:position] + flipped + whole[position + 1 :])
        with pytest.raises(TokenFileError, match=r"/x .*expected.* train anew from the text"):
            open_tokens(tmp_path / "x")
        (tmp_path / "x").write_bytes(whole[:position])
        with pytest.raises(TokenFileError, match=r"/x .*expected.* train anew from the text"):
            open_tokens(tmp_path / "x")
    (tmp_path / "x").write_bytes(whole + b"\0")
    with pytest.raises(TokenFileError, match="number of bytes is 139, expected 138"):
        open_tokens(tmp_path / "x")


def test_another_tokenizer_is_refused(tmp_path):
    write(tmp_path / "x")
    other = CharacterTokenizer.train(["abcdefgi"])
    with pytest.raises(TokenFileError, match=f"is '{TOKENIZER.sha256}', expected '{other.sha256}'"):
        open_tokens(tmp_path / "x", tokenizer=other)
    larger = CharacterTokenizer.train(["abcdefghi"])
    with pytest.raises(TokenFileError, match="vocabulary size is 8, expected 9"):
        open_tokens(tmp_path / "x", tokenizer=larger)


def forge(path: Path, body: bytes, **lies) -> None:
    """Write a file by hand, from the description of the format, with honest hashes."""
    truth = {"magic": b"bardling", "version": 1, "width": 2, "count": 2, "vocab": 8} | lies
    fields = struct.pack(
        "<8sIIQQ32s32s",
        *(truth[name] for name in ("magic", "version", "width", "count", "vocab")),
        bytes.fromhex(TOKENIZER.sha256),
        hashlib.sha256(body).digest(),
    )
    path.write_bytes(fields + hashlib.sha256(fields).digest() + body)


def test_the_format_is_the_described_one(tmp_path):
    forge(tmp_path / "x", struct.pack("<2H", 1, 7))
    assert open_tokens(tmp_path / "x", tokenizer=TOKENIZER).tolist() == [1, 7]
    assert write(tmp_path / "y", np.array([1, 7])).read_bytes() == (tmp_path / "x").read_bytes()


@pytest.mark.parametrize(
    "body, lies, reason",
    [
        (struct.pack("<2H", 1, 8), {}, "0 to 7 were expected"),
        (struct.pack("<2H", 1, 7), {"magic": b"BARDLING"}, "magic"),
        (struct.pack("<2H", 1, 7), {"version": 2}, "version is 2, expected 1"),
        (struct.pack("<2I", 1, 7), {"width": 4}, "bytes per id is 4, expected 2"),
        (struct.pack("<2H", 1, 7), {"vocab": 2**16 + 1}, "bytes per id is 2, expected 4"),
        (struct.pack("<3H", 1, 7, 7), {}, "number of bytes is 134, expected 132"),
        (b"\0" * 3, {}, "number of bytes is 131, expected 132"),
        (b"", {"count": 2**63}, "number of bytes"),
        (b"", {"count": 0, "vocab": 0}, None),
    ],
)
def test_a_file_that_lies_with_honest_hashes_is_refused(tmp_path, body, lies, reason):
    forge(tmp_path / "x", body, **lies)
    if reason is None:
        assert len(open_tokens(tmp_path / "x")) == 0
        return
    with pytest.raises(TokenFileError, match=reason):
        open_tokens(tmp_path / "x")


def test_large_files_are_checked_piece_by_piece(tmp_path, monkeypatch):
    monkeypatch.setattr(token_file, "_CHUNK_IDS", 2)
    assert open_tokens(write(tmp_path / "x")).tolist() == IDS.tolist()


def test_a_missing_file_is_a_stated_error(tmp_path):
    with pytest.raises(StorageError, match="could not read"):
        open_tokens(tmp_path / "absent")
