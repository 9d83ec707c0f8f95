"""Prompts in, texts out: what happens to odd prompts, and where a text ends."""

from dataclasses import dataclass, replace
from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bardling.errors import GenerationError
from bardling.generation import text as text_module
from bardling.generation.beam import beam_search
from bardling.generation.sampling import Beam, Greedy, Sample
from bardling.generation.text import Prompt, generate_texts, read_prompt, stream_texts
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from bardling.text.bpe import BPETokenizer
from bardling.text.characters import CharacterTokenizer
from families import TOKENIZERS, family, randomised, run_of

LETTERS = CharacterTokenizer.train(["abcdef\n"], end_token=True)
END = LETTERS.end_token
ENDLESS = CharacterTokenizer.train(["abcdef\n"])


BYTES_ALONE = BPETokenizer.train([], vocab_size=256)


@dataclass(frozen=True)
class Pieces:
    """A tokenizer whose tokens are the pieces it is given, the last of them an end token."""

    pieces: tuple[str, ...]

    vocab_size = property(lambda self: len(self.pieces) + 1)
    end_token = property(lambda self: len(self.pieces))
    special_tokens = property(lambda self: {"end": self.end_token})
    sha256 = ""

    def decode(self, ids):
        return "".join((*self.pieces, "")[number] for number in ids)

    def encode(self, text, *, unknown="error"):
        raise NotImplementedError

    encode_array = count_unknown = to_json = encode
    token_sizes = property(lambda self: [len(piece.encode()) for piece in (*self.pieces, "")])


def random_model(tokenizer):
    size = tokenizer.vocab_size
    model = GPT(ModelConfig(vocab_size=size, block_size=6, n_layer=1, n_head=2, n_embd=8))
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.5, generator=random)
    return model.double()


def cycle(tokenizer, text):
    """Build a model that always knows what comes next: `text`, whose characters differ."""
    size = tokenizer.vocab_size
    config = ModelConfig(
        vocab_size=size, block_size=4, n_layer=0, n_head=1, n_embd=size, norm="none",
        position="none", tie_embeddings=False,
    )  # fmt: skip
    model = GPT(config)
    ids = [*tokenizer.encode(text), tokenizer.end_token]
    with torch.no_grad():
        model.embedding.weight.copy_(torch.eye(size))
        for first, second in zip(ids, [*ids[1:], ids[0]], strict=True):
            model.output.weight[second, first] = 50.0
    return model


MODEL, ENDLESS_MODEL = random_model(LETTERS), random_model(ENDLESS)
PROMPT = read_prompt("ab", LETTERS, 6)


def scripted(tokenizer, *rows, stop=(), **arguments):
    """Stream given tokens, one row per sample, instead of a model's."""
    columns = [torch.tensor(column) for column in zip(*rows, strict=True)]
    with patch.object(text_module, "decode", lambda *_, **__: iter(columns)):
        return list(
            stream_texts(
                MODEL, tokenizer, PROMPT, Greedy(), max_new_tokens=len(columns),
                num_samples=len(rows), stop=stop, **arguments,
            )
        )  # fmt: skip


def written(text, stop=()):
    """Write `text` through the letters' tokenizer and return the pieces."""
    return [piece for _, piece in scripted(LETTERS, LETTERS.encode(text), stop=stop)]


# Prompts


@pytest.mark.parametrize(
    ("text", "seen", "warnings"),
    [
        ("abc", "abc", ()),
        ("\n", "\n", ()),
        ("aXb", "ab", ("1 character is unknown to the tokenizer and dropped from the prompt",)),
        ("XabYZ", "ab", ("3 characters are unknown to the tokenizer and dropped from the prompt",)),
        ("abcdef", "abcdef", ()),
        ("abcdefa", "bcdefa", ("the prompt has 7 tokens: only the last 6 are seen",)),
        (
            "abcXdefab",
            "cdefab",
            (
                "1 character is unknown to the tokenizer and dropped from the prompt",
                "the prompt has 8 tokens: only the last 6 are seen",
            ),
        ),
    ],
)
def test_a_prompt_is_what_the_model_can_see(text, seen, warnings):
    prompt = read_prompt(text, LETTERS, 6)
    assert prompt == Prompt(ids=LETTERS.encode(seen), text=seen, warnings=warnings)


def test_a_prompt_that_begins_a_document_stands_after_an_end_token():
    """Where there is one, and room for it; otherwise as it is."""
    ids = LETTERS.encode("abc")
    found = read_prompt("abc", LETTERS, 6, begins=True)
    assert found == Prompt(ids=[END, *ids], text="abc", n_before=1)
    assert read_prompt("abc", LETTERS, 3, begins=True).ids == ids
    assert read_prompt("", LETTERS, 6, begins=True).ids == [END]
    assert read_prompt("abc", ENDLESS, 6, begins=True) == read_prompt("abc", ENDLESS, 6)


