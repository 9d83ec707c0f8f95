"""Pictures of what is inside a model: words on a plane, attention, places, gradients by layer."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Float64
from torch import Tensor

from bardling.reporting.charts import Figure, finished
from bardling.reporting.curves import COLOURS, GREY, matplotlib

MOST_LAYERS, MOST_HEADS = 8, 8
SHOWN_LETTERS = 40  # longer rows of tokens have no labels


def word_map(
    words: Sequence[str], places: Float64[np.ndarray, "words 2"], groups: Mapping[str, str]
) -> Figure:
    """Return words where they lie on a plane, each in the colour of its group."""
    figure = matplotlib("figure").Figure(figsize=(8, 6))
    axes = figure.subplots()
    names = list(dict.fromkeys(groups.get(word, "") for word in words))
    shades = dict(zip(names, COLOURS * (len(names) // len(COLOURS) + 1), strict=False))
    for word, (x, y) in zip(words, places, strict=True):
        axes.annotate(
            word, (x, y), ha="center", va="center", fontsize=8,
            color=shades[groups.get(word, "")],
        )  # fmt: skip
    axes.set_xlim(*_room(places[:, 0]))
    axes.set_ylim(*_room(places[:, 1]))
    axes.set_xticks([])
    axes.set_yticks([])
    return finished(figure, axes)


def _room(values: Float64[np.ndarray, " words"]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.08 * (high - low) or 1.0
    return low - margin, high + margin


def attention_grid(
    weights: Sequence[Float[Tensor, "head time time"]], tokens: Sequence[str]
) -> Figure:
    """Return a square for each layer and head: who (row) looks at whom (column)."""
    layers, heads = min(len(weights), MOST_LAYERS), min(len(weights[0]), MOST_HEADS)
    figure = matplotlib("figure").Figure(figsize=(1.7 * heads + 0.6, 1.75 * layers + 0.4))
    grid = figure.subplots(layers, heads, squeeze=False)
    for layer in range(layers):
        for head in range(heads):
            axes = grid[layer][head]
            axes.imshow(weights[layer][head].numpy(), cmap="viridis", vmin=0.0)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_title(f"layer {layer + 1}, head {head + 1}", fontsize=7, color=GREY)
            if head == 0 and len(tokens) <= SHOWN_LETTERS:
                axes.set_yticks(range(len(tokens)), tokens, fontsize=max(3, 60 // len(tokens)))
            finished(figure, axes)
    return figure


def places_image(table: Float[Tensor, "place width"]) -> Figure:
    """Return the vectors of places as an image, a row for each place."""
    figure = matplotlib("figure").Figure(figsize=(7, 3.6))
    axes = figure.subplots()
    bound = float(table.abs().quantile(0.99)) or 1.0
    axes.imshow(table.numpy(), cmap="RdBu", aspect="auto", vmin=-bound, vmax=bound)
    axes.set_xlabel("channel")
    axes.set_ylabel("place")
    return finished(figure, axes)


def gradient_chart(lengths: Mapping[str, Sequence[float]]) -> Figure:
    """Return the length of each block's gradient, a line for each kind of model."""
    figure = matplotlib("figure").Figure(figsize=(6, 3.2))
    axes = figure.subplots()
    for (name, values), colour in zip(lengths.items(), COLOURS, strict=False):
        axes.plot(range(1, len(values) + 1), values, "o-", label=name, color=colour)
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(matplotlib("ticker").MaxNLocator(integer=True))
    axes.set_xlabel("block")
    axes.set_ylabel("length of its gradient")
    axes.legend(frameon=False, labelcolor=GREY, fontsize=8)
    return finished(figure, axes)
