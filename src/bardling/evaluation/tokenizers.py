"""Tokenizers side by side on one text: what each costs, and what each makes of a new word.

Each learns from one text and is measured on another, the first nine tenths and the last of a corpus
or the two sides of a run, so that no tokenizer is better for having seen what it encodes. Those of
others take part where they are installed or at hand: Hugging Face's `tokenizers`, `sentencepiece`,
and GPT-2's files.
"""

import io
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import tokenizers

from bardling.data.known import find
from bardling.data.pretrained import GPT2_MERGES, GPT2_VOCAB, gpt2_tokenizer
from bardling.errors import BardlingError, CorpusError, UsageError
from bardling.extras import optional
from bardling.text.bpe import BPETokenizer
from bardling.text.characters import CharacterTokenizer
from bardling.text.tokenizer import Tokenizer

SIZES = (1000, 4000, 16000)
TRAIN_SHARE = 0.9
SHOWN_TOKENS = 12
LONGEST_WORD = 40
"""Characters of a new word at most, to be looked at."""
SHORT_TEXT, SHORT_TIMES = 100_000, 5
"""A text of fewer characters is encoded so often, and the best time counts: it is so soon done that
anything else on the machine would decide."""
RUNS_OWN = "this run's"
_WORD = re.compile(r"\w+|[^\w\s]|\s")

Split = Callable[[str], Sequence[str]]
"""Text to the texts of its tokens."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one tokenizer does with the text that was kept back."""

    name: str
    vocab_size: int
    n_tokens: int
    n_bytes: int
    train_seconds: float | None
    """None for a tokenizer that came trained."""
    encode_seconds: float
    attention: float = 1.0
    """What attention over the text costs, with characters as 1: it grows with tokens squared."""
    new_word: Sequence[str] = ()
    """How a word is cut that does not stand in the text that was learned from, if there is one."""
    beginning: Sequence[str] = ()
    """The first tokens."""
    is_own: bool = False
    """Whether it is the tokenizer of the run whose text this is."""

    @property
    def bytes_per_token(self) -> float:
        """How much text a token stands for."""
        return self.n_bytes / max(self.n_tokens, 1)

    @property
    def encode_speed(self) -> float:
        """Megabytes of text encoded in a second."""
        return self.n_bytes / 1e6 / max(self.encode_seconds, 1e-9)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All rows, and what they were measured on."""

    rows: tuple[Row, ...]
    new_word: str
    is_new: bool
    """Whether that word does not stand in what was learned from; if not, there is no such word."""
    n_train_bytes: int
    n_bytes: int
    left_out: tuple[str, ...]
    """Who did not take part, and why."""


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    name: str
    vocab_size: int
    encode: Callable[[str], Sequence[Any]]
    cut: Split
    train_seconds: float | None


def compare(text: str, *, sizes: Sequence[int] = SIZES) -> Comparison:
    """Train and measure every tokenizer on a text.

    Raises CorpusError for a text too short to keep a tenth back.
    """
    border = int(len(text) * TRAIN_SHARE)
    return compare_on(text[:border], text[border:], sizes=sizes)


def compare_on(
    learned: str, kept: str, *, sizes: Sequence[int] = SIZES, own: Tokenizer | None = None
) -> Comparison:
    """Train every tokenizer on one text and measure it on another; `own` comes trained.

    Raises CorpusError where one of them is empty.
    """
    if not learned or not kept:
        n_characters = len(learned) + len(kept)
        raise CorpusError(f"{n_characters} characters are too few to compare tokenizers on")
    new_word, is_new = _new_word(learned, kept)
    left_out: list[str] = []
    rows = [
        _measure(candidate, kept, new_word) for candidate in _candidates(learned, sizes, left_out)
    ]
    if own is not None:
        row = _measure(_ours(RUNS_OWN, own, None), kept, new_word)
        rows.append(replace(row, is_own=True))
    most = max(rows[0].n_tokens, 1)
    return Comparison(
        rows=tuple(replace(row, attention=(row.n_tokens / most) ** 2) for row in rows),
        new_word=new_word,
        is_new=is_new,
        n_train_bytes=len(learned.encode()),
        n_bytes=len(kept.encode()),
        left_out=tuple(left_out),
    )


def _new_word(learned: str, kept: str) -> tuple[str, bool]:
    """Return the longest word that only `kept` has, or else any longest, and whether it is new."""
    words = {word[:LONGEST_WORD] for word in _WORD.findall(kept)}
    new = words - {word[:LONGEST_WORD] for word in _WORD.findall(learned)}
    return max(sorted(new or words), key=len), bool(new)


def _measure(candidate: _Candidate, kept: str, new_word: str) -> Row:
    candidate.encode(kept[:1000])  # what is made at first use is not the speed
    times = SHORT_TIMES if len(kept) < SHORT_TEXT else 1
    tokens, seconds = min(
        (_timed(partial(candidate.encode, kept)) for _ in range(times)), key=itemgetter(1)
    )
    return Row(
        name=candidate.name,
        vocab_size=candidate.vocab_size,
        n_tokens=len(tokens),
        n_bytes=len(kept.encode()),
        train_seconds=candidate.train_seconds,
        encode_seconds=seconds,
        new_word=candidate.cut(new_word),
        beginning=candidate.cut(kept[:200])[:SHOWN_TOKENS],
    )


def _candidates(text: str, sizes: Sequence[int], left_out: list[str]) -> Iterator[_Candidate]:
    characters, seconds = _timed(lambda: CharacterTokenizer.train([text], end_token=False))
    yield _ours("characters", characters, seconds)
    yield _words(text)
    for size in sizes:
        trained, seconds = _timed(partial(BPETokenizer.train, [text], vocab_size=size))
        yield _ours(f"BPE {size:,}", trained, seconds)
    middle = sorted(sizes)[len(sizes) // 2]
    yield _hugging_face(text, middle)
    try:
        yield _sentencepiece(text, middle)
    except UsageError as error:
        left_out.append(str(error))
    if not (find(GPT2_VOCAB) and find(GPT2_MERGES)):
        place = Path(GPT2_VOCAB.name).parent
        left_out.append(f"GPT-2's two files are not in the folder {place} of BARDLING_DATA")
        return
    try:
        yield _ours("GPT-2", gpt2_tokenizer(), None)
    except BardlingError as error:  # they are there, and damaged
        left_out.append(f"GPT-2: {error}")


def _timed(make: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    made = make()
    return made, time.perf_counter() - began


def _ours(name: str, tokenizer: Tokenizer, seconds: float | None) -> _Candidate:
    def encode(text: str) -> list[int]:
        return tokenizer.encode(text, unknown="skip")

    return _Candidate(
        name=name,
        vocab_size=tokenizer.vocab_size,
        encode=encode,
        cut=lambda text: [tokenizer.decode([number]) for number in encode(text)],
        train_seconds=seconds,
    )


def _words(text: str) -> _Candidate:
    """Whole words: every one that was not learned is lost."""
    known, seconds = _timed(lambda: set(_WORD.findall(text)))

    def cut(text: str) -> list[str]:
        return [word if word in known else "(unknown)" for word in _WORD.findall(text)]

    return _Candidate(
        name="words", vocab_size=len(known) + 1, encode=cut, cut=cut, train_seconds=seconds
    )


def hugging_face_bpe(texts: Sequence[str], size: int) -> tokenizers.Tokenizer:
    """Return a tokenizer that Hugging Face's library has learned from texts, as ours learns."""
    theirs = tokenizers.Tokenizer(tokenizers.models.BPE())
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    theirs.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    theirs.train_from_iterator(texts, trainer)
    return theirs


