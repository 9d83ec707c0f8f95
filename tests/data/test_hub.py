"""Datasets of the hub by word, and which of their files hold text, from an imitated hub."""

import hashlib
import json
import time

import pytest

from bardling.data import hub as hub_module
from bardling.data.hub import HUB_CORPORA, HubSet, fetch, find_files, hub_set
from bardling.errors import CorpusError, UsageError
from imitated_hub import (
    CONVERTED,
    HUB,
    MAIN,
    TOKEN,
    TRAIN,
    VAL,
    Handler,
    everything,
    names,
    served,
    unreachable,
)


@pytest.fixture(autouse=True)
def server(monkeypatch, tmp_path):
    with served(monkeypatch, tmp_path) as server:
        yield server


@pytest.mark.parametrize(
    "word, expected",
    [
        ("hf:ann/plays", HUB),
        ("hf:ann/plays@v1.0", HubSet(repository="ann/plays", revision="v1.0")),
        ("hf:ann/plays/data/en", HubSet(repository="ann/plays", folder="data/en")),
        ("hf:ann/plays:content", HubSet(repository="ann/plays", column="content")),
        (
            "hf:A-n_n.1/p@main/my data:the text",
            HubSet(repository="A-n_n.1/p", folder="my data", column="the text"),
        ),
        (
            "hf:ann/plays@refs/convert/parquet/default",
            HubSet(repository="ann/plays", revision="refs/convert/parquet", folder="default"),
        ),
        ("tinystories", HUB_CORPORA["tinystories"]),
        ("fineweb-edu", HUB_CORPORA["fineweb-edu"]),
        ("shakespeare", None),
        ("my/folder", None),
        ("HF:ann/plays", None),
    ],
)
def test_a_word_means_a_dataset_or_something_else(word, expected):
    assert hub_set(word) == expected


@pytest.mark.parametrize(
    "word",
    [
        "hf:",
        "hf:plays",
        "hf:/plays",
        "hf:ann/",
        "hf:ann/../plays",
        "hf:../plays",
        "hf:ann/pl ays",
        "hf:ann/plä",
        "hf:ann--b/plays",
        "hf:ann/.plays",
        "hf:ann/plays\n",
        "hf:ann/plays@",
        "hf:ann/plays@a..b",
        "hf:ann/plays@-x",
        "hf:ann/plays@refs/heads/main:",
        "hf:ann/plays/",
        "hf:ann/plays//data",
        "hf:ann/plays/data/",
        "hf:ann/plays/../data",
        "hf:ann/plays/a\\b",
        "hf:ann/plays/a\0b",
        "hf:ann/plays:",
        "hf:ann/plays: ",
        "hf:ann/plays:a/b",
        "hf:ann/plays:te\0xt",
        "hf://datasets/ann/plays",
    ],
)
def test_a_malformed_word_is_refused_in_one_sentence(word):
    with pytest.raises(UsageError, match=r"write|an address") as caught:
        hub_set(word)
    assert "\n" not in str(caught.value) and "\0" not in str(caught.value)


def test_texts_are_listed_by_split_from_one_commit(server):
    found = find_files(HUB)
    assert names(found.train) == ["data/train-0.parquet"]
    assert names(found.val) == ["data/validation-0.parquet"]
    (file,) = found.train
    assert (file.commit, file.n_bytes, found.from_cache) == (MAIN, len(TRAIN), False)
    assert file.sha256 == hashlib.sha256(TRAIN).hexdigest()
    assert all(headers["Authorization"] == f"Bearer {TOKEN}" for _, headers in server.asked)


@pytest.mark.parametrize(
    "paths, train, val",
    [
        ("a.parquet b.txt c.jsonl README.md", "a.parquet", ""),
        ("b.txt c.jsonl d.jsonl.gz script.py e.csv", "c.jsonl d.jsonl.gz", ""),
        ("b.txt.zst a.md README.md LICENSE.txt .hidden/x.txt .x.txt", "a.md b.txt.zst", ""),
        ("PLAY.TXT requirements.txt readme.txt", "PLAY.TXT", ""),
        ("V2-train.txt V2-valid.txt", "V2-train.txt", "V2-valid.txt"),
        ("x/train/0.txt x/validation/0.txt x/test/0.txt", "x/train/0.txt", "x/validation/0.txt"),
        ("a-dev.txt a_val.txt a.val2.txt a.txt", "a.txt", "a-dev.txt a.val2.txt a_val.txt"),
        ("dev/train.txt interval.txt latest.txt", "dev/train.txt interval.txt latest.txt", ""),
        ("test-0.parquet train-0.parquet", "train-0.parquet", ""),
    ],
)
def test_which_files_are_taken(server, paths, train, val):
    server.trees[MAIN] = dict.fromkeys(reversed(paths.split()), b"x")
    found = find_files(HUB)
    assert (names(found.train), names(found.val)) == (train.split(), val.split())


