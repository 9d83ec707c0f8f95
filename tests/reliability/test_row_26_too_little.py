"""Too little data is said at once, with the numbers and what to do; never a hang.

Every number of tokens around the least that will do, of both splits, however they come.
"""

import time
from pathlib import Path

import numpy as np
import pytest
from promises import Protection

import bardling
from bardling.data.shards import write_shard
from bardling.data.token_folder import Index, write_index, write_split
from bardling.errors import BardlingError
from bardling.text.characters import CharacterTokenizer
from bardling.text.tokenizer_file import save_tokenizer
from tiny import SETTINGS, Listener

PROTECTIONS = (
    Protection(
        file="data/prepare.py",
        line='require_length(index.n_tokens("train"), block_size, "train")',
        broken="pass",
        test="test_every_number_of_tokens_is_enough_or_said[16-40]",
    ),
    Protection(
        file="data/prepare.py",
        line='require_length(index.n_tokens("val"), 1, "val")',
        broken="pass",
        test="test_every_number_of_tokens_is_enough_or_said[40-1]",
    ),
    Protection(
        file="data/split.py",
        line="if not all(any(sides[split]) for split in wanted):",
        broken="if False:",
        test="test_documents_with_too_little",
    ),
)
BLOCK = 16
QUICK = SETTINGS | {"block_size": BLOCK, "n_layer": 1, "budget": "2steps", "sample_tokens": 0}
ORDERS = ("random", "documents", "shuffled", "sequential")
TOKENIZER = CharacterTokenizer(characters="abcdefghi", has_end_token=True)
SECONDS = 2.0


def ids_of(n: int) -> np.ndarray:
    ids = np.arange(n, dtype=np.uint32) % 9
    ids[4::5] = TOKENIZER.end_token
    return ids


def tokens_folder(folder: Path, n_train: int, n_val: int, *, shard_tokens: int = 1000) -> Path:
    """Write a folder of tokens, in which a split of nothing has no file."""
    shards = {
        split: write_split(folder, split, [ids_of(n)], TOKENIZER, shard_tokens=shard_tokens)
        for split, n in (("train", n_train), ("val", n_val))
    }
    write_index(folder, Index(tokenizer_sha256=TOKENIZER.sha256, shards=shards))
    save_tokenizer(TOKENIZER, folder)
    return folder


def train(corpus: Path, tmp_path: Path, **settings) -> tuple[str | None, int]:
    """Train a little; return what was refused, and the steps that were taken."""
    ears, began = Listener(), time.perf_counter()
    try:
        bardling.train(
            corpus, name="x", runs_dir=tmp_path / "runs", watcher=ears, **(QUICK | settings)
        )
        return None, len(ears.results)
    except BardlingError as error:
        assert time.perf_counter() - began < SECONDS
        assert "\n" not in str(error)
        assert not (tmp_path / "runs" / "x" / "config.json").exists()  # its name is free
        return str(error), len(ears.results)


@pytest.fixture(scope="module", autouse=True)
def imported(tmp_path_factory) -> None:
    """Train once, so that no time is taken for what is imported when it is first needed."""
    folder = tmp_path_factory.mktemp("first")
    assert train(tokens_folder(folder / "tokens", 40, 40), folder) == (None, 2)


@pytest.mark.parametrize("n_val", [0, 1, 2, BLOCK, BLOCK + 1, 40])
@pytest.mark.parametrize("n_train", [0, 1, 2, BLOCK, BLOCK + 1, 40])
def test_every_number_of_tokens_is_enough_or_said(tmp_path, n_train, n_val):
    said, steps = train(tokens_folder(tmp_path / "tokens", n_train, n_val), tmp_path)
    if n_train > BLOCK and n_val > 1:
        assert said is None and steps == 2
        return
    assert steps == 0 and said is not None
    split, n, needed = ("train", n_train, 17) if n_train <= BLOCK else ("val", n_val, 2)
    assert f"the {split} split has {n} tokens, and a block size of {needed - 1} needs" in said
    cure = f"set --model.block-size to {n - 1} or less, or give" if n > 1 else "give"
    assert said.endswith(f"needs {needed}: {cure} it more text")


