"""Two moments of a run that went on past its best, as part of its page."""

from dataclasses import dataclass
from html import escape

from bardling.evaluation.writing import COPIED_WORDS, DISTINCT, Writing

STYLE = """
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); gap: 0 1.5rem; }
.pair p { margin-bottom: 0; }
"""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A step of a run, what it writes, and what is measured of that."""

    step: int
    val_loss: float
    text: str
    writing: Writing


Moments = tuple[Moment, Moment]
"""The best step and the last."""


def told_of(moment: Moment, word: str) -> str:
    """Return a moment in one line."""
    return (
        f"{word} step {moment.step:,}: loss {moment.val_loss:.4f}, writing copies "
        f"{moment.writing.copied:.1%} of its runs of {COPIED_WORDS} words, "
        f"{len(moment.writing.longest_copy)} characters at most"
    )


def moments_section(moments: Moments) -> str:
    """Return both as HTML: what was measured, and a text of each."""
    names = ("the best step", "the last step")
    heads = "".join(f'<th class="number">{name}</th>' for name in names)
    rows = zip(*map(_figures, moments), strict=True)
    lines = "".join(
        f"<tr><td>{escape(label)}</td>"
        f'<td class="number">{escape(one)}</td><td class="number">{escape(other)}</td></tr>'
        for (label, one), (_, other) in rows
    )
    texts = "".join(
        f'<div><p class="facts">{name}, {moment.step:,}</p>'
        f"<blockquote>{escape(moment.text)}</blockquote></div>"
        for name, moment in zip(names, moments, strict=True)
    )
    return (
        "<p>The same draws by both; the run went on after the loss on the validation text was "
        "lowest. They are compared with the beginning of the training text, up to two million "
        "characters.</p>"
        f'<table><tr><th></th>{heads}</tr>{lines}</table><div class="pair">{texts}</div>'
    )


def _figures(moment: Moment) -> list[tuple[str, str]]:
    """Return (what it is, figure) of a moment."""
    writing = moment.writing
    return [
        ("step", f"{moment.step:,}"),
        ("validation loss", f"{moment.val_loss:.4f}"),
        ("words that stand in the training text", f"{writing.known_words:.1%}"),
        (f"runs of {DISTINCT} words that are different ones", f"{writing.distinct:.1%}"),
        (f"runs of {COPIED_WORDS} words that stand there", f"{writing.copied:.1%}"),
        ("longest copy, in characters", f"{len(writing.longest_copy)}"),
    ]
