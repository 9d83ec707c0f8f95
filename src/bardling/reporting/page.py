"""The page of a run: one HTML file with everything in it, to look at and to send to someone.

Text from outside (names, samples, settings) is escaped; nothing on the page is loaded from
elsewhere, and no script runs.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from bardling.evaluation.diagnosis import Reading
from bardling.evaluation.standing import Standing, Told, summary
from bardling.evaluation.tokenizers import Comparison
from bardling.reporting.console import clock, count, nats
from bardling.reporting.curves import Curve, loss_chart
from bardling.reporting.moments import STYLE as MOMENTS_STYLE
from bardling.reporting.moments import Moments, moments_section
from bardling.reporting.tokenizer_section import STYLE as TOKENIZER_STYLE
from bardling.reporting.tokenizer_section import tokenizer_section

STYLE = """
:root { color-scheme: light dark; --ink: #222; --paper: #fdfcf8; --soft: #8a8578; --good: #4a7c3a;
  --bad: #b5483e; --line: #e2ddd0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e4da; --paper: #1c1b19; --soft: #948f83;
  --good: #8fbf7f; --bad: #e08178; --line: #3a3833; } }
body { font: 16px/1.55 Georgia, 'Times New Roman', serif; color: var(--ink);
  background: var(--paper); max-width: 46rem; margin: 2.5rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.7rem; margin-bottom: 0; } h2 { font-size: 1.2rem; margin-top: 2.4rem; }
.facts, .why, th, figcaption { color: var(--soft); font-size: .92rem; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: normal; }
td, th { padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); }
.number { text-align: right !important; padding-right: 1.2rem; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.model td { font-weight: bold; }
figure { margin: 1rem 0; } blockquote { margin: .8rem 0 1.2rem; padding-left: 1rem;
  border-left: 3px solid var(--line); white-space: pre-wrap; overflow-wrap: anywhere; }
blockquote.story { border-color: var(--good); } .rest { color: var(--soft); }
.where { color: var(--bad); } code { font-size: .9em; white-space: pre-wrap;
  overflow-wrap: anywhere; } table.words td { vertical-align: top; }
.cosine { color: var(--soft); font-size: .85em; }
"""


def run_page(
    *,
    name: str,
    facts: Sequence[str],
    metrics: Sequence[Mapping[str, Any]],
    standing: Standing,
    samples: Sequence[Told],
    by_grammar: bool,
    advice: Sequence[tuple[str, str]],
    tokenizers: Comparison | str | None = None,
    readings: Sequence[Reading] = (),
    moments: Moments | None = None,
    inside: Sequence[str] = (),
) -> str:
    """Return the page of a run as HTML.

    `samples` are what the model writes now, `by_grammar` tells whether they should be stories, and
    `advice` are commands to try next, each with what it does. `tokenizers` are compared, or it says
    why they are not; with None the page does not speak of them. `moments` are the best step and the
    last of a run that went on past its best; `inside` is what probing found, as HTML.
    """
    parts = [
        f"<h1>{escape(name)}</h1>",
        f'<p class="facts">{escape(" · ".join(facts))}</p>',
        "<h2>How the loss fell</h2>",
        f"<figure>{_chart(metrics, standing)}</figure>",
        *(
            f"<p><b>{escape(one.pattern)}</b>: {escape(one.detail)}. What helps: "
            f"{escape(one.cure)}.</p>"
            for one in readings
        ),
        "<h2>Where it stands</h2>",
        _standing_table(standing),
        "<h2>What it wrote on the way</h2>",
        *_history(metrics),
        *(["<h2>What it writes now</h2>"] if samples else []),
        *([_share(samples)] if by_grammar else []),
        *(_sample(sample, by_grammar=by_grammar) for sample in samples[:8]),
        *(["<h2>Best and last</h2>", moments_section(moments)] if moments else []),
        *inside,
        *_tokenizers(tokenizers),
        "<h2>What to try next</h2>",
        *(f"<p><code>{escape(c)}</code><br>{escape(why)}</p>" for c, why in advice),
    ]
    return document(name, parts, style=TOKENIZER_STYLE + MOMENTS_STYLE)


def document(title: str, parts: Sequence[str], *, style: str = "") -> str:
    """Return a whole page of parts that are HTML already."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)} - bardling</title>\n"
        f"<style>{STYLE}{style}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _chart(metrics: Sequence[Mapping[str, Any]], standing: Standing) -> str:
    """Draw training and validation loss over tokens, and the levels to compare with."""
    curves = []
    for key, label in (("train_loss", "training text"), ("val_loss", "validation text")):
        points = [r for r in metrics if r.get(key) is not None]
        curve = Curve(label=label, x=[r["tokens"] for r in points], y=[r[key] for r in points])
        curves.append(curve)
    known = {
        "chance": standing.chance,
        "2-grams": standing.bigram,
        "7-grams": standing.ngram,
        "floor": standing.floor,
    }
    levels = {name: level for name, level in known.items() if level is not None}
    return loss_chart(curves, levels, x_label="tokens trained on")


def standing_rows(standing: Standing) -> list[tuple[str, float, str]]:
    """Return (name, loss, meaning) from the worst to the best that there could be."""
    closed = ""
    if standing.closed is not None:
        behind = standing.closed < 0
        closed = (
            ", behind the 7-grams" if behind else f", {standing.closed:.0%} of the way to the floor"
        )
    if standing.bits_per_byte is not None:
        closed += f", {standing.bits_per_byte:.4f} bits per byte"
    rows: list[tuple[str, float | None, str]] = [
        ("chance", standing.chance, "knowing nothing"),
        ("2-grams", standing.bigram, "counting pairs of tokens"),
        ("7-grams", standing.ngram, "counting up to seven, modified Kneser-Ney"),
        ("this model", standing.model, f"on the whole validation split{closed}"),
        ("floor", standing.floor, "what the language leaves to chance"),
    ]
    return [(name, loss, meaning) for name, loss, meaning in rows if loss is not None]


def _standing_table(standing: Standing) -> str:
    lines = []
    for row, loss, meaning in standing_rows(standing):
        mark = ' class="model"' if row == "this model" else ""
        lines.append(
            f'<tr{mark}><td>{row}</td><td class="number">{loss:.4f}</td>'
            f"<td>{escape(meaning)}</td></tr>"
        )
    head = '<tr><th></th><th class="number">nats per token</th><th></th></tr>'
    return f"<table>{head}{''.join(lines)}</table>"


def _history(metrics: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the samples of a few validations: first, last, the best one, some between."""
    written = [record for record in metrics if record.get("sample")]
    if not written:
        return []
    losses = [math.inf if r["val_loss"] is None else r["val_loss"] for r in written]
    best = losses.index(min(losses))
    last = len(written) - 1
    return [
        f'<p class="facts">step {record["step"]:,}, {count(record["tokens"])} tokens, '
        f"{clock(record['seconds'])}, validation loss {nats(record['val_loss'])}"
        f"{', the lowest' if record is written[best] else ''}</p>"
        f"<blockquote>{escape(record['sample'])}</blockquote>"
        for record in (
            written[place] for place in sorted({0, last // 3, 2 * last // 3, best, last})
        )
    ]


def _tokenizers(found: Comparison | str | None) -> list[str]:
    if isinstance(found, Comparison):
        return [tokenizer_section(found)]
    return [] if found is None else [f'<p class="facts">Tokenizers: {escape(found)}.</p>']


def _share(samples: Sequence[Told]) -> str:
    return (
        f"<p>{summary(samples)} on average. A story is one from the first character to the last: "
        "every name, pronoun, colour and number as it was before. What comes after the first "
        "mistake is grey.</p>"
    )


def _sample(sample: Told, *, by_grammar: bool) -> str:
    if not by_grammar:
        return f"<blockquote>{escape(sample.text)}</blockquote>"
    if sample.reason is None:
        return f'<blockquote class="story">{escape(sample.text)}</blockquote>'
    good, rest = escape(sample.text[: sample.end]), escape(sample.text[sample.end :])
    return (
        f'<blockquote>{good}<span class="where">|</span>'
        f'<span class="rest">{rest}</span></blockquote>'
        f'<p class="why">{escape(sample.reason)}</p>'
    )
