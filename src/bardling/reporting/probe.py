"""`probe`: what a run's model knows of words, where it looks, and how sure it is; with a page."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from warnings import warn

import torch
from jaxtyping import Int64
from torch import Tensor

from bardling import storage
from bardling.checkpoint import Checkpoint, open_checkpoint
from bardling.data.documents import known_documents
from bardling.data.stories.truth import analogies, nouns
from bardling.data.token_folder import open_split
from bardling.data.tokens import Tokens
from bardling.evaluation.analogies import Vectors, solved
from bardling.evaluation.probes import (
    dead_units,
    gradients_by_block,
    next_logits,
    places_table,
    tempered,
)
from bardling.evaluation.word_vectors import embedded_vectors, frequent_words, read_vectors
from bardling.generation.text import read_prompt
from bardling.model.attention import attention_weights
from bardling.model.gpt import GPT
from bardling.reporting.probe_page import Probe, Solved, probe_page, probe_parts
from bardling.run_folder import RunFolder, find_run, runs_folder
from bardling.text.tokenizer import Tokenizer

READ_TOKENS = 400_000
CANDIDATES = 300
"""Words that may be neighbours: the most frequent ones."""
SHOWN_WORDS, SHOWN_NEIGHBOURS = 8, 5
ATTENDED_TOKENS, PROMPT_TOKENS = 48, 24
BATCH_ROWS = 16


def probe(
    folder: str | Path,
    *,
    words: Sequence[str] = (),
    prompt: str = "",
    checkpoint: str = "best",
    note: Callable[[str], None] = warn,
) -> Probe:
    """Look inside a run's model, and leave `probe.html` in its folder.

    `words` are those whose neighbours are shown, `prompt` what attention and the next token are
    shown for; without them the run's own text gives some. `note` hears what should be known.
    """
    run = find_run(folder, runs_folder())
    loaded = open_checkpoint(run, checkpoint, note)
    done, parts = look_inside(run, loaded, words=words, prompt=prompt, note=note)
    storage.write_text(done.path, probe_page(done, parts))
    return done


def look_inside(
    run: RunFolder,
    loaded: Checkpoint,
    *,
    words: Sequence[str] = (),
    prompt: str = "",
    note: Callable[[str], None],
) -> tuple[Probe, list[str]]:
    """Return what a probe of a run's checkpoint finds, and the same as parts of a page."""
    model, tokenizer = loaded.build_model().float(), loaded.tokenizer
    train = open_split(run.tokens_path, "train", tokenizer)
    told = known_documents(open_split(run.tokens_path, "val", tokenizer), tokenizer) is not None
    texts = list(some_texts(train, tokenizer, model.config.block_size))
    candidates = _candidates(texts, words, told=told)
    vectors = {
        "table": embedded_vectors(model, tokenizer, candidates),
        "reading": read_vectors(model, tokenizer, candidates, texts),
    }
    for word in words:
        if word not in vectors["reading"].words:
            note(f"'{word}' does not stand in the text that was read")
    room = min(ATTENDED_TOKENS, model.config.block_size)
    start = read_prompt(prompt or _beginning(texts, tokenizer), tokenizer, room)
    batch = _first_batch(train, model.config.block_size)
    done = Probe(
        name=run.name,
        step=loaded.state.step,
        vectors=vectors,
        words=tuple(words or _shown(candidates, told=told)),
        analogies=tuple(_analogies(vectors) if told else ()),
        prompt=start.text,
        tempered=tuple(tempered(next_logits(model, start.ids))),
        dead=tuple(dead_units(model, batch)),
        gradients=_gradients(model, batch),
        path=run.path / "probe.html",
    )
    attention = [layer[0] for layer in attention_weights(model, torch.tensor([start.ids]))]
    places = places_table(model)
    return done, probe_parts(done, tokenizer, attention=attention, ids=start.ids, places=places)


def _beginning(texts: Sequence[str], tokenizer: Tokenizer) -> str:
    """Return the first tokens of the first text."""
    ids = tokenizer.encode(texts[0], unknown="skip") if texts else []
    return tokenizer.decode(ids[:PROMPT_TOKENS])


def _first_batch(tokens: Tokens, block_size: int) -> Int64[Tensor, "batch time"]:
    """Return the first tokens in rows of a context, or in one shorter row."""
    ids = torch.from_numpy(tokens[: BATCH_ROWS * block_size].astype("int64"))
    whole = len(ids) // block_size * block_size
    return ids[:whole].view(-1, block_size) if whole else ids[None]


def some_texts(tokens: Tokens, tokenizer: Tokenizer, block_size: int) -> Iterator[str]:
    """Yield the documents at the beginning of some tokens, in pieces that fit into the context."""
    ids = tokens[:READ_TOKENS]
    end = tokenizer.end_token
    ends = [] if end is None else (ids == end).nonzero()[0].tolist()
    first = 0
    for last in (*ends, len(ids)):
        for start in range(first, last, block_size):
            text = tokenizer.decode(ids[start : min(start + block_size, last)])
            yield text if start == first else text.partition(" ")[2]  # from a whole word on
        first = last + 1


def _candidates(texts: Sequence[str], words: Sequence[str], *, told: bool) -> list[str]:
    known = [noun.text for noun in nouns()] if told else []
    frequent = frequent_words(texts, CANDIDATES)
    return list(dict.fromkeys([*words, *known, *frequent]))


def _shown(candidates: Sequence[str], *, told: bool) -> list[str]:
    """Return some words worth a look: nouns of the grammar, or words of middling frequency."""
    if told:
        return [noun.text for noun in nouns()][:: max(1, len(nouns()) // SHOWN_WORDS)][:SHOWN_WORDS]
    middle = candidates[len(candidates) // 6 :]
    return list(middle[:: max(1, len(middle) // SHOWN_WORDS)][:SHOWN_WORDS])


def _analogies(vectors: dict[str, Vectors]) -> Iterator[Solved]:
    """Ask each kind of vectors the analogies of the grammar, with its nouns as answers."""
    for source, found in vectors.items():
        among = found.among(noun.text for noun in nouns())
        for respect in ("gender", "age"):
            asked = [one for one in analogies(respect) if set(one) <= set(among.words)]
            right, total = solved(among, asked)
            chance = 1 / max(1, len(among.words) - 3)
            yield Solved(respect=respect, source=source, right=right, total=total, chance=chance)


def _gradients(model: GPT, batch: Int64[Tensor, "batch time"]) -> dict[str, list[float]]:
    """Return the gradients of new models like this one, with and without residuals."""
    if model.config.n_layer == 0:
        return {}
    rows = batch[:4].cpu()
    return {
        word: gradients_by_block(replace(model.config, residual=residual, dropout=0.0), rows)
        for word, residual in (("with residuals", True), ("without", False))
    }
