"""One protocol for every loss: each token after the first is predicted once, without dropout."""

import math

import numpy as np
import pytest
import torch

from bardling.data.documents import Documents
from bardling.errors import CorpusError
from bardling.evaluation.loss import Evaluation, evaluate
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from bardling.text.bpe import BPETokenizer
from bardling.text.characters import CharacterTokenizer

VOCAB, BLOCK = 9, 5
TOKENS = np.random.default_rng(1).integers(0, VOCAB, 300).astype(np.uint16)


def model_of(dropout=0.0):
    config = ModelConfig(
        vocab_size=VOCAB, block_size=BLOCK, n_layer=1, n_head=2, n_embd=8, dropout=dropout,
        init="plain",
    )  # fmt: skip
    return GPT(config).double()


def nats_of_windows(model, tokens, starts):
    """Sum the nats over windows, one at a time and unpadded."""
    total, count = 0.0, 0
    ids = [int(token) for token in tokens]
    for start in starts:
        inputs, targets = ids[start : start + BLOCK], ids[start + 1 : start + BLOCK + 1]
        inputs = inputs[: len(targets)]
        for row, target in zip(model(torch.tensor([inputs]))[0].tolist(), targets, strict=True):
            total += math.log(sum(math.exp(score) for score in row)) - row[target]
            count += 1
    return total, count


@pytest.mark.parametrize("batch_size", [1, 3, 64])
@pytest.mark.parametrize("n_tokens", [2, BLOCK, BLOCK + 1, BLOCK + 2, 4 * BLOCK + 1, 23, 101])
def test_every_token_after_the_first_is_predicted_once(n_tokens, batch_size):
    model, tokens = model_of(), TOKENS[:n_tokens]
    total, count = nats_of_windows(model, tokens, range(0, n_tokens - 1, BLOCK))
    result = evaluate(model, tokens, batch_size=batch_size)
    assert result.tokens == count == n_tokens - 1
    assert result.loss == pytest.approx(total / count, rel=1e-12)
    assert result.perplexity == pytest.approx(math.exp(total / count), rel=1e-12)


def test_bits_per_byte_count_the_bytes_of_what_is_predicted():
    """A tokenizer with longer tokens needs fewer of them; a byte costs what it costs."""
    sizes = np.array([3, 1, 1, 2, 0, 1, 4, 1, 1])
    for max_tokens in (None, 2 * BLOCK):
        result = evaluate(
            model_of(), TOKENS, batch_size=4, max_tokens=max_tokens, token_sizes=sizes
        )
        starts = range(0, 299, BLOCK) if max_tokens is None else [0, 150]
        predicted = [token for start in starts for token in TOKENS[start + 1 : start + 1 + BLOCK]]
        n_bytes = sum(int(sizes[token]) for token in predicted)
        assert result.n_bytes == n_bytes and result.tokens == len(predicted)
        bits = result.loss * len(predicted) / math.log(2) / n_bytes
        assert result.bits_per_byte == pytest.approx(bits, rel=1e-12)
        assert result.to_json()["val_bits_per_byte"] == result.bits_per_byte
    assert evaluate(model_of(), TOKENS, batch_size=4).bits_per_byte is None


@pytest.mark.parametrize("kind", ["characters", "bpe", "foreign"])
def test_the_sizes_of_tokens_are_those_of_their_text(kind):
    text = "é naïve 😀\n" * 3
    tokenizer = {
        "characters": lambda: CharacterTokenizer.train([text], end_token=True),
        "bpe": lambda: BPETokenizer.train([text], vocab_size=270, end_token=True),
        "foreign": lambda: BPETokenizer(
            merges=((64, 65),), special=("<s>",), numbering=(*range(2, 259), 0)
        ),
    }[kind]()
    sizes = tokenizer.token_sizes
    assert len(sizes) == tokenizer.vocab_size
    assert sizes[tokenizer.encode(text)].sum() == len(text.encode())
    assert all(sizes[number] == 0 for number in tokenizer.special_tokens.values())


@pytest.mark.parametrize(
    ("max_tokens", "starts"),
    [
        (4 * BLOCK, [0, 25, 50, 75]),
        (4 * BLOCK + 3, [0, 25, 50, 75]),
        (3 * BLOCK, [0, 30, 65]),
        (BLOCK, [0]),
        (1, [0]),
        (10_000, list(range(0, 100, BLOCK))),
    ],
)
def test_a_part_is_spread_evenly_over_the_text(max_tokens, starts):
    model, tokens = model_of(), TOKENS[:101]  # 20 windows
    total, count = nats_of_windows(model, tokens, starts)
    result = evaluate(model, tokens, batch_size=3, max_tokens=max_tokens)
    assert result.tokens == count
    assert result.loss == pytest.approx(total / count, rel=1e-12)


@pytest.mark.parametrize("n_tokens", [0, 1])
def test_too_short_a_text_is_refused(n_tokens):
    with pytest.raises(CorpusError, match=f"^{n_tokens} token"):
        evaluate(model_of(), TOKENS[:n_tokens], batch_size=2)


def test_dropout_plays_no_part():
    plain = evaluate(model_of(), TOKENS, batch_size=4)
    assert evaluate(model_of(dropout=0.5), TOKENS, batch_size=4) == plain
    assert evaluate(model_of(dropout=0.5).train(), TOKENS, batch_size=4) == plain


def test_no_gradient_is_made_or_lost():
    model = model_of()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    evaluate(model, TOKENS, batch_size=4)
    assert torch.is_grad_enabled()
    assert all(torch.equal(p.grad, torch.ones_like(p)) for p in model.parameters())


def test_a_hopeless_loss_still_has_a_perplexity():
    assert math.isfinite(Evaluation(loss=1e6, tokens=1).perplexity)
    assert math.isnan(Evaluation(loss=math.nan, tokens=1).perplexity)


def test_with_documents_each_is_read_from_its_beginning_and_its_floor_is_known():
    model, end = model_of(), VOCAB - 1
    texts = [[1, 2, 3], [4], [5, 6], [0, 1]]
    tokens = np.array([i for text in texts for i in (*text, end)], dtype=np.uint16)
    documents = Documents.find(tokens, end, [1.0, 2.0, 3.0, 4.0])
    total = 0.0
    for row in ([end, *texts[0]], [end, *texts[1], end, *texts[2]], [end, *texts[3]]):
        targets = [*row[1:], end]
        scores = model(torch.tensor([row]))[0].tolist()
        for row_scores, target in zip(scores, targets, strict=True):
            total += math.log(sum(map(math.exp, row_scores))) - row_scores[target]
    result = evaluate(model, tokens, batch_size=2, documents=documents)
    assert result.tokens == len(tokens) == 12
    assert result.loss == pytest.approx(total / 12, rel=1e-12)
    assert result.floor == pytest.approx(10 / 12)
    part = evaluate(model, tokens, batch_size=2, documents=documents, max_tokens=2 * BLOCK)
    assert (part.tokens, part.floor) == (9, pytest.approx(6 / 9))
    assert evaluate(model, tokens, batch_size=2).floor is None