@pytest.mark.parametrize("order", ORDERS)
def test_the_least_that_will_do_is_enough_in_every_order(tmp_path, order):
    folder = tokens_folder(tmp_path / "tokens", BLOCK + 5, 2)
    assert train(folder, tmp_path, order=order) == (None, 2)


def test_one_file_is_enough_and_so_are_files_of_one_token(tmp_path):
    many = tokens_folder(tmp_path / "many", BLOCK + 1, 2, shard_tokens=1)
    assert len(list(many.glob("train-*.bin"))) == BLOCK + 1
    assert train(many, tmp_path / "1") == (None, 2)
    assert train(tokens_folder(tmp_path / "one", BLOCK + 1, 2), tmp_path / "2") == (None, 2)


@pytest.mark.parametrize(
    ("n_train", "n_val", "said"),
    [
        (0, 5, "train.bin has 1,024 bytes: 1,026 were expected for 0 ids"),
        (40, 0, "val.bin has 1,024 bytes: 1,026 were expected for 0 ids"),
        (1, 5, "the train split has 1 tokens, and a block size of 16 needs 17: give it more text"),
        (40, 1, "the val split has 1 tokens, and a block size of 1 needs 2: give it more text"),
        (BLOCK + 1, 2, None),
        (40, None, "holds no .txt, .md, .jsonl, .parquet file"),
    ],
)
def test_files_of_others_with_too_little(tmp_path, n_train, n_val, said):
    folder = tmp_path / "theirs"
    for split, n in (("train", n_train), ("val", n_val)):
        if n is not None:
            write_shard(folder / f"{split}.bin", ids_of(n), vocab_size=10)
    save_tokenizer(TOKENIZER, folder)
    found, steps = train(folder, tmp_path)
    assert (found is None) == (said is None) and steps == (2 if said is None else 0)
    assert said is None or said in str(found)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("", "is empty: a text was expected"),
        ("a", "corpus 'x' with 1 characters in 1 different documents is too small to set 10% "),
        ("ab" * 9, "the train split has 16 tokens, and a block size of 16 needs 17: set"),
        ("ab" * 9 + "a", "the val split has"),
        ("ab" * 10, None),
    ],
)
def test_texts_with_too_little(tmp_path, data, said):
    path = tmp_path / "x.txt"
    path.write_text(data)
    if data == "ab" * 9 + "a":  # 17 of 19 to train on, and 2 for validation
        said = None
    found, steps = train(path, tmp_path)
    assert (found is None) == (said is None) and steps == (2 if said is None else 0)
    assert said is None or said in str(found)


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        (["a"], "too small to set 10% aside for validation: give it more text, or another val_"),
        (["a"] * 50, "with 50 characters in 1 different documents is too small"),
        (["", " ", ""], "too small to set 10% aside"),
        (["a", "b"], "the train split has 2 tokens, and a block size of 16 needs 17: set"),
        (["a" * 40, "b"], None),
    ],
)
def test_documents_with_too_little(tmp_path, documents, said):
    folder = tmp_path / "texts"
    folder.mkdir()
    for number, text in enumerate(documents):
        (folder / f"{number}.txt").write_text(text)
    found, steps = train(folder, tmp_path, val_fraction=0.1)
    if said is None:
        assert steps == 2 or "needs 17" in str(found)  # which of the two is held out
        return
    assert steps == 0 and said in str(found)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"max_tokens": 1}, "the train split has 2 tokens"),
        ({"max_tokens": BLOCK}, "the train split has 16 tokens, and a block size of 16 needs 17"),
        ({"max_tokens": BLOCK + 1}, None),
        ({"max_documents": 1, "max_tokens": 5}, "the train split has 5 tokens"),
    ],
)
def test_a_beginning_that_is_too_short(tmp_path, settings, said):
    path = tmp_path / "x.txt"
    path.write_text("abcdefgh\n" * 50)
    found, steps = train(path, tmp_path, **settings)
    assert (found is None) == (said is None) and steps == (2 if said is None else 0)
    assert said is None or said in str(found)
