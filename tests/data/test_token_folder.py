"""Tokens in files of bounded size, read as one row: the same ids, whatever lies where."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bardling.data import tokens as tokens_module
from bardling.data.batches import Windows, evaluation_batches
from bardling.data.shards import write_shard
from bardling.data.token_file import open_tokens, write_tokens
from bardling.data.token_folder import (
    Index,
    open_row,
    open_split,
    read_index,
    shards_of,
    write_index,
    write_split,
)
from bardling.data.tokens import Row, Tokens, places_of, up_to
from bardling.errors import BardlingError, StorageError, TokenFileError
from bardling.text.characters import CharacterTokenizer

TOKENIZER = CharacterTokenizer(characters="".join(map(chr, range(40, 140))))
IDS = np.random.default_rng(0).integers(0, 100, size=1000).astype(np.uint32)


def write(folder: Path, ids=IDS, *, shard_tokens: int = 300, pieces: int = 7) -> Index:
    parts = np.array_split(ids, pieces)
    shards = {
        "train": write_split(folder, "train", parts, TOKENIZER, shard_tokens=shard_tokens),
        "val": write_split(folder, "val", [ids[:50]], TOKENIZER),
    }
    index = Index(tokenizer_sha256=TOKENIZER.sha256, shards=shards)
    write_index(folder, index)
    return index


cuts = st.lists(st.integers(0, 60), max_size=4)


@given(cuts, st.integers(-70, 70), st.integers(-70, 70))
def test_a_row_is_read_as_one_array(ends, start, stop):
    ids = np.arange(60)
    row = Row(np.split(ids, sorted(ends)))
    assert len(row) == 60 and isinstance(row, Tokens)
    assert row[start:stop].tolist() == ids[start:stop].tolist()
    assert row[start:].tolist() == ids[start:].tolist()


def test_a_row_of_nothing_is_empty_and_steps_are_refused():
    assert len(Row([])) == 0 and Row([])[:].tolist() == []
    with pytest.raises(ValueError, match="steps of 1"):
        Row([IDS])[::2]


@given(st.lists(st.integers(0, 3), max_size=40), cuts)
def test_an_id_is_found_wherever_it_stands(ids, ends):
    array = np.array(ids, dtype=np.uint16)
    row = Row(np.split(array, sorted(end % (len(ids) + 1) for end in ends)))
    assert places_of(row, 2).tolist() == [i for i, number in enumerate(ids) if number == 2]


@pytest.mark.parametrize("shard_tokens", [1, 299, 300, 500, 1000, 1001])
@pytest.mark.parametrize("pieces", [1, 7, 1000])
def test_files_are_full_but_the_last_and_hold_everything(tmp_path, shard_tokens, pieces):
    if shard_tokens == 1:
        index = write(tmp_path, IDS[:9], shard_tokens=1, pieces=min(pieces, 9))
        assert [shard.n_tokens for shard in index.shards["train"]] == [1] * 9
        return
    index = write(tmp_path, shard_tokens=shard_tokens, pieces=pieces)
    sizes = [shard.n_tokens for shard in index.shards["train"]]
    assert sizes[:-1] == [shard_tokens] * (len(sizes) - 1) and sum(sizes) == 1000
    assert read_index(tmp_path) == index and index.n_tokens("val") == 50
    row = open_split(tmp_path, "train", TOKENIZER)
    assert row[:].tolist() == IDS.tolist()


def test_batches_do_not_depend_on_how_tokens_are_kept(tmp_path):
    write(tmp_path, shard_tokens=70)
    row = open_split(tmp_path, "train", TOKENIZER)
    for order in ("random", "documents", "shuffled", "sequential"):
        options = {"block_size": 9, "batch_size": 5, "seed": 3, "order": order, "end_token": 7}
        for step in (0, 1, 30):
            one = Windows(tokens=IDS, **options).batch(step)
            other = Windows(tokens=row, **options).batch(step)
            assert one.inputs.equal(other.inputs) and one.targets.equal(other.targets)
    options = {"block_size": 9, "batch_size": 5}
    pairs = zip(evaluation_batches(IDS, **options), evaluation_batches(row, **options), strict=True)
    for one, other in pairs:
        assert one.inputs.equal(other.inputs) and one.targets.equal(other.targets)


def test_what_was_read_of_a_file_is_handed_back(tmp_path, monkeypatch):
    path = tmp_path / "large.bin"
    ids = np.arange(2**22, dtype=np.uint16) % 100
    write_tokens(path, ids, vocab_size=100, tokenizer_sha256=TOKENIZER.sha256)

    def mapped_kb() -> int:
        report = Path("/proc/self/smaps").read_text().split(str(path))[1]
        return int(report.split("Rss:")[1].split()[0])

    row = Row([open_tokens(path)])
    assert mapped_kb() < 100  # every byte was read, to be hashed
    monkeypatch.setattr(tokens_module, "KEPT_BYTES", 2**20)
    most = 0
    for start in range(0, len(row), 2**16):
        assert row[start : start + 2**16].sum() > 0
        most = max(most, mapped_kb())
    assert most < 6 * 2**10  # of the 8 MiB that were read


def test_an_index_elsewhere_refers_to_files_where_they_lie(tmp_path):
    index = write(tmp_path / "here")
    write_index(tmp_path / "there", index.located(tmp_path / "here"))
    row = open_split(tmp_path / "there", "train", TOKENIZER)
    assert row[:].tolist() == IDS.tolist()
    (tmp_path / "here" / "train-00001.bin").unlink()
    with pytest.raises(TokenFileError, match=r"train-00001\.bin is gone"):
        open_split(tmp_path / "there", "train", TOKENIZER)


def test_files_of_others_are_listed_and_bound_by_their_hash(tmp_path):
    paths = [tmp_path / "a.bin", tmp_path / "b.bin"]
    for path, part in zip(paths, np.split(IDS, [600]), strict=True):
        write_shard(path, part, vocab_size=100)
    index = shards_of({"train": paths, "val": paths[1:]}, TOKENIZER)
    assert open_row(index, "train", TOKENIZER)[:].tolist() == IDS.tolist()
    write_shard(paths[1], IDS[600:][::-1], vocab_size=100)
    with pytest.raises(TokenFileError, match="not what it was when its index was written"):
        open_row(index, "train", TOKENIZER)


def test_runs_from_before_there_was_an_index_still_open(tmp_path):
    known = {"vocab_size": TOKENIZER.vocab_size, "tokenizer_sha256": TOKENIZER.sha256}
    write_tokens(tmp_path / "train.bin", IDS, **known)
    assert open_split(tmp_path, "train", TOKENIZER)[:].tolist() == IDS.tolist()


def test_another_tokenizer_is_refused(tmp_path):
    write(tmp_path)
    with pytest.raises(TokenFileError, match="sha256"):
        open_split(tmp_path, "train", CharacterTokenizer(characters="ab"))


DAMAGES = {
    "lost": lambda folder, entry: (folder / "train-00002.bin").unlink(),
    "swapped": lambda folder, entry: (folder / "train-00001.bin").rename(
        folder / "train-00002.bin"
    ),
    "short": lambda folder, entry: (folder / "train-00000.bin").write_bytes(
        (folder / "train-00000.bin").read_bytes()[:-2]
    ),
    "count": lambda folder, entry: entry.update(tokens=299),
    "hash": lambda folder, entry: entry.update(sha256="0" * 64),
    "no hash": lambda folder, entry: entry.pop("sha256"),
    "above": lambda folder, entry: entry.update(file="../train-00000.bin"),
    "below": lambda folder, entry: entry.update(file="x/train-00000.bin"),
    "nul": lambda folder, entry: entry.update(file="train\0"),
    "a number": lambda folder, entry: entry.update(file=3),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_refused_in_one_sentence(tmp_path, damage):
    write(tmp_path)
    path = tmp_path / "index.json"
    index = json.loads(path.read_text())
    DAMAGES[damage](tmp_path, index["splits"]["train"][0])
    path.write_text(json.dumps(index))
    for elsewhere in (tmp_path.parent, tmp_path / "x"):  # there is a good file, which is not taken
        elsewhere.mkdir(exist_ok=True)
        shutil.copy(tmp_path / "val-00000.bin", elsewhere / "train-00000.bin")
        if (tmp_path / "train-00000.bin").exists() and "hash" not in damage:
            shutil.copy(tmp_path / "train-00000.bin", elsewhere)
    with pytest.raises(BardlingError) as caught:
        open_split(tmp_path, "train", TOKENIZER)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[]", "{}", '{"tokenizer_sha256": 1}', "{", ""])
def test_an_index_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(BardlingError, match=r"index.json"):
        read_index(tmp_path)


def test_up_to_takes_no_more_than_it_is_asked_for():
    taken = []

    def pieces():
        for part in np.split(np.arange(30), 3):
            taken.append(len(part))
            yield part

    assert np.concatenate([*up_to(15, pieces())]).tolist() == list(range(15))
    assert len(taken) == 2
    assert np.concatenate([*up_to(20, pieces())]).tolist() == list(range(20))
    assert len(taken) == 4


def test_a_file_that_becomes_shorter_in_use_is_told(tmp_path):
    write(tmp_path)
    row = open_split(tmp_path, "train", TOKENIZER)
    path = tmp_path / "train-00000.bin"
    os.truncate(path, 128 + 2 * 100)
    assert row[:100].tolist() == IDS[:100].tolist()
    with pytest.raises(StorageError, match="became shorter while it was in use"):
        row[50:150]


def test_files_are_closed_with_their_row(tmp_path):
    write(tmp_path)
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    row = open_split(tmp_path, "train", TOKENIZER)
    assert len(list(descriptors.iterdir())) > before
    del row
    assert len(list(descriptors.iterdir())) == before
