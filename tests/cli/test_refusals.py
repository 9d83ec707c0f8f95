"""What `bardling train` refuses: one sentence, the right code, and nothing lost."""

import json
from pathlib import Path

import pytest


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def refused(cli, train, tmp_path):
    """Call `bardling train` and check that it is refused with one sentence and no trace."""

    def call(code: int, *words: object, corpus: object = None) -> str:
        before = snapshot(tmp_path)
        done = train(*words) if corpus is None else cli("train", corpus, *words)
        assert done.code == code
        assert done.err.startswith("bardling: ") and done.err.count("\n") == 1
        assert snapshot(tmp_path) == before
        return done.err

    return call


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--tokenizer", "bpe:many"), 2, "'bpe:many' names no size: give one of 257 to"),
        (("--tokenizer", "bpe:300:gpt5"), 2, "names no split: gpt2, llama3, qwen2"),
        (("--tokenizer", "chars"), 2, "'chars' is not a tokenizer"),
        (("--budget", "5ks"), 2, "'5ks' is no budget; write it as 90s, 5m, 2000steps"),
        (("--budget", "90s", "--show-schedule"), 2, "is known when the run has begun"),
        (("--budget", "many"), 2, "'many' is no budget; write it as 90s, 5m, 2000steps"),
        (("--budget", "0steps"), 2, "buys nothing"),
        (("--model.n-head", 5), 1, "n_embd 16 is not divisible by n_head 5; take n_head 2 or 4"),
        (("--model.dropout", 1.5), 1, "dropout is 1.5"),
        (("--val-fraction", 1), 1, "val_fraction is 1.0; it must lie between 0 and 1"),
        (("--batch-size", 0), 1, "batch_size is 0; it must be at least 1"),
        (("--schedule", "exponential"), 1, "give min_lr_fraction"),
        (("--name", "../up"), 2, "'../up' is no name for a run"),
        (("--name", "a [red] b"), 2, "'a [red] b' is no name for a run"),
        (("--resume", "nothing"), 2, "there is no run 'nothing'"),
        (("--resume", "x" * 5000), 2, "there is no run 'xxx"),
        (("--bugdet", "4steps"), 2, "did you mean '--budget'?"),
        (("--show-schedule", "--budget", "2epochs"), 2, "give --budget in steps"),
    ],
)
def test_settings(refused, words, code, said):
    assert said in refused(code, *words)


@pytest.mark.parametrize(
    ("corpus", "said"),
    [
        ("shakespear", "'shakespear' is no preset, no corpus and no file, did you mean 'shakes"),
        ("seed-01", "did you mean 'seed-0"),
        ("missing.txt", "there is no file or folder 'missing.txt'"),
        ("texts/", "there is no file or folder 'texts/'"),
        ("x" * 5000, "is no preset, no corpus and no file"),
        ("--budget", "the corpus or preset comes first"),
    ],
)
def test_targets(refused, corpus, said):
    assert said in refused(2, corpus=corpus)


def test_nothing_at_all(cli):
    done = cli("train")
    assert done.code == 2 and "the corpus or preset comes first" in done.err


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"t", "too small to set 10% aside for validation"),
        (b"to be or not to be", "has 16 tokens, and a block size of 16 needs 17"),
        (b"one and two" * 50 + b"\xff" + b"more" * 50, "byte 550 is 0xff"),
        ("one".encode("utf-16") * 99, "is UTF-16, UTF-8 was expected"),
    ],
)
def test_texts(refused, text, data, said):
    text.write_bytes(data)
    assert said in refused(1, "--name", "demo")


def test_a_text_shorter_than_the_context_is_told_both_numbers(refused, text):
    text.write_text("to be or not to be\n" * 2)
    message = refused(1, "--model.block-size", 64)
    assert "has 34 tokens, and a block size of 64 needs 65" in message
    assert "set --model.block-size to 33 or less" in message


def test_an_empty_folder(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "holds no .txt, .md, .jsonl, .parquet file" in refused(1, corpus=tmp_path / "empty")


def test_a_tokenizer_that_lacks_a_character(train, refused, tmp_path, text):
    assert train("--name", "first", "--budget", "1steps").code == 0
    other = tmp_path / "other.txt"
    other.write_text("one and two [make] three. " * 40)
    message = refused(1, "--tokenizer", "first", "--corpus", other)
    assert "'[' (U+005B) at position 12" in message


def test_a_name_that_is_taken(train, refused):
    assert train("--name", "demo", "--budget", "1steps").code == 0
    message = refused(2, "--name", "demo")
    assert "there is a run 'demo' in" in message and "--resume demo" in message


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--batch-size", 4), "batch_size is 4 here and 8 there"),
        (("--seed", 3), "seed is 3 here and 0 there"),
        (("--budget", "5steps"), "budget is '5steps' here and '4steps' there"),
        (("--model.n-layer", 2), "n_layer is 2 here and 1 there"),
    ],
)
def test_resume_with_other_settings(train, refused, words, said):
    assert train("--name", "demo").code == 0
    message = refused(2, "--resume", "demo", *words)
    assert f"a resumed run keeps its settings, but {said}" in message
    assert "a resumed run keeps its settings" in refused(
        2, "--resume", "auto", "--name", "demo", *words
    )


def test_resume_without_a_corpus_takes_no_settings(cli, train, refused):
    assert train("--name", "demo").code == 0
    done = cli("train", "--resume", "demo", "--seed", 3)
    assert done.code == 2
    assert "a resumed run keeps its settings, but seed is 3 here and 0 there" in done.err
    done = cli("train", "--resume", "auto")
    assert done.code == 2 and "there is nothing to resume" in done.err


def test_a_run_folder_that_was_tampered_with(train, cli, tmp_path):
    assert train("--name", "demo", "--budget", "1steps").code == 0
    run = tmp_path / "runs" / "demo"
    whole = run.joinpath("config.json").read_text()
    for config, said in (
        ("{", "config.json is not strict JSON"),
        (json.dumps(json.loads(whole) | {"modle": {}}), "did you mean 'model'?"),
        (whole.replace('"rotary"', '"[red]"'), "position is '[red]'"),
    ):
        run.joinpath("config.json").write_text(config)
        run.joinpath("result.json").unlink(missing_ok=True)
        done = cli("train", "--resume", "demo")
        assert done.code == 0 and said in done.out and "brought back from step-000001" in done.out
        assert run.joinpath("config.json").read_text() == whole
    run.joinpath("result.json").write_text("[]")
    done = cli("train", "--resume", "demo")
    assert done.code == 1 and "does not say what came out" in done.err
    run.joinpath("result.json").unlink()
    run.joinpath("metrics.jsonl").write_text('[1]\n{"step": 1}\n')
    done = cli("train", "--resume", "demo")
    assert done.code == 0 and "metrics.jsonl: unreadable lines taken out: 1" in done.out
