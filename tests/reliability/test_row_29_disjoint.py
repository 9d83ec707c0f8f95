"""What is learned from and what is measured on share no document, however many copies there are.

One document in twenty has copies here; every one of them is found.
"""

import json
import random
from itertools import pairwise

import numpy as np
import pytest
from promises import Protection

from bardling.data import corpora, reading
from bardling.data.config import DataConfig
from bardling.data.corpora import Corpus, load_corpus
from bardling.data.curation import drop_exact_duplicates, fingerprint, overlap
from bardling.data.prepare import prepare
from bardling.data.split import split_corpus, text_hash
from bardling.data.stories.corpus import stories
from bardling.data.token_folder import SPLITS, open_split
from bardling.text.lots import whole
from imitated_hub import MAIN, parquet, served

PROTECTIONS = (
    Protection(
        file="data/split.py",
        line="train = Side(documents=documents, is_here=lambda text: not is_val(text))",
        broken="train = Side(documents=documents, is_here=lambda text: True)",
        test="test_whatever_is_planted_both_sides_share_nothing[30]",
    ),
    Protection(
        file="data/split.py",
        line='return {"train": rest, "val": corpus.validation}',
        broken='return {"train": corpus.documents, "val": corpus.validation}',
        test="test_copies_of_what_a_dataset_validates_on_are_not_learned_from[fetched]",
    ),
    Protection(
        file="data/curation.py",
        line='" ".join(text.split())',
        broken="text",
        test="test_every_copy_is_found_when_a_corpus_is_cleaned",
    ),
)
PLANTED = 0.05


def planted(n: int, seed: int = 0) -> list[str]:
    """Return documents of which one in twenty stands there two to four times."""
    chance = random.Random(seed)
    texts = [f"Tale {number}: {chance.randrange(10**9)} owls and a mouse" for number in range(n)]
    copies = [text for text in texts[: int(n * PLANTED)] for _ in range(chance.randint(1, 3))]
    mixed = texts + copies
    chance.shuffle(mixed)
    return mixed


def write(folder, documents, kind):
    """Write documents as a corpus may have them."""
    folder.mkdir()
    if kind == "files":
        for number, text in enumerate(documents):
            (folder / f"{number:05d}.txt").write_text(text)
    elif kind == "table":
        half = len(documents) // 2
        (folder / "0.parquet").write_bytes(parquet(*documents[:half]))
        (folder / "1.parquet").write_bytes(parquet(*documents[half:]))
    else:
        lines = [json.dumps({"text": text}) for text in documents]
        (folder / "all.jsonl").write_text("\n".join(lines))
    return folder


def documents_of(ids, tokenizer) -> list[str]:
    """Return the documents that tokens say."""
    ends = np.flatnonzero(np.asarray(ids) == tokenizer.end_token).tolist()
    return [tokenizer.decode(ids[before + 1 : after]) for before, after in pairwise([-1, *ends])]


@pytest.mark.parametrize("tokenizer", ["char", "bpe:300"])
@pytest.mark.parametrize("kind", ["files", "lines", "table", "not in memory"])
def test_tokens_of_both_sides_share_no_document(tmp_path, monkeypatch, kind, tokenizer):
    if kind == "not in memory":
        monkeypatch.setattr(corpora, "HELD_BYTES", 100)
        monkeypatch.setattr(reading, "LONG_CHARACTERS", 100)
    documents = planted(200)
    folder = write(tmp_path / "tales", documents, kind)
    config = DataConfig(corpus=str(folder), tokenizer=tokenizer, val_fraction=0.3)
    found = prepare(config, data_dir=None, note=[].append)
    found.put(tmp_path / "tokens")
    train, val = (
        documents_of(open_split(tmp_path / "tokens", split, found.tokenizer)[:], found.tokenizer)
        for split in SPLITS
    )
    assert sorted(train + val) == sorted(documents)
    assert not set(map(text_hash, train)) & set(map(text_hash, val))
    assert len(val) == round(0.3 * len(documents))
    copied = {text for text in documents if documents.count(text) > 1}
    assert len(copied) == 10
    assert copied & set(val)  # or nothing would be proven here


