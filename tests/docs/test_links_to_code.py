"""Links from pages to lines of code: those of the documentation, and the tool that mends them."""

from pathlib import Path

import pytest

import lines

CODE = '''"""A module."""

LIMIT = 3
"""How many."""


@decorated
def first():
    pass


class Second:
    field: int
    """What it is."""

    def method(self):
        pass
'''


@pytest.mark.parametrize("page", lines.pages(), ids=lambda p: str(p.relative_to(lines.ROOT)))
def test_links_are_right(page: Path):
    assert lines.mended(page, page.read_text())[1] == []


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "code.py").write_text(CODE)
    return tmp_path / "page.md"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("LIMIT", "L3-L4"),
        ("first", "L7-L9"),
        ("first()", "L7-L9"),
        ("code.first", "L7-L9"),
        ("Second.method", "L16-L17"),
        ("code.Second.field", "L13-L14"),
    ],
)
def test_what_a_link_names_is_found(page: Path, text: str, place: str):
    better, wrong = lines.mended(page, f"see [`{text}`](code.py#L1-L2) and on")
    assert better == f"see [`{text}`](code.py#{place}) and on" and len(wrong) == 1
    assert lines.mended(page, better) == (better, [])


@pytest.mark.parametrize("link", ["[`gone`](code.py#L1)", "[`first`](none.py#L7-L9)"])
def test_what_is_not_there_is_said(page: Path, link: str):
    assert lines.mended(page, link) == (link, [lines.mended(page, link)[1][0]])


def test_whole_files_and_other_links_are_left_alone(page: Path):
    source = "[`code.py`](code.py), [`first`](https://example.org) and [first](other.md#L1)"
    assert lines.mended(page, source) == (source, [])
