"""The page of a probe."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from bardling.data.stories.truth import nouns
from bardling.evaluation.analogies import Vectors
from bardling.evaluation.probes import Tempered, shown
from bardling.reporting.charts import svg
from bardling.reporting.page import document
from bardling.reporting.probe_charts import attention_grid, gradient_chart, places_image, word_map
from bardling.text.tokenizer import Tokenizer

MAPPED_WORDS = 80


@dataclass(frozen=True, kw_only=True)
class Solved:
    """How many analogies of the grammar come out right."""

    respect: str
    source: str
    """Which vectors."""
    right: int
    total: int
    chance: float
    """The share that guessing among the nouns gets."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What was found, and where the page is."""

    name: str
    step: int
    vectors: dict[str, Vectors]
    """By where they come from."""
    words: tuple[str, ...]
    """Those whose neighbours are shown."""
    analogies: tuple[Solved, ...]
    """Empty where the text has no grammar that knows them."""
    prompt: str
    tempered: tuple[Tempered, ...]
    dead: tuple[float, ...]
    gradients: dict[str, list[float]]
    path: Path


def probe_page(probe: Probe, parts: Sequence[str]) -> str:
    """Return a page of the parts of a probe as HTML."""
    title = f"Inside {probe.name}"
    head = [f"<h1>{escape(title)}</h1>", f'<p class="facts">step {probe.step:,}</p>']
    return document(title, [*head, *parts])


def probe_parts(
    probe: Probe,
    tokenizer: Tokenizer,
    *,
    attention: Sequence[Float[Tensor, "head time time"]],
    ids: Sequence[int],
    places: Float[Tensor, "place width"] | None,
) -> list[str]:
    """Return what was found as HTML, for a page of its own or that of the run."""
    tokens = [shown(tokenizer, token) for token in ids]
    return [
        "<h2>Neighbours</h2>",
        "<p>The nearest words by the cosine between vectors: rows of the embedding table, and the "
        "stream where the model has just read the word, averaged over layers and places.</p>",
        _neighbours(probe),
        *_analogies(probe),
        "<h2>Words on a plane</h2>",
        f"<figure>{_map(probe)}</figure>",
        *_attention(attention, tokens),
        "<h2>What comes next</h2>",
        f"<p>After <code>{escape(probe.prompt)}</code>, at several temperatures.</p>",
        _tempered(probe, tokenizer),
        *_places(places),
        *_training(probe),
    ]


def _neighbours(probe: Probe) -> str:
    heads = "".join(f"<th>{escape(source)}</th>" for source in probe.vectors)
    lines = []
    for word in probe.words:
        cells = []
        for vectors in probe.vectors.values():
            near = vectors.neighbours(word, 5) if word in vectors.words else []
            cells.append(", ".join(
                f'{escape(other)} <span class="cosine">{cosine:.2f}</span>'
                for other, cosine in near
            ))  # fmt: skip
        lines.append(
            f"<tr><td>{escape(word)}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        )
    return f'<table class="words"><tr><th></th>{heads}</tr>{"".join(lines)}</table>'


def _analogies(probe: Probe) -> list[str]:
    if not probe.analogies:
        return []
    lines = "".join(
        f'<tr><td>{one.respect}</td><td>{escape(one.source)}</td><td class="number">'
        f"{one.right / max(1, one.total):.0%}</td><td>{one.right:,} of {one.total:,}; "
        f"guessing {one.chance:.1%}</td></tr>"
        for one in probe.analogies
    )
    return [
        "<h2>Analogies</h2>",
        "<p>a is to b as c is to d, asked of the vectors b - a + c, with the grammar's nouns as "
        "answers; factorising counts of neighbours solves more than 95 % (docs/results.md).</p>",
        f"<table>{lines}</table>",
    ]


def _map(probe: Probe) -> str:
    vectors = probe.vectors["reading"]
    known = {noun.text: noun.kind for noun in nouns()} if probe.analogies else {}
    words = [word for word in vectors.words if word in known] or list(vectors.words)
    chosen = vectors.among(words[:MAPPED_WORDS])
    if len(chosen.words) < 3:
        return ""
    return svg(word_map(chosen.words, chosen.flat(), known))


def _attention(weights: Sequence[Float[Tensor, "head time time"]], tokens: list[str]) -> list[str]:
    if not weights or len(tokens) < 2:
        return []
    picture = attention_grid([layer.float().cpu() for layer in weights], tokens)
    return [
        "<h2>Attention</h2>",
        "<p>Each row is a token of the text below, each column one that it may look at; bright is "
        f"much.</p><p><code>{escape(''.join(tokens))}</code></p>",
        f"<figure>{svg(picture)}</figure>",
    ]


def _tempered(probe: Probe, tokenizer: Tokenizer) -> str:
    lines = "".join(
        f'<tr><td class="number">{one.temperature:g}</td><td class="number">{one.entropy:.3f}</td>'
        "<td>" + ", ".join(
            f'<code>{escape(shown(tokenizer, token))}</code> <span class="cosine">{p:.0%}</span>'
            for token, p in one.likeliest
        ) + "</td></tr>"
        for one in probe.tempered
    )  # fmt: skip
    return (
        '<table><tr><th class="number">temperature</th><th class="number">entropy, nats</th>'
        f"<th>likeliest tokens</th></tr>{lines}</table>"
    )


def _places(table: Float[Tensor, "place width"] | None) -> list[str]:
    if table is None:
        return []
    return ["<h2>Places</h2>", "<p>What is added to a token for its place in the context.</p>",
            f"<figure>{svg(places_image(table))}</figure>"]  # fmt: skip


def _training(probe: Probe) -> list[str]:
    parts = []
    if probe.gradients:
        parts += [
            "<h2>Gradients by block</h2>",
            "<p>Of a new model like this one, before its first step, on one batch.</p>",
            f"<figure>{svg(gradient_chart(probe.gradients))}</figure>",
        ]
    if probe.dead:
        listed = ", ".join(f"{share:.1%}" for share in probe.dead)
        parts += [
            "<h2>Dead units</h2>",
            f"<p>ReLU units that no token wakes, by block: {listed}.</p>",
        ]
    return parts
