"""Token files of nanoGPT and llm.c are read as they are, and refused when they do not fit."""

import numpy as np
import pytest

import bardling
from bardling.data.shards import find_shards, read_shard, write_shard
from bardling.data.stories.corpus import stories
from bardling.errors import TokenFileError, UsageError
from bardling.presets.table import config_for
from bardling.text.bpe import BPETokenizer
from bardling.text.tokenizer_file import save_tokenizer
from tiny import SETTINGS

TOKENIZER = BPETokenizer.train(stories(0, 40), vocab_size=400, end_token=True)
IDS = np.array(TOKENIZER.encode(" ".join(stories(0, 40))))


def llmc(magic, version, ids, dtype, count=None):
    """Lay a shard out as llm.c describes it: 256 numbers of 32 bits, then the ids."""
    head = [magic, version, len(ids) if count is None else count] + [0] * 253
    return np.array(head, dtype="<i4").tobytes() + np.array(ids, dtype=dtype).tobytes()


KINDS = {
    "nanogpt": lambda ids: np.array(ids, dtype="<u2").tobytes(),
    "llm.c": lambda ids: llmc(20240520, 1, ids, "<u2"),
    "llm.c, llama 3": lambda ids: llmc(20240801, 7, ids, "<u4"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_all_three_are_read(tmp_path, kind):
    path = tmp_path / "x.bin"
    path.write_bytes(KINDS[kind](IDS))
    ids = read_shard(path, vocab_size=400)
    assert isinstance(ids, np.memmap) and np.array_equal(ids, IDS)
    with pytest.raises(TokenFileError, match=r"has the id 3\d\d, and the tokenizer has 300 tokens"):
        read_shard(path, vocab_size=300)


@pytest.mark.parametrize(("vocab_size", "width"), [(65_535, 2), (65_536, 2), (65_537, 4)])
def test_what_is_written_is_read(tmp_path, vocab_size, width):
    ids = np.array([0, 5, vocab_size - 1] * 100)
    path = tmp_path / "new" / "fineweb_train_000001.bin"
    write_shard(path, ids, vocab_size=vocab_size)
    data = path.read_bytes()
    assert len(data) == 1024 + width * 300
    assert data == (llmc(20240520, 1, ids, "<u2") if width == 2 else llmc(20240801, 7, ids, "<u4"))
    assert np.array_equal(read_shard(path, vocab_size=vocab_size), ids)
    for wrong in (-1, vocab_size):
        with pytest.raises(TokenFileError, match="ids outside of"):
            write_shard(path, np.array([wrong]), vocab_size=vocab_size)
    assert path.read_bytes() == data


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "has 0 bytes"),
        (b"\0", "has 1 bytes"),
        (llmc(20240520, 2, IDS, "<u2"), "is of version 2: 1 or 7"),
        (llmc(20240520, 1, IDS, "<u2")[:-2], "bytes were expected|were expected"),
        (llmc(20240520, 1, IDS, "<u2", count=-5), "were expected for -5 ids"),
        (llmc(20240520, 1, IDS, "<u2", count=2**31 - 1), "were expected for 2,147,483,647 ids"),
        (llmc(20240801, 7, IDS, "<u4") + b"\0", "were expected"),
        (llmc(20240801, 7, [], "<u4"), "were expected for 0 ids"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, data, said):
    path = tmp_path / "x.bin"
    path.write_bytes(data)
    with pytest.raises(TokenFileError, match=rf"x\.bin .*{said}"):
        read_shard(path, vocab_size=400)


def test_ids_of_16_bits_are_too_few_for_many_tokens(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(np.array([1, 70_000, 5], dtype="<u4").tobytes())
    with pytest.raises(TokenFileError, match="too few for the 100,000 tokens"):
        read_shard(path, vocab_size=100_000)


def test_a_known_corpus_is_not_a_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for split in ("train", "val"):
        write_shard(tmp_path / "sums" / f"{split}.bin", np.array([1, 2]), vocab_size=400)
    assert find_shards("sums") is None and find_shards("./sums") is not None
    settings = SETTINGS | {"runs_dir": tmp_path / "runs", "n_layer": 1, "budget": "1steps"}
    assert bardling.train("sums", **settings).tokenizer.vocab_size < 100


def test_splits_are_found_by_their_names(tmp_path):
    assert find_shards(str(tmp_path)) is None and find_shards(str(tmp_path / "none")) is None
    names = ["fineweb_train_000002.bin", "fineweb_train_000001.bin", "fineweb_val_000000.bin"]
    for number, name in enumerate(names):
        write_shard(tmp_path / name, np.array([number]), vocab_size=400)
    found = find_shards(str(tmp_path))
    assert [path.name for path in found["train"]] == sorted(names[:2])
    (tmp_path / "train.bin").write_bytes(b"ab")
    assert [path.name for path in find_shards(str(tmp_path))["train"]] == ["train.bin"]


def test_a_run_is_trained_on_them(tmp_path):
    folder = tmp_path / "prepared"
    folder.mkdir()
    (folder / "train.bin").write_bytes(KINDS["nanogpt"](IDS[:-300]))
    (folder / "val.bin").write_bytes(KINDS["nanogpt"](IDS[-300:]))
    save_tokenizer(TOKENIZER, tmp_path / "tokens")
    settings = SETTINGS | {"runs_dir": tmp_path / "runs", "n_layer": 1}
    for word in ("char", "bpe:300"):
        with pytest.raises(UsageError, match="--tokenizer has to name what they were made with"):
            bardling.train(folder, tokenizer=word, name="no", **settings)
    run = bardling.train(folder, tokenizer=str(tmp_path / "tokens"), name="yes", **settings)
    assert run.tokenizer == TOKENIZER
    assert run.validation_loss().tokens == 299
    config = config_for(str(folder)).with_overrides(**SETTINGS, tokenizer=str(tmp_path / "tokens"))
    findings = list(bardling.check_config(config))
    assert all(finding.outcome != "failed" for finding in findings)
