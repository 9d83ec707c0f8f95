"""From a prompt to text: what is done with a prompt, and when a text ends.

A prompt is taken as seed 003 (day 26) asks: characters that the tokenizer does not know are
dropped and counted, an empty prompt starts from a newline (or the first token), and one longer
than the context keeps its end. Each of these is told, not done in silence. Where documents end
with an end token, an empty prompt starts after one: at the beginning of a document.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from bardling.errors import GenerationError
from bardling.generation.beam import beam_search
from bardling.generation.decode import decode
from bardling.generation.sampling import Beam, Strategy
from bardling.generation.speculation import decode_ahead
from bardling.kernels.decoder import MOST_AT_ONCE, open_decoder
from bardling.kernels.weights import WeightForm
from bardling.model.gpt import GPT
from bardling.text.tokenizer import Tokenizer

HALF = "\N{REPLACEMENT CHARACTER}"  # what bytes that are no whole character decode to
LONGEST_BEGINNING = 3  # bytes of UTF-8 that are not yet a character, and so tokens
MAX_SAMPLES = 4096  # they share one batch, and so one cache


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """The ids a generation starts from, and what had to be done to get them."""

    ids: list[int]
    text: str
    """The part of the user's text that the model sees."""
    warnings: tuple[str, ...] = ()
    ends: tuple[int, ...] = ()
    """Ids that end what follows, besides the end token."""
    n_before: int = 0
    """How many of the ids stand before the user's text."""


def read_prompt(
    text: str, tokenizer: Tokenizer, block_size: int, *, begins: bool = False
) -> Prompt:
    """Turn any text into at least one and at most `block_size` ids.

    One that `begins` a document stands after an end token, if both fit and there is one.
    """
    warnings: list[str] = []
    unknown = tokenizer.count_unknown(text)
    if unknown:
        what = "1 character is" if unknown == 1 else f"{unknown} characters are"
        warnings.append(f"{what} unknown to the tokenizer and dropped from the prompt")
    ids = tokenizer.encode(text, unknown="skip")
    if not ids:
        newline = tokenizer.encode("\n", unknown="skip")
        ids = newline or [0] if tokenizer.end_token is None else [tokenizer.end_token]
        if text:
            start = "a newline" if newline else f"{tokenizer.decode(ids)!r}"
            start = start if tokenizer.end_token is None else "the beginning of a document"
            warnings.append(f"nothing of the prompt is left: starting from {start}")
        return Prompt(ids=ids, text="", warnings=tuple(warnings))
    if len(ids) > block_size:
        warnings.append(f"the prompt has {len(ids)} tokens: only the last {block_size} are seen")
        ids = ids[-block_size:]
    before = [] if tokenizer.end_token is None or not begins else [tokenizer.end_token]
    before = before if len(ids) < block_size else []
    return Prompt(
        ids=before + ids,
        text=tokenizer.decode(ids),
        warnings=tuple(warnings),
        n_before=len(before),
    )


class Writer:
    """Turns the tokens of one sequence into text, up to the end token or a stop string."""

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str], ends: Sequence[int] = ()) -> None:
        stops = [stop] if isinstance(stop, str) else stop  # a text is a sequence of characters
        self.tokenizer, self.stop = tokenizer, [s for s in stops if s]
        self.reserve = max(map(len, self.stop), default=1) - 1  # could be a stop's beginning
        self.silent = frozenset(tokenizer.special_tokens.values())
        self.ends = {tokenizer.end_token, *ends}
        self.pending = ""
        self.ids: list[int] = []
        """The last tokens, as long as they may end within a character."""
        self.n_taken = 0  # characters of their text that are in `pending` or written already
        self.done = False

    def take(self, token: int) -> str:
        """Return the text that is now certain."""
        if token in self.ends:
            return self.close()
        if token in self.silent:
            return ""
        self.ids.append(token)
        text = self.tokenizer.decode(self.ids)
        self.pending += text.removesuffix(HALF)[self.n_taken :]
        if text.endswith(HALF):  # the next token may bring the rest of a character
            self.ids = self.ids[-LONGEST_BEGINNING:]
            self.n_taken = len(self.tokenizer.decode(self.ids)) - 1
        else:
            self.ids, self.n_taken = [], 0
        found = [place for s in self.stop if (place := self.pending.find(s)) >= 0]
        if found:
            self.pending, self.ids = self.pending[: min(found)], []
            return self.close()
        certain = len(self.pending) - self.reserve
        return self._emit(max(0, certain))

    def close(self) -> str:
        """End the text and return what was held back."""
        self.done = True
        self.pending += self.tokenizer.decode(self.ids)[self.n_taken :]
        self.ids = []
        return self._emit(len(self.pending))

    def _emit(self, count: int) -> str:
        piece, self.pending = self.pending[:count], self.pending[count:]
        return piece


