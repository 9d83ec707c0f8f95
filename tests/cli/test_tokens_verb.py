"""A corpus becomes a folder of tokens, and a run on that folder is the run on the corpus."""

import json

import numpy as np
import pytest

import bardling
from bardling.cli import main
from bardling.data.corpora import load_corpus
from bardling.data.encoding import encode_stream
from bardling.data.shards import find_shards, read_shard
from bardling.data.token_file import write_tokens
from bardling.data.token_folder import is_token_folder, open_split, read_index
from bardling.errors import TokenFileError
from bardling.text.bpe import BPETokenizer
from bardling.text.tokenizer_file import load_tokenizer
from tiny import SETTINGS


@pytest.fixture
def corpus(tmp_path):
    texts = [f"the {number}th tale tells of {number} owls and a mouse" for number in range(300)]
    path = tmp_path / "tales.jsonl"
    path.write_text("\n".join(json.dumps({"text": text}) for text in texts))
    return path


def test_a_run_on_the_folder_is_the_run_on_the_corpus(corpus, tmp_path, capsys):
    folder = tmp_path / "tokens"
    words = ["--tokenizer", "bpe:300", "--shard-tokens", "1000", "--processes", "1"]
    words += ["--val-fraction", "0.1"]
    assert main(["data", "tokens", str(corpus), str(folder), *words]) == 0
    said = capsys.readouterr().out
    assert "bardling train " in said and "tokens to train on" in said
    index = read_index(folder)
    assert len(index.shards["train"]) > 2
    settings = SETTINGS | {"runs_dir": tmp_path / "runs"}
    one = bardling.train(corpus, tokenizer="bpe:300", name="text", **settings)
    other = bardling.train(folder, name="tokens", **settings)
    assert one.tokenizer == other.tokenizer == load_tokenizer(folder)
    assert [line["loss"] for line in one.metrics()] == [line["loss"] for line in other.metrics()]
    assert f"{index.n_tokens('train'):,} tokens" in said
    assert not list((other.folder.tokens_path).glob("*.bin"))  # they stay where they are
    row = open_split(other.folder.tokens_path, "train", other.tokenizer)
    assert len(row) == index.n_tokens("train")


def test_a_folder_comes_with_its_tokenizer(corpus, tmp_path):
    folder = tmp_path / "tokens"
    main(["data", "tokens", str(corpus), str(folder), "--tokenizer", "bpe:300"])
    settings = SETTINGS | {"runs_dir": tmp_path / "runs", "n_layer": 1}
    with pytest.warns(UserWarning, match=r"comes with its tokenizer, so bpe:280 is not learned"):
        found = bardling.check(folder, tokenizer="bpe:280", **SETTINGS)
    assert all(finding.outcome != "failed" for finding in found)
    other = BPETokenizer.train(["other text"], vocab_size=257)
    from bardling.text.tokenizer_file import save_tokenizer

    save_tokenizer(other, tmp_path / "other")
    for word, said in (
        (str(tmp_path / "other"), "holds tokens of its own tokenizer"),
        (str(folder), None),
    ):
        if said is None:
            bardling.train(folder, tokenizer=word, name="same", **settings)
        else:
            with pytest.raises(bardling.errors.UsageError, match=said):
                bardling.train(folder, tokenizer=word, name="no", **settings)
    with pytest.raises(bardling.errors.UsageError, match="which are read as they are"):
        bardling.train(folder, max_tokens=100, name="no", **settings)