def _hugging_face(text: str, size: int) -> _Candidate:
    theirs, seconds = _timed(lambda: hugging_face_bpe([text], size))
    return _Candidate(
        name=f"tokenizers {size:,}",
        vocab_size=theirs.get_vocab_size(),
        encode=lambda text: theirs.encode(text).ids,
        cut=lambda text: [theirs.decode([number]) for number in theirs.encode(text).ids],
        train_seconds=seconds,
    )


def _sentencepiece(text: str, size: int) -> _Candidate:
    """Seed 004's second tokenizer, which sees lines and writes a space as U+2581."""
    library = optional("sentencepiece", "compare", "the comparison with sentencepiece")
    model = io.BytesIO()

    def train() -> None:
        library.SentencePieceTrainer.train(
            sentence_iterator=iter(text.split("\n")),
            model_writer=model,
            vocab_size=size,
            model_type="bpe",
            hard_vocab_limit=False,
            character_coverage=1.0,
            byte_fallback=True,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            user_defined_symbols=["\n"],
            max_sentence_length=2**20,
            minloglevel=3,
        )

    try:
        _, seconds = _timed(train)
    except RuntimeError as error:  # too small a size for the characters of the text, mostly
        raise UsageError(f"sentencepiece: {str(error).strip()[-120:]}") from error
    theirs = library.SentencePieceProcessor(model_proto=model.getvalue())
    return _Candidate(
        name=f"sentencepiece {size:,}",
        vocab_size=theirs.get_piece_size(),
        encode=theirs.encode,
        cut=lambda text: [
            piece.replace("\u2581", " ") for piece in theirs.encode(text, out_type=str)
        ],
        train_seconds=seconds,
    )