def stream_texts(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: Prompt,
    strategy: Strategy,
    *,
    max_new_tokens: int,
    num_samples: int = 1,
    seed: int = 0,
    stop: Sequence[str] = (),
    weights: WeightForm = "fp32",
    n_draft: int = 0,
) -> Iterator[tuple[int, str]]:
    """Yield (sample, piece of its text) as the pieces become certain.

    Sample i draws from `seed + i`. With `Beam`, the samples are the best hypotheses in order. One
    sample is written with `n_draft` guesses read at once (generation/speculation.py), which changes
    nothing but the time and the order of sums.
    """
    _check_numbers(max_new_tokens, num_samples, n_draft)
    if isinstance(strategy, Beam):
        if num_samples > strategy.width:
            raise GenerationError(
                f"{strategy.width} beams give at most {strategy.width} texts, not {num_samples}"
            )
        rows = _beam_rows(model, tokenizer, prompt, strategy, max_new_tokens, weights)
        rows = rows[:num_samples]
        yield from _write_whole(rows, tokenizer, stop, prompt.ends)
        return
    writers = [Writer(tokenizer, stop, prompt.ends) for _ in range(num_samples)]
    ids, seeds = torch.tensor([prompt.ids] * num_samples), range(seed, seed + num_samples)
    ahead = open_decoder(model, weights) if n_draft and num_samples == 1 else None
    if ahead is None:
        steps = decode(
            model, ids, strategy, max_new_tokens=max_new_tokens, seeds=[*seeds], weights=weights
        )
    else:
        settings = {"max_new_tokens": max_new_tokens, "seed": seed, "n_draft": n_draft}
        steps = decode_ahead(model, ahead, ids, strategy, **settings)
    for tokens in steps:
        for sample, (writer, token) in enumerate(zip(writers, tokens.tolist(), strict=True)):
            if not writer.done and (piece := writer.take(token)):
                yield sample, piece
        if all(writer.done for writer in writers):
            return
    for sample, writer in enumerate(writers):
        if not writer.done and (piece := writer.close()):
            yield sample, piece


def _check_numbers(max_new_tokens: int, num_samples: int, n_draft: int) -> None:
    """Refuse numbers without a meaning."""
    if not 0 <= n_draft < MOST_AT_ONCE:
        raise GenerationError(
            f"{n_draft} tokens were to be guessed; 0 to {MOST_AT_ONCE - 1} can be"
        )
    if max_new_tokens < 0 or not 1 <= num_samples <= MAX_SAMPLES:
        raise GenerationError(
            f"{max_new_tokens} new tokens for {num_samples} samples were asked for; there must be "
            f"at least 0 tokens, and 1 to {MAX_SAMPLES:,} samples"
        )


def _beam_rows(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: Prompt,
    strategy: Beam,
    max_new_tokens: int,
    weights: WeightForm,
) -> list[tuple[int, ...]]:
    hypotheses = beam_search(
        model,
        torch.tensor([prompt.ids]),
        width=strategy.width,
        max_new_tokens=max_new_tokens,
        end_token=tokenizer.end_token,
        weights=weights,
    )
    return [hypothesis.tokens for hypothesis in hypotheses]


def _write_whole(
    rows: Sequence[Sequence[int]], tokenizer: Tokenizer, stop: Sequence[str], ends: Sequence[int]
) -> Iterator[tuple[int, str]]:
    for sample, row in enumerate(rows):
        writer = Writer(tokenizer, stop, ends)
        pieces = [writer.take(token) for token in row if not writer.done]
        yield sample, "".join(pieces) + ("" if writer.done else writer.close())


def generate_texts(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: Prompt,
    strategy: Strategy,
    *,
    max_new_tokens: int,
    num_samples: int = 1,
    seed: int = 0,
    stop: Sequence[str] = (),
    weights: WeightForm = "fp32",
    n_draft: int = 0,
) -> list[str]:
    """Return the whole text of every sample; the prompt itself is not repeated."""
    texts = [""] * num_samples
    for sample, piece in stream_texts(
        model,
        tokenizer,
        prompt,
        strategy,
        max_new_tokens=max_new_tokens,
        num_samples=num_samples,
        seed=seed,
        stop=stop,
        weights=weights,
        n_draft=n_draft,
    ):
        texts[sample] += piece
    return texts