def test_files_of_llm_c_are_read_back(corpus, tmp_path):
    folder = tmp_path / "tales"
    words = ["--tokenizer", "bpe:300", "--format", "llm.c", "--shard-tokens", "900"]
    assert main(["data", "tokens", str(corpus), str(folder), *words]) == 0
    shards = find_shards(str(folder))
    assert shards["val"][0].name == "tales_val_000000.bin"
    assert [path.name for path in shards["train"]][:2] == [
        "tales_train_000001.bin", "tales_train_000002.bin",
    ]  # fmt: skip
    tokenizer = load_tokenizer(folder)
    ids = np.concatenate([read_shard(path, vocab_size=300) for path in shards["train"]])
    assert ids[0] == ids[-1] == tokenizer.end_token  # a document begins with it there
    assert np.fromfile(shards["train"][0], dtype="<i4")[:3].tolist() == [20240520, 1, 900]
    settings = SETTINGS | {"runs_dir": tmp_path / "runs"}
    run = bardling.train(folder, name="x", **settings)
    assert run.tokenizer == tokenizer


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--shard-tokens", "0"], "shard_tokens is 1 or more"),
        (["--processes", "-1"], "processes 0 or more"),
        (["--max-tokens", "-1"], "for all, or more"),
        (["--tokenizer", "bpe:3"], "names no size"),
        (["--val-fraction", "0"], "between 0 and 1"),
    ],
)
def test_what_makes_no_sense_is_refused(corpus, tmp_path, capsys, words, said):
    assert main(["data", "tokens", str(corpus), str(tmp_path / "x"), *words]) in (1, 2)
    assert said in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_what_is_there_is_not_written_over(corpus, tmp_path, capsys):
    folder = tmp_path / "tokens"
    words = ["data", "tokens", str(corpus), str(folder), "--tokenizer", "char"]
    assert main(words) == 0
    assert main(words) == 2
    assert "holds tokens already: choose another folder" in capsys.readouterr().err
    assert main(["data", "tokens", str(folder), str(tmp_path / "again")]) == 2
    assert "holds tokens already: train on it as it is" in capsys.readouterr().err


def test_processes_give_the_ids_that_one_gives(monkeypatch):
    from bardling.data import encoding

    monkeypatch.setattr(encoding, "_LOT", 2000)
    texts = [f"{number} geese, übermütig\n" * (number % 50) for number in range(200)]
    tokenizer = BPETokenizer.train(texts, vocab_size=300, end_token=True)
    one, two = (
        np.concatenate([*encode_stream(texts, tokenizer, processes=n)]).tolist() for n in (1, 2)
    )
    assert one == two


def test_what_failed_leaves_nothing_and_what_was_killed_is_begun_again(corpus, tmp_path, capsys):
    with corpus.open("a") as file:
        file.write('\n{"text": 3}')
    folder = tmp_path / "tokens"
    words = ["data", "tokens", str(corpus), str(folder), "--tokenizer", "char"]
    assert main(words) == 1
    assert "line 301 has no 'text'" in capsys.readouterr().err and not folder.exists()
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    corpus.write_text(json.dumps({"text": "one"}) + "\n" + json.dumps({"text": "two"}))
    assert main([*words, "--val-fraction", "0.5"]) == 0
    (folder / "index.json").unlink()  # as after a kill
    assert main([*words, "--val-fraction", "0.5"]) == 0
    assert (folder / "mine.txt").read_text() == "mine"


def test_an_index_of_something_else_is_no_folder_of_tokens(tmp_path):
    (tmp_path / "index.json").write_text('{"pages": []}')
    (tmp_path / "page.txt").write_text("words of a page, and more of them")
    assert not is_token_folder(tmp_path)
    assert load_corpus(str(tmp_path)).in_memory() == ("words of a page, and more of them",)


def test_a_run_that_finds_no_tokens_leaves_its_name_free(corpus, tmp_path):
    folder = tmp_path / "tokens"
    main(["data", "tokens", str(corpus), str(folder), "--tokenizer", "bpe:300"])
    (folder / "train-00000.bin").rename(tmp_path / "away.bin")
    settings = SETTINGS | {"runs_dir": tmp_path / "runs", "n_layer": 1, "name": "x"}
    with pytest.raises(TokenFileError, match=r"train-00000\.bin is gone"):
        bardling.train(folder, **settings)
    (tmp_path / "away.bin").rename(folder / "train-00000.bin")
    assert bardling.train(folder, **settings).step > 0


def test_token_files_of_an_older_run_are_told_from_those_of_others(tmp_path):
    for split in ("train", "val"):
        ids = np.arange(50, dtype=np.uint16)
        write_tokens(tmp_path / f"{split}.bin", ids, vocab_size=99, tokenizer_sha256="0" * 64)
    with pytest.raises(TokenFileError, match="holds tokens of an older run of ours"):
        read_shard(find_shards(str(tmp_path))["train"][0], vocab_size=99)
