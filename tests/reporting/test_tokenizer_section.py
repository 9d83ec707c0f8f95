"""The tokenizers on the page of a run: all figures are there, and no piece of text is alive."""

from html.parser import HTMLParser

import pytest

from bardling.evaluation.tokenizers import compare_on
from bardling.reporting.tokenizer_section import STYLE, row_cells, tokenizer_section, visible
from bardling.text.bpe import BPETokenizer

HOSTILE = '<script>alert("1")</script> & </td></table> <img src=x onerror="y"> \x1b[31m\r\n\u202e'
ALLOWED = {"h2", "p", "b", "div", "table", "tr", "th", "td", "span"}


class Cells(HTMLParser):
    """Collects tags, names of attributes, marks of rows, all text, and the pieces of each cut."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.names, self.marks, self.text, self.cuts = set(), set(), [], "", []
        self.is_piece = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}
        if tag == "tr":
            self.marks.append(dict(attrs).get("class"))
        if dict(attrs).get("class") == "cut":
            self.cuts.append([])
        self.is_piece = tag == "span"
        if self.is_piece:
            self.cuts[-1].append("")

    def handle_data(self, data):
        self.text += data
        if self.is_piece:
            self.cuts[-1][-1] += data

    def handle_endtag(self, tag):
        self.is_piece = False


def hostile():
    text = HOSTILE * 40
    own = BPETokenizer.train([text], vocab_size=300)
    return compare_on(text, HOSTILE + "<scripts>" * 9, sizes=(280, 400), own=own)


def test_no_piece_of_text_is_alive():
    found = hostile()
    shown = Cells(tokenizer_section(found))
    assert shown.tags == ALLOWED and shown.names == {"class"}
    assert any("<script>" in "".join(row.beginning) for row in found.rows)
    assert "<script>" in shown.text
    assert not any(ord(c) < 32 and c != "\n" for c in shown.text)


def test_a_name_and_a_reason_are_only_text():
    found = hostile()
    bad = type(found)(
        rows=tuple(type(row)(**(vars(row) | {"name": "<i>x"})) for row in found.rows),
        new_word="<i>",
        is_new=False,
        n_train_bytes=1,
        n_bytes=1,
        left_out=("<i>because</i>",),
    )
    shown = Cells(tokenizer_section(bad))
    assert "i" not in shown.tags and "<i>because</i>" in shown.text
    assert "has no new word; its longest is <i>" in shown.text


def test_all_figures_and_pieces_are_there_and_the_run_s_own_are_marked():
    found = hostile()
    page = tokenizer_section(found)
    shown = Cells(page)
    for row in found.rows:
        assert all(f">{text}</td>" in page for text in row_cells(row)[1:])
    cuts = [cut for row in found.rows for cut in (row.new_word, row.beginning)]
    assert shown.cuts == [list(map(visible, cut)) for cut in cuts]
    n_rows = len(found.rows)
    assert shown.marks == ([None] * n_rows + ["model"]) * 2
    assert found.new_word in shown.text


def test_neighbours_have_other_colours_on_paper_light_and_dark():
    for name in ("--cut-a", "--cut-b", "--cut-c", "--cut-d"):
        assert STYLE.count(f"{name}: #") == 2 and f"var({name})" in STYLE


@pytest.mark.parametrize(
    ("piece", "shown"),
    [(" a\n", " a⏎"), ("\t\r", "⇥␍"), ("\x1b[31m\x00\x7f", "␛[31m␀␡"), ("né 😀", "né 😀")],
)
def test_what_cannot_be_seen_has_a_sign(piece, shown):
    assert visible(piece) == shown
