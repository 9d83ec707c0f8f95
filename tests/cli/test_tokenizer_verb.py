"""`bardling tokenizer`: trained, used, looked into and compared from the command line."""

import json

import pytest
import tokenizers

from bardling.data.stories.corpus import stories
from bardling.evaluation.tokenizers import compare
from bardling.text.tokenizer_file import load_tokenizer


@pytest.fixture
def tales(tmp_path):
    path = tmp_path / "tales.jsonl"
    lines = [json.dumps({"text": text}) for text in stories(0, 40)]
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def trained(cli, tales, tmp_path):
    folder = tmp_path / "new" / "tokens"
    done = cli("tokenizer", "train", tales, "--size", 400, "--split", "llama3", "--output", folder)
    assert done.code == 0 and f"400 tokens in {folder}; tales is " in done.out
    return folder


def test_what_is_trained_is_used_everywhere(cli, trained, text):
    ours = load_tokenizer(trained)
    assert (ours.split, ours.vocab_size, ours.end_token) == ("llama3", 400, 399)
    theirs = tokenizers.Tokenizer.from_file(str(trained / "tokenizer.json"))
    ids = ours.encode("There was 1 fox.")
    assert theirs.encode("There was 1 fox.").ids == ids
    shown = " ".join(map(str, ids))
    assert cli("tokenizer", "encode", trained, "There was 1 fox.").out == f"{shown}\n"
    text.write_text("There was 1 fox.")
    assert cli("tokenizer", "encode", trained, "--file", text).out == f"{shown}\n"
    assert cli("tokenizer", "decode", trained, *ids).out == "There was 1 fox.\n"
    ranks = trained / "tokenizer.tiktoken"
    assert load_tokenizer(ranks).merges == ours.merges


def test_it_can_be_looked_into(cli, trained):
    shown = cli("tokenizer", "show", trained).out
    assert "400 tokens; special: <|endoftext|> 399" in shown
    assert "split llama3, 143 merges; the first:\n  ' ' + 'a'" in shown
    cut = cli("tokenizer", "show", trained, "once\nupon").out
    pieces, numbers = cut.splitlines()
    assert pieces.replace("|", "") == "once⏎upon" and numbers.startswith(
        f"{pieces.count('|') + 1} "
    )


def test_a_run_s_tokenizer_is_found_by_its_name(cli, train):
    assert train("--name", "mine").code == 0
    assert cli("tokenizer", "decode", "mine", 0).code == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "say what to do with a tokenizer: train, encode"),
        (("trian",), 2, "did you mean 'train'"),
        (("encode", "nothing", "text"), 1, "'nothing' is no tokenizer, file or run"),
        (("encode", "nothing"), 2, "give a text to encode, or --file"),
        (("train", "x.txt", "--processes", "-1"), 2, "processes are at least 0"),
        (("train", "x.txt", "--size", "4000"), 2, "'x.txt' is no corpus, file or folder"),
        (("train", "sums", "--size", "9"), 1, "no room for the 256 bytes"),
        (("compare", "sums", "--sizes", "9"), 2, "sizes are 256 or more"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_sentence(cli, words, code, said):
    done = cli("tokenizer", *words)
    assert done.code == code and said in done.err and done.err.count("\n") == 1


def test_tokenizers_are_compared(cli, tales, tmp_path):
    table = tmp_path / "table.md"
    done = cli("tokenizer", "compare", tales, "--sizes", 300, 500, "--output", table)
    assert done.code == 0
    for name in ("characters", "words", "BPE 300", "BPE 500", "tokenizers 500", "sentencepiece"):
        assert name in done.out and name in table.read_text()
    assert "which was never seen, and the first tokens:" in done.out
    lines = table.read_text().splitlines()
    assert len({line.count("|") for line in lines}) == 1


def test_one_that_cannot_take_part_is_left_out(cli, tmp_path):
    (tmp_path / "x.txt").write_text("a" * 90 + "bcdefghijk")
    done = cli("tokenizer", "compare", tmp_path / "x.txt", "--sizes", 257)
    assert done.code == 0 and "left out: sentencepiece: " in done.err


def test_the_comparison_counts_what_it_says():
    text = "".join(stories(0, 60))
    found = compare(text, sizes=(400,))
    rows = {row.name: row for row in found.rows}
    kept = text[int(0.9 * len(text)) :]
    assert rows["characters"].n_tokens == len(kept) and rows["characters"].attention == 1
    assert rows["BPE 400"].n_tokens == rows["tokenizers 400"].n_tokens
    assert rows["BPE 400"].attention == (rows["BPE 400"].n_tokens / len(kept)) ** 2
    assert found.new_word not in text[: len(text) - len(kept)].split()
    for row in found.rows:
        if row.name != "words":
            assert "".join(row.new_word) == found.new_word
            assert kept.startswith("".join(row.beginning))
    assert set(rows["words"].new_word) == {"(unknown)"}
