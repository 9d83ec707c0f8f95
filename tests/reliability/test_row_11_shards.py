"""A shard is bound to its tokenizer and whole; any other is refused before the first step.

The error names the file, what was found and what was expected, both where the shard lies in the
corpus and where it lies in a run that goes on.
"""

import json
import random
import shutil
import struct
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from promises import Protection

import bardling
from bardling.data.token_file import write_tokens
from bardling.data.token_folder import SPLITS, Index, open_split, write_index, write_split
from bardling.errors import BardlingError, TokenFileError
from bardling.text.characters import CharacterTokenizer
from bardling.text.tokenizer_file import load_tokenizer, save_tokenizer
from tiny import SETTINGS, Listener

PROTECTIONS = (
    Protection(
        file="data/token_file.py",
        line='_expect(path, "sha256 of the body", digest.hexdigest(), body_hash.hex())',
        broken="pass",
        test="test_a_corpus_with_a_fault_never_reaches_a_step[a bit of an id]",
    ),
    Protection(
        file="data/token_file.py",
        line='_expect(path, "sha256 of the tokenizer", tokenizer_hash.hex(), tokenizer.sha256)',
        broken="pass",
        test="test_a_corpus_with_a_fault_never_reaches_a_step[another tokenizer's]",
    ),
    Protection(
        file="data/token_folder.py",
        line="if (len(ids), sha256) != (shard.n_tokens, shard.sha256):",
        broken="if len(ids) != shard.n_tokens:",
        test="test_a_corpus_with_a_fault_never_reaches_a_step[another's place]",
    ),
)
TOKENIZER = CharacterTokenizer(characters="abcdefghij")
OTHER = CharacterTokenizer(characters="jihgfedcba")
IDS = np.random.default_rng(0).integers(0, 10, 900).astype(np.uint32)
QUICK = SETTINGS | {"n_layer": 1, "budget": "2steps", "eval_interval_steps": 2}
FIELDS = struct.Struct("<8sIIQQ32s32s")
NAMES = ("magic", "version", "width", "count", "vocab", "tokenizer", "body")
FIRST, SECOND = "train-00000.bin", "train-00001.bin"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Return a folder of tokens with its tokenizer, as a corpus is."""
    folder = tmp_path_factory.mktemp("whole") / "tokens"
    shards = {
        split: write_split(folder, split, [ids], TOKENIZER, shard_tokens=400)
        for split, ids in (("train", IDS), ("val", IDS[:100]))
    }
    write_index(folder, Index(tokenizer_sha256=TOKENIZER.sha256, shards=shards))
    save_tokenizer(TOKENIZER, folder)
    return folder


@pytest.fixture(scope="module")
def stopped(whole, tmp_path_factory) -> Path:
    """Return a run that has not ended, with tokens of its own."""
    runs = tmp_path_factory.mktemp("runs")
    run = bardling.train(whole, name="x", runs_dir=runs, **QUICK).folder
    shutil.copytree(whole, run.tokens_path, dirs_exist_ok=True)
    (run.tokens_path / "tokenizer.json").unlink()
    run.result_path.unlink()
    return run.path


def forged(path: Path, body: bytes | None = None, **lies) -> None:
    """Write a shard anew with other fields or another body, and with hashes that are right."""
    data = path.read_bytes()
    body = data[128:] if body is None else body
    fields = dict(zip(NAMES, FIELDS.unpack_from(data), strict=True))
    fields |= {"body": sha256(body).digest()} | lies
    head = FIELDS.pack(*(fields[name] for name in NAMES))
    path.write_bytes(head + sha256(head).digest() + body)


def entered(folder: Path) -> None:
    """Let the index say what the first shard now holds."""
    index = json.loads((folder / "index.json").read_text())
    body = (folder / FIRST).read_bytes()[128:]
    index["splits"]["train"][0]["sha256"] = sha256(body).hexdigest()
    (folder / "index.json").write_text(json.dumps(index))


def flipped(place: int) -> Callable[[Path], None]:
    def flip(folder: Path) -> None:
        data = bytearray((folder / FIRST).read_bytes())
        data[place] ^= 1
        (folder / FIRST).write_bytes(data)

    return flip


def cut(folder: Path) -> None:
    (folder / FIRST).write_bytes((folder / FIRST).read_bytes()[:-2])


def odd(folder: Path) -> None:
    (folder / FIRST).write_bytes((folder / FIRST).read_bytes() + b"\0")


def too_high(folder: Path) -> None:
    forged(folder / FIRST, np.array([10] * 400, dtype="<u2").tobytes())
    entered(folder)


def wide(folder: Path) -> None:
    ids = np.frombuffer((folder / FIRST).read_bytes()[128:], dtype="<u2")
    forged(folder / FIRST, ids.astype("<u4").tobytes(), width=4)
    entered(folder)


def of_another(folder: Path) -> None:
    write_tokens(folder / FIRST, IDS[:400], vocab_size=10, tokenizer_sha256=OTHER.sha256)


def exchanged(folder: Path) -> None:
    first, second = ((folder / name).read_bytes() for name in (FIRST, SECOND))
    (folder / FIRST).write_bytes(second)
    (folder / SECOND).write_bytes(first)


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut short": (cut, "number of bytes is 926, expected 928"),
    "an odd byte": (odd, "number of bytes is 929, expected 928"),
    "a bit of an id": (flipped(500), "sha256 of the body is '.*', expected"),
    "a bit of the header": (flipped(20), "sha256 of the header is '.*', expected"),
    "an id too high": (too_high, "ids from 10 to 10: 0 to 9 were expected"),
    "a lie of width": (wide, "bytes per id is 4, expected 2"),
    "a lie of size": (lambda f: forged(f / FIRST, vocab=11), "size is 11, expected 10"),
    "a lie of number": (lambda f: forged(f / FIRST, count=3), "bytes is 928, expected 134"),
    "another version": (lambda f: forged(f / FIRST, version=2), "version is 2, expected 1"),
    "another magic": (lambda f: forged(f / FIRST, magic=b"BARDLING"), "has the id .* 10 tokens"),
    "another tokenizer's": (of_another, f"'{OTHER.sha256}', expected '{TOKENIZER.sha256}'"),
    "another's place": (exchanged, "it has 400 ids, expected 400, and the sha256"),
    "lost": (lambda f: (f / FIRST).unlink(), "is gone"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_corpus_with_a_fault_never_reaches_a_step(whole, tmp_path, fault):
    damage, said = FAULTS[fault]
    folder = Path(shutil.copytree(whole, tmp_path / "tokens"))
    damage(folder)
    ears = Listener()
    with pytest.raises(TokenFileError, match=rf"{folder}/train-0000\d\.bin .*{said}"):
        bardling.train(folder, name="x", runs_dir=tmp_path / "runs", watcher=ears, **QUICK)
    assert ears.results == []


@pytest.mark.parametrize("fault", FAULTS)
def test_nor_does_a_run_that_goes_on(stopped, tmp_path, fault):
    damage, said = FAULTS[fault]
    run = Path(shutil.copytree(stopped, tmp_path / "x"))
    damage(run / "tokens")
    ears = Listener()
    with pytest.raises(TokenFileError, match=rf"{run}/tokens/train-0000\d\.bin .*{said}"):
        bardling.api.train_config(None, resume=run, watcher=ears)
    assert ears.results == []


def test_without_a_fault_both_are_taken(whole, stopped, tmp_path):
    run = shutil.copytree(stopped, tmp_path / "x")
    (run / "checkpoints").rename(run / "none")
    assert bardling.api.train_config(None, resume=run).step == 2
    assert bardling.train(whole, name="x", runs_dir=tmp_path / "runs", **QUICK).step == 2


@pytest.mark.parametrize("place", ["corpus", "run"])
def test_another_tokenizer_beside_the_tokens_is_refused(whole, stopped, tmp_path, place):
    """It has as many characters, so every id would be one of its own."""
    folder = Path(shutil.copytree(whole if place == "corpus" else stopped, tmp_path / "x"))
    save_tokenizer(OTHER, folder)
    with pytest.raises(TokenFileError, match=f"{TOKENIZER.sha256}, expected {OTHER.sha256}"):
        if place == "corpus":
            bardling.train(folder, name="x", runs_dir=tmp_path / "runs", **QUICK)
        else:
            bardling.api.train_config(None, resume=folder)


def damages(folder: Path, seed: int) -> Iterator[Callable[[], None]]:
    """Yield what may happen to the files of a folder, without end."""
    chance = random.Random(seed)
    paths = sorted(folder.iterdir())
    while True:
        path = chance.choice(paths)
        data = path.read_bytes()
        start = chance.randrange(len(data))
        size = chance.choice((1, 2, 3, 4, 8, 100))
        noise = chance.randbytes(size)
        changed = chance.choice(
            (
                data[:start],
                data[:start] + data[start + size :],
                data[:start] + noise + data[start:],
                data[:start] + noise + data[start + size :],
                data[:start] + bytes(size) + data[start + size :],
                data[:start] + data[start : start + size] * 2 + data[start + size :],
                chance.choice(paths).read_bytes(),
            )
        )
        yield lambda path=path, changed=changed: path.write_bytes(changed)


@pytest.mark.parametrize("n_damages", [150, pytest.param(5000, marks=pytest.mark.sweep)])
def test_whatever_happens_to_a_folder_the_ids_are_right_or_refused(whole, tmp_path, n_damages):
    folder = Path(shutil.copytree(whole, tmp_path / "tokens"))
    before = {path: path.read_bytes() for path in folder.iterdir()}
    n_refused = 0
    for _, damage in zip(range(n_damages), damages(folder, seed=1), strict=False):
        damage()
        try:
            tokenizer = load_tokenizer(folder)
            train, val = (open_split(folder, split, tokenizer)[:] for split in SPLITS)
            assert tokenizer == TOKENIZER
            assert np.array_equal(train, IDS) and np.array_equal(val, IDS[:100])
        except BardlingError as error:
            assert "\n" not in str(error)
            n_refused += 1
        for path, data in before.items():
            if path.read_bytes() != data:
                path.write_bytes(data)
    assert n_refused > n_damages // 2
