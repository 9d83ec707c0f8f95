"""`bardling data`: stories go out and are read back, and what is no story is shown."""

import json

import pytest

from bardling.data.stories.corpus import stories


@pytest.mark.parametrize("name", ["tales.txt", "tales.jsonl"])
def test_what_is_written_is_read_back(cli, tmp_path, name):
    path = tmp_path / "new" / name
    done = cli("data", "stories", "--documents", 20, "--seed", 3, "--output", path)
    assert done.code == 0 and done.out == f"20 stories in {path}\n"
    texts = path.read_text().rstrip("\n")
    if name.endswith("l"):
        found = [json.loads(line)["text"] for line in texts.split("\n")]
    else:
        found = texts.split("\n\n")
    assert tuple(found) == stories(3, 20)
    done = cli("data", "parse", path)
    assert done.code == 0 and f"20 of 20 texts in {path} are stories" in done.out
    assert "no model can expect less" in done.out


def test_without_a_file_they_are_shown(cli):
    assert cli("data", "stories", "--documents", 2).out.split("\n\n")[:2] == list(stories(0, 2))
    other = cli("data", "stories", "--documents", 1, "--split", "val").out
    assert other.strip() == stories(0, 1, split="val")[0]


def test_it_is_told_where_and_why_a_text_is_no_story(cli, tmp_path):
    good, bad = stories(0, 2)
    at = bad.index(" ", 200)
    path = tmp_path / "x.txt"
    path.write_text(f"{good}\n\n{bad[:at]} purple{bad[at:]}\n\n?\n")
    done = cli("data", "parse", path)
    assert done.code == 1 and "1 of 3 texts" in done.out
    first, context, mark = done.out.split("\n")[:3]
    assert first.startswith(f"text 2 stops being a story at character {at + 1}: expected ")
    assert context[mark.index("^") :].startswith("purple")
    assert "text 3 stops being a story at character 0: expected" in done.out


def test_only_the_first_few_are_shown(cli, tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"text": "no"}\n' * 50)
    done = cli("data", "parse", path)
    assert done.out.count("stops being") == 5 and "0 of 50 texts" in done.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say what to do with data"),
        (["storys"], "did you mean 'stories'"),
        (["stories", "--documents", "0"], "0 documents are none"),
        (["parse", "no-such-file.txt"], "is no corpus, file or folder"),
        (["parse"], "Required options"),
    ],
)
def test_wrong_usage_gets_a_sentence(cli, words, said):
    done = cli("data", *words)
    assert done.code == 2 and said in done.err
