"""How the experiments of the pages are run, compared and recorded; not what they print."""

import shutil
from pathlib import Path

import pytest

import blocks

PAGE = """# A page

```console
$ echo one > file.txt; printf 'loss 1.5000\\n%s' \\
  two
```

```text
RECORD
```

Words.

```python
print(open("file.txt").read() * 2)
```

```console no-run
$ rm -rf /nowhere
```
"""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(blocks, "ROOT", tmp_path)
    return tmp_path / "page.md"


@pytest.mark.parametrize("record", ["loss 1.5100\ntwo", "loss 1.5000\n...", "...\ntwo", "..."])
def test_what_was_recorded_is_printed(page: Path, record: str):
    page.write_text(PAGE.replace("RECORD", record))
    assert blocks.check(page, write=False) == []


@pytest.mark.parametrize(
    "record", ["loss 1.6000\ntwo", "loss 1.5000", "loss 1.5\nthree", "two\n..."]
)
def test_what_is_not_printed_is_said(page: Path, record: str):
    page.write_text(PAGE.replace("RECORD", record))
    assert len(blocks.check(page, write=False)) == 1


def test_what_is_printed_is_recorded(page: Path):
    page.write_text(PAGE.replace("RECORD", "nothing"))
    assert blocks.check(page, write=True) == []
    assert page.read_text() == PAGE.replace("RECORD", "loss 1.5000\ntwo")


def test_an_experiment_that_fails_is_said_and_not_recorded(page: Path):
    source = PAGE.replace("echo one", "false; exit 3")
    page.write_text(source)
    assert "ended otherwise" in blocks.check(page, write=True)[0]
    assert page.read_text() == source


def test_an_error_can_be_what_is_shown(page: Path):
    page.write_text("```console fails\n$ echo no; exit 1\n```\n```text\nno\n```\n")
    assert blocks.check(page, write=False) == []
    page.write_text("```console fails\n$ echo no\n```\n")
    assert len(blocks.check(page, write=False)) == 1


def test_left_out_lines_stay_left_out():
    found = "a\nb\nc\nd\ne\n"
    assert blocks.shortened(found, "x\n...\ny\n") == "a\n...\ne\n"
    assert blocks.shortened(found, "...\ny\n") == "...\ne\n"
    assert blocks.shortened("a\ne\n", "x\n...\ny\n") == "a\ne\n"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("36.4k tokens/s   0:56 left  best", "9,912 tokens/s 1:07 left best"),
        ("budget spent: 3.1M tokens in 1:40", "budget spent: 3.1M tokens in 0:59"),
        ("  on     cpu (AVX2), fp32, 4 threads", "  on     cpu (AVX512), bf16, 1 thread"),
        ("learned in 0.61 s", "learned in 12 s"),
    ],
)
def test_clock_and_machine_do_not_matter(one: str, other: str):
    assert blocks.same_line(one, other)
    assert not blocks.same_line(f"x {one}", other)


def test_the_command_is_the_one_of_this_tree(page: Path):
    assert shutil.which("bash")
    page.write_text("```console\n$ bardling --version\n```\n```text\nnothing\n```\n")
    assert "printed" in blocks.check(page, write=False)[0]