def test_only_a_folder_is_taken_and_its_own_name_says_nothing_of_splits(server):
    server.trees[MAIN] = {"test/a.txt": b"x", "testing/b.txt": b"x", "c.parquet": b"x"}
    found = find_files(HubSet(repository="ann/plays", folder="test"))
    assert names(found.train) == ["test/a.txt"]


def test_a_list_of_many_pages_is_read_to_its_end(server):
    server.trees[MAIN] = {f"{number:02d}.parquet": b"x" for number in range(11)}
    assert len(find_files(HUB).train) == 11
    assert sum("/tree/" in path for path, _ in server.asked) == 6


def test_a_list_without_end_is_refused(server, monkeypatch):
    monkeypatch.setattr(hub_module, "MAX_PAGES", 3)
    server.trees[MAIN] = {f"{number:02d}.parquet": b"x" for number in range(11)}
    with pytest.raises(CorpusError, match="name a folder"):
        find_files(HUB)


def test_without_texts_those_that_the_hub_converted_are_taken(server):
    server.trees[MAIN] = {"plays.csv": b"x", "plays.py": b"x"}
    server.trees[CONVERTED] = {"default/train/0.parquet": TRAIN, "default/test/0.parquet": VAL}
    with pytest.raises(CorpusError, match=r"has no .parquet, .jsonl, .txt or .md file: choose"):
        find_files(HUB)
    server.refs["refs/convert/parquet"] = CONVERTED
    (file,) = find_files(HUB).train
    assert (file.path, file.commit) == ("default/train/0.parquet", CONVERTED)
    assert fetch(file).read_bytes() == TRAIN
    server.refs["v1"] = MAIN
    with pytest.raises(CorpusError, match="at v1 has no"):  # a revision that was asked for stays
        find_files(HubSet(repository="ann/plays", revision="v1"))


def test_only_texts_to_validate_on_are_refused(server):
    server.trees[MAIN] = {"val.parquet": b"x", "test.parquet": b"x"}
    with pytest.raises(CorpusError, match="all 2 texts of ann/plays are named as validation or"):
        find_files(HUB)


@pytest.mark.parametrize(
    "answer", [b"<html>sign in</html>", b"[1, 2", b'"x"', b'{"sha": 3}', b'{"sha": ["a"]}', b"[]"]
)
def test_an_answer_that_is_no_list_is_out_of_reach(server, monkeypatch, answer):
    monkeypatch.setattr(Handler, "list", lambda handler, *_: handler.reply(answer))
    with pytest.raises(CorpusError, match="could not be listed"):
        find_files(HUB)


@pytest.mark.parametrize(
    "word, name",
    [("tinystories", "tinystories"), ("fineweb-edu", "fineweb-edu"), ("hf:ann/plays", "plays")],
)
def test_without_network_and_cache_one_sentence_says_what_to_do(monkeypatch, tmp_path, word, name):
    unreachable(monkeypatch)
    start = time.monotonic()
    with pytest.raises(CorpusError) as caught:
        find_files(hub_set(word))
    assert f"put its .parquet files into a folder '{name}' of BARDLING_DATA" in str(caught.value)
    assert time.monotonic() - start < 1
    assert everything(tmp_path) == []


@pytest.mark.parametrize("answer", [b"{}", b'[{"type": "file"}]', b'[{"type": "file", "path": 3}]'])
def test_a_tree_that_is_malformed_is_out_of_reach(server, monkeypatch, answer):
    sent = [json.dumps({"sha": MAIN}).encode(), answer]
    monkeypatch.setattr(Handler, "list", lambda handler, *_: handler.reply(sent.pop(0)))
    with pytest.raises(CorpusError, match="could not be listed"):
        find_files(HUB)


def test_a_folder_that_is_not_there_is_said(server):
    with pytest.raises(CorpusError, match=r"file below poems: choose another folder or dataset"):
        find_files(HubSet(repository="ann/plays", folder="poems"))