@pytest.mark.parametrize("n_tries", [30, pytest.param(600, marks=pytest.mark.sweep)])
def test_whatever_is_planted_both_sides_share_nothing(n_tries):
    chance = random.Random(0)
    for number in range(n_tries):
        documents = tuple(planted(chance.randint(20, 300), seed=number))
        corpus = Corpus(name="tales", documents=documents, is_stream=number % 2 == 1)
        sides = split_corpus(corpus, val_fraction=chance.uniform(0.1, 0.6))
        train, val = ([whole(text) for text in sides[split]] for split in SPLITS)
        assert sorted(train + val) == sorted(documents)
        assert not set(map(text_hash, train)) & set(map(text_hash, val))


def test_every_copy_is_found_when_a_corpus_is_cleaned():
    documents = planted(2000)
    spaced = [text.replace(" ", "  \n") if i % 3 else text for i, text in enumerate(documents)]
    done = drop_exact_duplicates(spaced)
    assert done.n_removed == len(documents) - 2000
    assert len({fingerprint(text) for text in done.documents}) == len(done.documents) == 2000


def test_every_text_that_someone_put_on_both_sides_is_found():
    texts = [f"{text} {number}" for number, text in enumerate(stories(0, 160))]
    train, val = texts[:120], texts[120:]
    again = random.Random(0).sample(train, int(len(train) * PLANTED))
    mixed = [*val, *again, *(text.replace(" ", "\n", 3) for text in again)]
    random.Random(1).shuffle(mixed)
    found = overlap(train, mixed)
    assert len(found) == 2 * len(again)
    assert {fingerprint(text) for text in found} == set(map(fingerprint, again))


@pytest.mark.parametrize(
    "n_documents", [400, pytest.param(corpora.N_STORIES, marks=pytest.mark.sweep)]
)
def test_stories_to_validate_on_are_none_of_those_to_learn_from(n_documents):
    sides = split_corpus(load_corpus(f"stories:{n_documents}"), val_fraction=0.1)
    train, val = (set(map(text_hash, sides[split])) for split in SPLITS)
    assert len(val) > 0.099 * n_documents and not train & val


def test_a_dataset_without_a_validation_part_shares_nothing(tmp_path, monkeypatch):
    documents = planted(400)
    with served(monkeypatch, tmp_path) as server:
        server.trees[MAIN] = {"0.parquet": parquet(*documents)}
        config = DataConfig(corpus="hf:ann/plays", val_fraction=0.2)
        found = prepare(config, data_dir=None, note=[].append)
        train, val = (
            documents_of(found.beginning(split, 10**7), found.tokenizer) for split in SPLITS
        )
    assert sorted(train + val) == sorted(documents)
    assert not set(map(text_hash, train)) & set(map(text_hash, val))


@pytest.mark.parametrize("how", ["fetched", "by hand"])
def test_copies_of_what_a_dataset_validates_on_are_not_learned_from(tmp_path, monkeypatch, how):
    documents = planted(200)
    val = [f"{text}!" for text in documents[:40]]
    leaked = random.Random(0).sample(val, 10)
    files = {
        "train-0.parquet": parquet(*documents[:100], *leaked),
        "train-1.parquet": parquet(*documents[100:], *leaked),
        "validation.parquet": parquet(*val),
    }
    with served(monkeypatch, tmp_path) as server:
        server.trees[MAIN] = files
        if how == "by hand":
            monkeypatch.setenv("BARDLING_DATA", str(tmp_path))
            (tmp_path / "plays").mkdir()
            for name, data in files.items():
                (tmp_path / "plays" / name).write_bytes(data)
        found = prepare(DataConfig(corpus="hf:ann/plays"), data_dir=None, note=[].append)
        train, kept = (
            documents_of(found.beginning(split, 10**7), found.tokenizer) for split in SPLITS
        )
    assert train == documents and kept == val
