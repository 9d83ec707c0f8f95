"""The comparison of tokenizers: figures for a table, and their section on the page of a run.

The pieces of a text are hostile text like any other: what cannot be seen is shown by a sign, and
the page escapes everything. The colours are those of the page's style, for paper light and dark.
"""

from collections.abc import Sequence
from html import escape

from bardling.evaluation.tokenizers import Comparison, Row

HEADS = ("", "vocabulary", "tokens", "bytes per token", "attention", "learned", "encodes")
_SIGNS = {code: 0x2400 + code for code in range(32)} | {9: "⇥", 10: "⏎", 127: "␡"}

STYLE = """
:root { --cut-a: #cfe3ee; --cut-b: #f2ddd3; --cut-c: #dfe8cf; --cut-d: #e8dcee; }
@media (prefers-color-scheme: dark) { :root { --cut-a: #27465a; --cut-b: #5f3d2f;
  --cut-c: #3c4f26; --cut-d: #4c3757; } }
.wide { overflow-x: auto; } .wide table { font-size: .92rem; min-width: 36rem; }
.wide td { vertical-align: top; } .wide td:first-child { white-space: nowrap; }
tr td.cut { white-space: pre; font-weight: normal; }
tr td.cut + td.cut { overflow-wrap: anywhere; white-space: pre-wrap; }
.cut span { unicode-bidi: isolate; padding: .1em 0; background: var(--cut-a); }
.cut span:nth-child(4n + 2) { background: var(--cut-b); }
.cut span:nth-child(4n + 3) { background: var(--cut-c); }
.cut span:nth-child(4n) { background: var(--cut-d); }
"""


def row_cells(row: Row) -> list[str]:
    """Return the name and the figures of a tokenizer as texts."""
    trained = "before" if row.train_seconds is None else f"{row.train_seconds:.2f} s"
    return [
        row.name,
        f"{row.vocab_size:,}",
        f"{row.n_tokens:,}",
        f"{row.bytes_per_token:.2f}",
        f"{row.attention:.3f}",
        trained,
        f"{row.encode_speed:.1f} MB/s",
    ]


def visible(piece: str) -> str:
    """Return a piece of text with a sign for each character that would do something."""
    return piece.translate(_SIGNS)


def tokenizer_section(found: Comparison) -> str:
    """Return the section of the page, with a heading, as HTML."""
    word = f"<b>{escape(visible(found.new_word))}</b>"
    if found.is_new:
        about = f"The word {word} is not in the text that was learned from"
    else:
        about = f"The validation text has no new word; its longest is {word}"
    parts = [
        "<h2>Tokenizers</h2>",
        "<p>The text of this run, cut in other ways. What learns does so from "
        f"{found.n_train_bytes:,} bytes of the training text, and all are measured on "
        f"{found.n_bytes:,} bytes of the validation text. Attention is what it costs to let every "
        "token look at all others, with characters as 1.</p>",
        _figures(found.rows),
        f"<p>{about}. This is how each cuts it, and the first tokens of the validation text:</p>",
        _pieces(found),
    ]
    if found.left_out:
        reasons = "; ".join(found.left_out)
        parts.append(f'<p class="facts">Left out: {escape(reasons)}.</p>')
    return "\n".join(parts)


def _figures(rows: Sequence[Row]) -> str:
    head = "".join(_cell("th", text, is_number=bool(text)) for text in HEADS)
    lines = [
        "".join(_cell("td", text, is_number=n > 0) for n, text in enumerate(row_cells(row)))
        for row in rows
    ]
    return _table(head, rows, lines)


def _pieces(found: Comparison) -> str:
    heads = ("", "the word" if found.is_new else "a word", "the first tokens")
    head = "".join(_cell("th", text, is_number=False) for text in heads)
    lines = [
        _cell("td", row.name, is_number=False) + _cut(row.new_word) + _cut(row.beginning)
        for row in found.rows
    ]
    return _table(head, found.rows, lines)


def _table(head: str, rows: Sequence[Row], lines: Sequence[str]) -> str:
    marks = (' class="model"' if row.is_own else "" for row in rows)
    marked = "".join(f"<tr{mark}>{line}</tr>\n" for mark, line in zip(marks, lines, strict=True))
    return f'<div class="wide"><table>\n<tr>{head}</tr>\n{marked}</table></div>'


def _cell(tag: str, text: str, *, is_number: bool) -> str:
    mark = ' class="number"' if is_number else ""
    return f"<{tag}{mark}>{escape(text)}</{tag}>"


def _cut(pieces: Sequence[str]) -> str:
    """Return a cell with each piece on a ground of another colour than its neighbours."""
    spans = "".join(f"<span>{escape(visible(piece))}</span>" for piece in pieces)
    return f'<td class="cut">{spans}</td>'
