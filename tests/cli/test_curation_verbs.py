"""`bardling data stats | clean | split`: figures, what went, and two files that share nothing."""

import json

import pytest

from bardling.data.stories.corpus import stories


@pytest.fixture
def tales(tmp_path):
    path = tmp_path / "tales.txt"
    path.write_text("\n\n".join([*stories(0, 40), stories(0, 1)[0], "stub", "*** 12 ***"]))
    return path


def texts_in(path):
    return [json.loads(line)["text"] for line in path.read_text().splitlines()]


def test_cleaning_shows_each_step_and_writes_what_is_left(cli, tales, tmp_path):
    out = tmp_path / "new" / "clean.jsonl"
    done = cli("data", "clean", tales, "--paragraphs", "--output", out)
    assert done.code == 0 and texts_in(out) == list(stories(0, 40))
    assert f"40 documents in {out}" in done.out
    assert "duplicates: stood there before: " in done.out
    assert "metadata: nothing is left: '*** 12 ***'" in done.out
    assert cli("data", "clean", tales, "--skip", "dups").code == 2
    nothing = cli("data", "clean", tales, "--paragraphs", "--min-words", 9999, "--output", out)
    assert nothing.code == 1 and "nothing is left" in nothing.err
    assert texts_in(out) == list(stories(0, 40))  # what was there stays


def test_statistics(cli, tales):
    done = cli("data", "stats", tales, "--paragraphs", "--tokenizer", "char")
    assert done.code == 0 and "tales: 43 documents" in done.out
    assert "suggested: --model.block-size 1024" in done.out


def test_what_cannot_be_counted_gets_a_sentence(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("BARDLING_DATA", raising=False)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    done = cli("data", "stats", "sums", "--tokenizer", "gpt2")
    assert done.code == 1 and "by hand, 1,042,301 bytes" in done.err
    (tmp_path / "blank.txt").write_text("\n\n \n\n")
    done = cli("data", "stats", tmp_path / "blank.txt", "--paragraphs")
    assert done.code == 1 and "blank.txt is blank: a text was expected" in done.err


def test_splitting_checks_that_nothing_is_shared(cli, tales, tmp_path):
    done = cli("data", "split", tales, tmp_path / "parts", "--paragraphs")
    assert done.code == 0 and "no validation document is like one to train on" in done.out
    train, val = (texts_in(tmp_path / "parts" / f"{side}.jsonl") for side in ("train", "val"))
    assert len(train) + len(val) == 43 and not set(train) & set(val)
    text = stories(0, 1)[0]
    (tmp_path / "near.txt").write_text("\n\n".join([text + " Or so", text + " Or not"]))
    done = cli("data", "split", tmp_path / "near.txt", tmp_path / "x", "--paragraphs")
    assert done.code == 1 and "1 validation documents are like one to train on" in done.out


def test_what_a_separator_parts_are_documents(cli, tmp_path):
    path = tmp_path / "tales.txt"
    path.write_text(
        "<|endoftext|>".join(f"tale {number} of the sea and the sky" for number in range(9))
    )
    done = cli("data", "stats", path, "--tokenizer", "char")
    assert "8 '<|endoftext|>' kept and read as text" in done.err
    done = cli("data", "stats", path, "--tokenizer", "char", "--separator", "<|endoftext|>")
    assert done.err == "" and "9 documents" in done.out
    out = tmp_path / "clean.jsonl"
    done = cli(
        "data", "clean", path, "--separator", "<|endoftext|>", "--skip", "near", "--output", out
    )
    assert len(out.read_text().splitlines()) == 9
