"""What a model knows of words, as vectors: its table of embeddings, and what it makes of a text.

A word may be several tokens. In the table it is the mean of theirs; read in a text it is the stream
at its last token, where the model has seen all of it, averaged over layers and over the places
where the word stands (Ethayarajh 2019, "How contextual are contextualized word representations?",
has the first layers' averages as good static vectors).
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from bardling.evaluation.analogies import Vectors, unit_vectors
from bardling.model.gpt import GPT
from bardling.text.tokenizer import Tokenizer

MOST_PLACES = 100  # of each word that are read
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")


def frequent_words(texts: Iterable[str], count: int, *, least_letters: int = 3) -> list[str]:
    """Return the words that stand most often in some texts, without those with capitals."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(word for word in _WORD.findall(text) if word == word.lower())
    return [word for word, _ in counts.most_common() if len(word) >= least_letters][:count]


def embedded_vectors(model: GPT, tokenizer: Tokenizer, words: Sequence[str]) -> Vectors:
    """Return each word's mean over the rows of its tokens in the table, as after a space."""
    if not words:
        return _nothing(model)
    table = model.embedding.weight.detach().double().cpu()
    rows = [
        table[tokenizer.encode(f" {word}", unknown="skip") or [0]].mean(dim=0) for word in words
    ]
    return unit_vectors(words, torch.stack(rows).numpy())


@torch.no_grad()
def read_vectors(
    model: GPT, tokenizer: Tokenizer, words: Sequence[str], texts: Iterable[str]
) -> Vectors:
    """Return what the model makes of each word where it stands in texts.

    Words that stand nowhere are left out. Of every text the beginning is read that fits into the
    context, and of every word at most `MOST_PLACES` places.
    """
    if not words:
        return _nothing(model)
    pattern = re.compile(
        rf"\b(?:{'|'.join(sorted(map(re.escape, words), key=len, reverse=True))})\b"
    )
    sums = dict.fromkeys(words, torch.zeros(model.config.n_embd, dtype=torch.float64))
    seen: Counter[str] = Counter()
    for text in texts:
        ids = tokenizer.encode(text, unknown="skip")[: model.config.block_size]
        ends = np.cumsum(tokenizer.token_sizes[ids])
        found = [
            (match[0], int(np.searchsorted(ends, len(text[: match.end()].encode()))))
            for match in pattern.finditer(text)
            if seen[match[0]] < MOST_PLACES
        ]
        found = [(word, place) for word, place in found if place < len(ids)]
        if not found:
            continue
        streams = _mean_stream(model, torch.tensor([ids], device=model.device))
        for word, place in found:
            seen[word] += 1
            sums[word] = sums[word] + streams[place]
        if all(seen[word] >= MOST_PLACES for word in words):
            break
    known = [word for word in words if seen[word]]
    if not known:
        return _nothing(model)
    return unit_vectors(known, torch.stack([sums[word] / seen[word] for word in known]).numpy())


def _nothing(model: GPT) -> Vectors:
    return Vectors(words=(), values=np.zeros((0, model.config.n_embd)))


def _mean_stream(model: GPT, ids: Tensor) -> Tensor:
    """Return the stream at each token, averaged over the layers; each by its own length."""
    streams: list[Tensor] = []
    hooks = [
        block.register_forward_hook(lambda _, __, out: streams.append(out[0]))
        for block in model.blocks
    ]
    try:
        model(ids)
    finally:
        for hook in hooks:
            hook.remove()
    streams = streams or [model.embedding(ids)[0]]  # a model without blocks
    each = [stream.double().cpu() for stream in streams]
    scaled = [stream / stream.norm(dim=1, keepdim=True).mean() for stream in each]
    return torch.stack(scaled).mean(dim=0)
