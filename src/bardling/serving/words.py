"""Words of a served model as vectors: a plane of them, their neighbours, analogies.

Two kinds of vectors are told apart (evaluation/word_vectors.py): rows of the embedding table, and
what the model makes of words where it reads them. The second needs the text of the run.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import islice
from typing import Any, Literal

import numpy as np
import torch

from bardling.data.stories.truth import Noun, analogies, nouns
from bardling.data.token_folder import open_split
from bardling.data.tokens import Tokens
from bardling.errors import BardlingError, UsageError, nearest
from bardling.evaluation.analogies import Vectors, unit_vectors
from bardling.evaluation.word_vectors import embedded_vectors, frequent_words, read_vectors
from bardling.fields import show
from bardling.model.gpt import GPT
from bardling.reporting.probe import some_texts
from bardling.serving.looking import Looker, written
from bardling.text.characters import CharacterTokenizer

Source = Literal["table", "reading"]

MAPPED_WORDS = 240
READ_TOKENS, LEAST_TOKENS = 80_000, 4_000
"""Of the run's text: 100 places of the frequent words, and a second or two of a small model."""
READ_FLOPS = 3e11
"""A larger model reads less of it: nobody can stop a question on its way."""
COUNTED_TOKENS = 400_000
N_EXAMPLES = 6
ANSWERS = 5


class Words:
    """The words of one model, found when they are first asked for."""

    def __init__(self, looker: Looker) -> None:
        self.looker = looker
        self._vectors: dict[Source, Vectors] = {}

    def plane(self, source: Source) -> dict[str, Any]:
        """Return where words lie, of what kind each is where a grammar tells, and examples."""
        vectors = self._known(source)
        kinds = {noun.text: noun.kind for noun in self._nouns()}
        flat = vectors.flat() if len(vectors.words) > 2 else np.zeros((len(vectors.words), 2))
        return {
            "source": source,
            "sources": ["table", "reading"] if self._text is not None else ["table"],
            "words": [
                {"word": word, "x": round(float(x), 4), "y": round(float(y), 4)}
                | ({"kind": kinds[word]} if word in kinds else {})
                for word, (x, y) in zip(vectors.words, flat, strict=True)
            ],
            "examples": self._examples(vectors) if kinds else [],
        }

    def neighbours(self, word: str, source: Source, count: int) -> list[dict[str, Any]]:
        """Return the words nearest to one by the cosine between vectors."""
        vectors = self._with([word], source)
        return [
            {"word": other, "cosine": round(cosine, 4)}
            for other, cosine in vectors.neighbours(word, count)
        ]

    def analogy(self, a: str, b: str, c: str, source: Source) -> list[dict[str, Any]]:
        """Return what is to c as b is to a, the likeliest first: the nearest to b - a + c."""
        vectors = self._with([a, b, c], source)
        first, second, third = (vectors.values[vectors.words.index(word)] for word in (a, b, c))
        aim = second - first + third
        scores = vectors.values @ (aim / max(float(np.linalg.norm(aim)), 1e-12))
        ranked = [int(place) for place in np.argsort(-scores, kind="stable")]
        others = (place for place in ranked if vectors.words[place] not in (a, b, c))
        return [
            {"word": vectors.words[place], "cosine": round(float(scores[place]), 4)}
            for place in islice(others, ANSWERS)
        ]

    def _known(self, source: Source) -> Vectors:
        if source not in self._vectors:
            with self.looker.alone() as model:
                self._vectors[source] = self._find(model, source)
        return self._vectors[source]

    def _find(self, model: GPT, source: Source) -> Vectors:
        tokenizer, tokens = self.looker.run.tokenizer, self._text
        if source == "table":
            return self._from_table(model, self._token_words(tokens))
        if tokens is None:
            raise UsageError("the text of this run is not at hand, so no words can be read in it")
        room = max(1, model.config.block_size)
        weights = sum(one.numel() for one in model.parameters())
        n_tokens = min(READ_TOKENS, max(LEAST_TOKENS, int(READ_FLOPS / (2 * weights))))
        texts = list(islice(some_texts(tokens, tokenizer, room), 1 + n_tokens // room))
        words = self._with_nouns(frequent_words(texts, MAPPED_WORDS))
        return read_vectors(model, tokenizer, words, texts)

    def _with(self, words: Sequence[str], source: Source) -> Vectors:
        """Return the vectors with these words among them."""
        vectors = self._known(source)
        new = [word for word in dict.fromkeys(words) if word not in vectors.words]
        if not new:
            return vectors
        if source == "reading":
            raise UsageError(
                f"{show(new[0])} does not stand in the text that was read"
                f"{nearest(new[0], vectors.words)}"
            )
        tokenizer = self.looker.run.tokenizer
        for word in new:
            if not tokenizer.encode(word, unknown="skip"):
                raise UsageError(f"{show(word)} has no token here: give a word")
        with self.looker.alone() as model:
            return self._from_table(model, [*vectors.words, *new])

    def _from_table(self, model: GPT, words: Sequence[str]) -> Vectors:
        tokenizer = self.looker.run.tokenizer
        if not isinstance(tokenizer, CharacterTokenizer):
            return embedded_vectors(model, tokenizer, words)
        table = model.embedding.weight.detach().double().cpu()
        rows = [table[tokenizer.encode(word, unknown="skip")].mean(dim=0) for word in words]
        return unit_vectors(words, torch.stack(rows).numpy())

    def _token_words(self, tokens: Tokens | None) -> list[str]:
        """Return the words that are one token each, or the characters; the frequent ones first."""
        tokenizer = self.looker.run.tokenizer
        special = set(tokenizer.special_tokens.values())
        ids = [number for number in range(tokenizer.vocab_size) if number not in special]
        if tokens is not None:
            found = np.asarray(tokens[:COUNTED_TOKENS], dtype=np.int64)
            counts = np.bincount(found, minlength=tokenizer.vocab_size)
            ids.sort(key=lambda number: -int(counts[number]))
        texts = (written(tokenizer, number) for number in ids)
        if isinstance(tokenizer, CharacterTokenizer):
            return list(islice((text for text in texts if text.strip()), MAPPED_WORDS))
        words = (text[1:] for text in texts if text[:1] == " " and text[1:].isalpha())
        return self._with_nouns(list(islice(words, MAPPED_WORDS)))

    def _nouns(self) -> list[Noun]:
        """Return the nouns of the grammar where the run has learned its stories."""
        return nouns() if self.looker.run.config.data.corpus == "stories" else []

    def _with_nouns(self, words: Sequence[str]) -> list[str]:
        """Return the nouns of the grammar, then the others, as many as the map has room for."""
        known = [noun.text for noun in self._nouns()]
        return list(dict.fromkeys([*known, *words]))[: max(MAPPED_WORDS, len(known))]

    @cached_property
    def _text(self) -> Tokens | None:
        """The run's training text in tokens, None where it is not at hand."""
        run = self.looker.run
        try:
            return open_split(run.folder.tokens_path, "train", run.tokenizer)
        except BardlingError:
            return None

    def _examples(self, vectors: Vectors) -> list[dict[str, str]]:
        """Return analogies of the grammar all of whose words are here, each with a new pair."""
        words, seen, found = set(vectors.words), set[str](), []
        for a, b, c, d in (*analogies("gender"), *analogies("age")):
            if {a, b, c, d} <= words and not {a, c} & seen and d not in (a, b):
                seen |= {a, c}
                found.append({"a": a, "b": b, "c": c, "d": d})
        return found[:N_EXAMPLES]