@pytest.mark.parametrize("order", ["documents", "random"])
def test_a_run_reads_a_prompt_as_it_read_documents(order, tmp_path):
    """One that has always begun with an end token goes on doing so."""
    tokenizer = TOKENIZERS["bpe"]
    model = randomised(family("llama", vocab_size=tokenizer.vocab_size))
    run = run_of(model, tokenizer, tmp_path / "run")
    run = replace(run, config=replace(run.config, data=replace(run.config.data, order=order)))
    assert run.prompt("3 plus").n_before == (order == "documents")


@pytest.mark.parametrize(
    ("characters", "start", "told"),
    [("ab\n", "\n", "a newline"), ("cba", "a", "'a'")],
)
def test_a_prompt_of_nothing_starts_from_a_newline_or_the_first_token(characters, start, told):
    tokenizer = CharacterTokenizer.train([characters])
    empty = Prompt(ids=tokenizer.encode(start), text="")
    assert read_prompt("", tokenizer, 4) == empty
    prompt = read_prompt("XYZ", tokenizer, 4)
    assert (prompt.ids, prompt.text) == (empty.ids, "")
    assert prompt.warnings == (
        "3 characters are unknown to the tokenizer and dropped from the prompt",
        f"nothing of the prompt is left: starting from {told}",
    )


@settings(derandomize=True, deadline=None)
@given(st.text(alphabet="abcdefXYZ\n\U0001f600", max_size=20), st.integers(1, 8))
def test_any_prompt_gives_between_one_and_block_size_ids(text, block_size):
    prompt = read_prompt(text, LETTERS, block_size)
    known = [c for c in text if c in LETTERS.characters]
    assert 1 <= len(prompt.ids) <= block_size
    assert prompt.text == "".join(known[-block_size:])
    told = (len(known) < len(text)) + (not known and bool(text)) + (len(known) > block_size)
    assert len(prompt.warnings) == told


# Where a text ends


def test_the_end_token_stops_and_is_not_printed():
    model = cycle(LETTERS, "abcdef")
    [text] = generate_texts(model, LETTERS, PROMPT, Greedy(), max_new_tokens=50)
    assert text == "cdef"


def test_without_an_end_the_text_is_as_long_as_asked():
    [text] = generate_texts(ENDLESS_MODEL, ENDLESS, PROMPT, Sample(), max_new_tokens=50)
    assert len(text) == 50


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        ([], "cdef"),
        (["f"], "cde"),
        (["de"], "c"),
        (["cd"], ""),
        (["c"], ""),
        (["ef", "de"], "c"),
        (["def", "cdx", "e"], "cd"),  # the first to be complete ends the text
        (["", "e"], "cd"),
        ([""], "cdef"),
        (["ab"], "cdef"),  # the prompt is not searched
        (["fx", "xc", "cdefg"], "cdef"),
    ],
)
def test_a_stop_string_ends_the_text_before_it(stop, expected):
    model = cycle(LETTERS, "abcdef")
    for strategy in (Greedy(), Beam(width=1), Beam(width=3)):
        [text] = generate_texts(model, LETTERS, PROMPT, strategy, max_new_tokens=50, stop=stop)
        assert text == expected


def test_held_back_text_comes_out_as_soon_as_it_is_certain():
    assert written("abcab", stop=["abd"]) == ["a", "b", "c", "ab"]
    assert written("abcabd", stop=["abd"]) == ["a", "b", "c"]
    assert written("abc") == ["a", "b", "c"]
    assert written("aab", stop=["ab"]) == ["a"]  # an overlapping beginning
    assert written("abab\n", stop=["abab\n"]) == []


def test_a_stop_string_may_begin_and_end_inside_tokens():
    tokenizer = Pieces(("Romeo: but", " soft", "\n\nJul", "iet: ay", ""))
    pieces = scripted(tokenizer, [0, 1, 4, 2, 3, 0], stop=["\n\nJuliet:"])
    assert "".join(piece for _, piece in pieces) == "Romeo: but soft"
    pieces = scripted(tokenizer, [0, 1, 2, 5, 3], stop=["\n\nJuliet:"])
    assert "".join(piece for _, piece in pieces) == "Romeo: but soft\n\nJul"


def naive_end(tokenizer, tokens, stop):
    """Look at the whole text anew after every token."""
    text = ""
    for token in tokens:
        if token == tokenizer.end_token:
            break
        text += tokenizer.decode([token])
        places = [text.index(s) for s in stop if s and s in text]
        if places:
            return text[: min(places)]
    return text


