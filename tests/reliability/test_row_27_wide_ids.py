"""A vocabulary beyond 65,535 is right: every id comes back as it was, and none wraps around."""

import json

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from promises import Protection

from bardling.data.batches import Windows, evaluation_batches
from bardling.data.encoding import encode_stream
from bardling.data.shards import read_shard, write_shard
from bardling.data.token_file import open_tokens, write_tokens
from bardling.data.token_folder import (
    SPLITS,
    Index,
    open_split,
    read_index,
    write_index,
    write_split,
)
from bardling.data.tokens import places_of
from bardling.errors import TokenFileError
from bardling.text.characters import CharacterTokenizer

PROTECTIONS = (
    Protection(
        file="data/shards.py",
        line="wide = vocab_size > 2**16",
        broken="wide = vocab_size > 2**16 + 1",
        test="test_every_id_comes_back_from_every_file[65537-40]",
    ),
    Protection(
        file="data/token_file.py",
        line="int(ids.max()) < vocab_size",
        broken="int(ids.max()) <= vocab_size",
        test="test_the_first_id_that_is_none_is_refused[65535]",
    ),
    Protection(
        file="data/tokens.py",
        line="return np.frombuffer(data, dtype=array.dtype)",
        broken="return np.frombuffer(data, dtype=np.uint16)",
        test="test_from_text_to_batches_and_back_no_id_wraps[65537]",
    ),
)
EDGES = (65_534, 65_535, 65_536, 65_537, 65_538, 99_999, 2**17, 2**31, 2**32 - 1)
SIZES = (65_535, 65_536, 65_537, 100_000)
NO_HASH = "00" * 32


def alphabet(vocab_size: int) -> str:
    """Return so many characters, none of them half a surrogate pair."""
    return "".join(map(chr, (n for n in range(vocab_size + 2048) if not 0xD800 <= n < 0xE000)))


def ids_of(vocab_size: int):
    """Return lists of ids of a vocabulary, often near the edges."""
    edges = [number for number in (0, 1, *EDGES, vocab_size - 1) if number < vocab_size]
    return st.lists(st.one_of(st.sampled_from(edges), st.integers(0, vocab_size - 1)), min_size=1)


@pytest.mark.parametrize("n", [40, pytest.param(1000, marks=pytest.mark.sweep)])
@pytest.mark.parametrize("vocab_size", [*SIZES, 2**32])
def test_every_id_comes_back_from_every_file(tmp_path, vocab_size, n):
    @settings(
        max_examples=n, deadline=None, derandomize=True, database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )  # fmt: skip
    @given(ids_of(vocab_size), st.sampled_from(["u4", "i8", "u8"]))
    def law(numbers, dtype):
        ids = np.array(numbers, dtype=dtype)
        write_tokens(tmp_path / "x", ids, vocab_size=vocab_size, tokenizer_sha256=NO_HASH)
        found = open_tokens(tmp_path / "x")
        assert found.tolist() == numbers
        assert found.dtype == (np.uint16 if vocab_size <= 2**16 else np.uint32)
        assert places_of(found, numbers[-1]).tolist() == [
            place for place, number in enumerate(numbers) if number == numbers[-1]
        ]
        if vocab_size < 2**31:
            write_shard(tmp_path / "y", ids, vocab_size=vocab_size)
            assert read_shard(tmp_path / "y", vocab_size=vocab_size).tolist() == numbers

    law()


@pytest.mark.parametrize("vocab_size", SIZES)
def test_from_text_to_batches_and_back_no_id_wraps(tmp_path, vocab_size):
    tokenizer = CharacterTokenizer(characters=alphabet(vocab_size - 1), has_end_token=True)
    assert tokenizer.vocab_size == vocab_size
    places = [n for n in (0, *EDGES) if n < vocab_size - 1] * 20
    text = "".join(tokenizer.characters[place] for place in places)
    expected = [*places, vocab_size - 1] * 2
    shards = {
        split: write_split(
            tmp_path, split, encode_stream([text, text], tokenizer), tokenizer, shard_tokens=77
        )
        for split in SPLITS
    }
    write_index(tmp_path, Index(tokenizer_sha256=tokenizer.sha256, shards=shards))
    assert read_index(tmp_path).n_tokens("train") == len(expected)
    row = open_split(tmp_path, "train", tokenizer)
    assert row[:].tolist() == expected
    assert row[:].dtype == (np.uint16 if vocab_size <= 2**16 else np.uint32)
    assert tokenizer.decode(row[:]) == text * 2
    assert places_of(row, tokenizer.end_token).tolist() == [len(places), 2 * len(places) + 1]
    options = {"block_size": 9, "batch_size": 4}
    windows = Windows(tokens=row, **options)
    batch, starts = windows.batch(5), windows.starts(5)
    for inputs, targets, start in zip(batch.inputs, batch.targets, starts, strict=True):
        assert inputs.tolist() == expected[start : start + 9]
        assert targets.tolist() == expected[start + 1 : start + 10]
    seen = torch.cat([part.targets.flatten() for part in evaluation_batches(row, **options)])
    assert seen[: len(expected) - 1].tolist() == expected[1:]


@pytest.mark.parametrize("vocab_size", SIZES)
def test_the_first_id_that_is_none_is_refused(tmp_path, vocab_size):
    for number in (vocab_size, vocab_size + 2**16, 2**32, -1):
        with pytest.raises(TokenFileError, match=f"0 to {vocab_size - 1} were expected"):
            write_tokens(
                tmp_path / "x",
                np.array([0, number]),
                vocab_size=vocab_size,
                tokenizer_sha256=NO_HASH,
            )
    assert not list(tmp_path.iterdir())


def test_a_large_vocabulary_survives_its_file():
    tokenizer = CharacterTokenizer(characters=alphabet(70_000))
    again = CharacterTokenizer.from_json(json.loads(json.dumps(tokenizer.to_json())))
    text = tokenizer.characters[65_530:65_545] + tokenizer.characters[-1]
    assert again.encode(text) == [*range(65_530, 65_545), 69_999]
    assert again.decode(range(70_000)) == tokenizer.characters