PIECE = st.text(alphabet="ab", max_size=3)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.lists(PIECE, min_size=1, max_size=5),
    st.lists(st.lists(st.integers(0, 4), min_size=8, max_size=8), min_size=1, max_size=3),
    st.lists(st.text(alphabet="ab", max_size=5), max_size=3),
)
def test_nothing_is_lost_nothing_leaks_and_little_is_held_back(pieces, rows, stop):
    tokenizer = Pieces(tuple(pieces))
    rows = [[token % tokenizer.vocab_size for token in row] for row in rows]
    texts = [""] * len(rows)
    for sample, piece in scripted(tokenizer, *rows, stop=stop):
        assert piece
        texts[sample] += piece
    assert texts == [naive_end(tokenizer, row, stop) for row in rows]
    certain = scripted(tokenizer, rows[0], stop=stop)[:-1]  # all but what the end released
    longest = max(map(len, stop), default=1)
    assert len("".join(piece for _, piece in certain)) >= len(texts[0]) - longest - 3


def test_samples_end_each_in_its_own_place():
    rows = [LETTERS.encode("abcd"), [LETTERS.encode("a")[0], END, 0, 0], LETTERS.encode("fedc")]
    pieces = scripted(LETTERS, *rows, stop=["d"])
    assert pieces == [(0, "a"), (1, "a"), (2, "f"), (0, "b"), (2, "e"), (0, "c")]


def test_decoding_ends_with_the_last_sample():
    asked = []

    def endless(*_, **__):
        while True:
            asked.append(None)
            yield torch.tensor([END, len(asked) % 2 + 1])

    with patch.object(text_module, "decode", endless):
        texts = generate_texts(
            MODEL, LETTERS, PROMPT, Greedy(), max_new_tokens=10**9, num_samples=2, stop=["ba"]
        )
    assert texts == ["", ""] and len(asked) == 2


# Samples


@pytest.mark.parametrize("strategy", [Greedy(), Sample(temperature=1.5), Beam(width=4)])
@pytest.mark.parametrize("stop", [(), ("ab", "f")])
def test_the_stream_is_the_whole_text_in_pieces(strategy, stop):
    arguments = {"max_new_tokens": 30, "num_samples": 3, "seed": 4, "stop": stop}
    texts = ["", "", ""]
    for sample, piece in stream_texts(MODEL, LETTERS, PROMPT, strategy, **arguments):
        texts[sample] += piece
    assert generate_texts(MODEL, LETTERS, PROMPT, strategy, **arguments) == texts


def test_sample_i_of_a_batch_is_the_sample_of_seed_plus_i():
    def texts(count, seed):
        order = {"max_new_tokens": 30, "num_samples": count, "seed": seed}
        return generate_texts(ENDLESS_MODEL, ENDLESS, PROMPT, Sample(), **order)

    together = texts(5, 40)
    assert together == [texts(1, 40 + sample)[0] for sample in range(5)]
    assert len(set(together)) == 5


def test_beams_are_texts_in_the_order_of_their_scores():
    arguments = {"max_new_tokens": 5, "num_samples": 3}
    texts = generate_texts(MODEL, LETTERS, PROMPT, Beam(width=4), seed=9, **arguments)
    found = beam_search(MODEL, torch.tensor([PROMPT.ids]), width=4, max_new_tokens=5, end_token=END)
    assert texts == [LETTERS.decode(hypothesis.tokens) for hypothesis in found[:3]]


def test_more_samples_than_beams_are_refused():
    with pytest.raises(GenerationError, match=r"^2 beams give at most 2 texts, not 3$"):
        generate_texts(MODEL, LETTERS, PROMPT, Beam(width=2), max_new_tokens=5, num_samples=3)


@pytest.mark.parametrize("strategy", [Greedy(), Sample(), Beam(width=2)])
def test_no_new_tokens_are_empty_texts(strategy):
    texts = generate_texts(MODEL, LETTERS, PROMPT, strategy, max_new_tokens=0, num_samples=2)
    assert texts == ["", ""]


@pytest.mark.parametrize(("max_new_tokens", "num_samples"), [(-1, 1), (5, 0), (5, -2)])
def test_an_impossible_order_is_refused(max_new_tokens, num_samples):
    order = {"max_new_tokens": max_new_tokens, "num_samples": num_samples}
    with pytest.raises(GenerationError, match=f"^{max_new_tokens} new .* {num_samples} samples"):
        generate_texts(MODEL, LETTERS, PROMPT, Greedy(), **order)


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from("aé你😀"), min_size=1, max_size=12))
def test_no_half_a_character_is_ever_shown(text):
    """Tokens of single bytes: a character is written when its last byte has come."""
    tokenizer = BYTES_ALONE
    writer = text_module.Writer(tokenizer, ())
    shown = [writer.take(token) for token in tokenizer.encode(text)]
    assert [piece for piece in shown if piece] == list(text) and writer.close() == ""


def test_bytes_that_never_become_a_character_are_shown_in_the_end():
    tokenizer = BYTES_ALONE
    first = tokenizer.encode("😀")[0]
    writer = text_module.Writer(tokenizer, ())
    assert writer.take(first) == "" and writer.close() == "\ufffd"
    writer = text_module.Writer(tokenizer, ())
    shown = "".join(writer.take(token) for token in [first] * 4 + tokenizer.encode("a"))
    assert shown == "\ufffd" * 4 + "a"
