"""Beam search between its two ends: of width 1 it is greedy, wide enough it is exhaustive."""

import itertools

import pytest
import torch

from bardling.errors import GenerationError
from bardling.generation import beam as beam_module
from bardling.generation.beam import Hypothesis, beam_search
from bardling.generation.decode import RecomputedContext, decode
from bardling.generation.sampling import Greedy
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT

VOCAB, NEW = 4, 4


def model_of(*, seed=0, block_size=16, scale=0.5, vocab_size=VOCAB, **switches):
    config = ModelConfig(
        vocab_size=vocab_size, block_size=block_size, n_layer=1, n_head=2, n_embd=8, **switches
    )
    model = GPT(config)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=scale, generator=random)
    return model.double()


PROMPT = torch.tensor([[1, 3]])


@torch.no_grad()
def log_probability(model, tokens):
    """Sum the log-probabilities of `tokens` after the prompt, all of them in view."""
    ids = torch.tensor([[*PROMPT[0].tolist(), *tokens]])
    rows = model(ids)[0].log_softmax(dim=-1)[PROMPT.shape[1] - 1 :]
    return sum(rows[place, token].item() for place, token in enumerate(tokens))


def every_continuation(end_token):
    """List what can be written in 4 tokens: up to the first end token, or to the fourth."""
    found = set()
    for tokens in itertools.product(range(VOCAB), repeat=NEW):
        length = tokens.index(end_token) + 1 if end_token in tokens else NEW
        found.add(tokens[:length])
    return found


@pytest.mark.parametrize("end_token", [None, 0, 3])
@pytest.mark.parametrize("seed", range(3))
def test_wide_beams_are_an_exhaustive_search(end_token, seed):
    model = model_of(seed=seed)
    scores = {tokens: log_probability(model, tokens) for tokens in every_continuation(end_token)}
    ranked = sorted(scores, key=scores.__getitem__, reverse=True)
    found = beam_search(model, PROMPT, width=400, max_new_tokens=NEW, end_token=end_token)
    assert [hypothesis.tokens for hypothesis in found] == ranked
    for hypothesis in found:
        assert hypothesis.score == pytest.approx(scores[hypothesis.tokens], abs=1e-10)
    if end_token is not None:
        assert len(found) == 3**0 + 3**1 + 3**2 + 3**3 + 3**4


@pytest.mark.parametrize("width", range(1, 9))
@pytest.mark.parametrize("end_token", [None, 2])
def test_a_score_is_the_sum_of_the_log_probabilities(width, end_token):
    model = model_of(seed=7)
    found = beam_search(model, PROMPT, width=width, max_new_tokens=8, end_token=end_token)
    assert 1 <= len(found) <= width
    assert len({hypothesis.tokens for hypothesis in found}) == len(found)
    for hypothesis in found:
        assert hypothesis.score == pytest.approx(log_probability(model, hypothesis.tokens))
        assert end_token not in hypothesis.tokens[:-1]
        assert len(hypothesis.tokens) == 8 or hypothesis.tokens[-1] == end_token
    scores = [hypothesis.score for hypothesis in found]
    assert scores == sorted(scores, reverse=True)


def greedy_tokens(model, n_tokens, end_token):
    tokens = []
    for [token] in decode(model, PROMPT, Greedy(), max_new_tokens=n_tokens, seeds=[0]):
        tokens.append(int(token))
        if token == end_token:
            break
    return tuple(tokens)


@pytest.mark.parametrize("end_token", [None, 0, 1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_one_beam_is_greedy(end_token, seed):
    model = model_of(seed=seed, block_size=6)
    [found] = beam_search(model, PROMPT, width=1, max_new_tokens=25, end_token=end_token)
    assert found.tokens == greedy_tokens(model, 25, end_token)


@pytest.mark.parametrize("end_token", [None, 3])
@pytest.mark.parametrize("switches", [{}, {"position": "learned"}, {"attention": "uniform"}])
def test_cached_beams_are_recomputed_beams(switches, end_token, monkeypatch):
    model = model_of(seed=2, block_size=6, vocab_size=9, **switches)
    arguments = {"width": 5, "max_new_tokens": 20, "end_token": end_token}  # past the context
    cached = beam_search(model, PROMPT, **arguments)
    monkeypatch.setattr(
        beam_module, "open_context", lambda model, ids, _, **__: RecomputedContext(model, ids)
    )
    recomputed = beam_search(model, PROMPT, **arguments)
    assert [h.tokens for h in cached] == [h.tokens for h in recomputed]
    assert [h.score for h in cached] == pytest.approx([h.score for h in recomputed], abs=1e-9)
    assert len(cached[0].tokens) > 6 or cached[0].tokens[-1] == end_token


def test_beams_of_a_model_without_a_mask_are_searched_too():
    model = model_of(seed=3, attention="unmasked")
    [found] = beam_search(model, PROMPT, width=1, max_new_tokens=10)
    assert found.tokens == greedy_tokens(model, 10, None)


def test_a_wider_beam_can_find_what_greed_misses():
    """After 1 the likeliest token is 0, but what follows 2 is nearly certain."""
    model = chain([[0.25] * 4, [0.5, 0.1, 0.4, 0.0], [0.0, 0.0, 0.0, 1.0], [0.25] * 4])
    start = torch.tensor([[1]])
    [greedy] = beam_search(model, start, width=1, max_new_tokens=2)
    [best, second] = beam_search(model, start, width=2, max_new_tokens=2)
    assert greedy.tokens[0] == 0 and best.tokens == (2, 3)
    assert best.score == pytest.approx(torch.tensor(0.4).log().item(), abs=1e-5)
    assert second.tokens == greedy.tokens == (0, 0)


def chain(rows):
    """Build a model that knows only the last token: row i has the chances after token i."""
    config = ModelConfig(
        vocab_size=len(rows), block_size=8, n_layer=0, n_head=1, n_embd=len(rows), norm="none",
        position="none", tie_embeddings=False,
    )  # fmt: skip
    model = GPT(config).double()
    with torch.no_grad():
        model.embedding.weight.copy_(torch.eye(len(rows)))
        model.output.weight.copy_(torch.tensor(rows).double().clamp(min=1e-12).log().T)
    return model


def test_of_equal_continuations_the_first_in_order_comes_first():
    model = chain([[0.25] * 4] * 4)
    found = beam_search(model, torch.tensor([[0]]), width=6, max_new_tokens=2)
    assert [hypothesis.tokens for hypothesis in found] == [
        (0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1)
    ]  # fmt: skip


def test_an_ended_beam_wins_over_an_equal_living_one():
    model = chain([[0.0, 0.0, 0.0, 1.0], [0.0, 0.5, 0.0, 0.5], [0.25] * 4, [0.25] * 4])
    found = beam_search(model, torch.tensor([[1]]), width=2, max_new_tokens=1, end_token=3)
    assert [hypothesis.tokens for hypothesis in found] == [(3,), (1,)]


def test_an_end_is_kept_as_long_as_it_beats_a_living_beam():
    """After two tokens the ends (1, 3) and (2, 3) come first and third, 0.3 and 0.22."""
    model = chain([[0, 0.5, 0.49, 0.01], [0, 0.4, 0, 0.6], [0, 0.55, 0, 0.45], [0.25] * 4])
    found = beam_search(model, torch.tensor([[0]]), width=2, max_new_tokens=3, end_token=3)
    assert [hypothesis.tokens for hypothesis in found] == [(1, 3), (2, 3)]


def test_an_end_token_that_is_not_among_the_best_does_not_end_a_beam():
    model = chain([[0.4, 0.35, 0.05, 0.2]] * 4)
    found = beam_search(model, torch.tensor([[0]]), width=2, max_new_tokens=3, end_token=3)
    assert all(3 not in hypothesis.tokens for hypothesis in found)


def test_the_search_stops_when_no_living_beam_can_win(monkeypatch):
    model = chain([[0.0, 0.05, 0.05, 0.9]] * 4)
    asked = []

    class Counting(RecomputedContext):
        def next_logits(self):
            asked.append(self.ids.shape)
            return super().next_logits()

    monkeypatch.setattr(
        beam_module, "open_context", lambda model, ids, _, **__: Counting(model, ids)
    )
    found = beam_search(model, torch.tensor([[0]]), width=2, max_new_tokens=50, end_token=3)
    assert [hypothesis.tokens for hypothesis in found] == [(3,), (1, 3)]
    assert asked == [(1, 1), (2, 2)]


def test_a_vocabulary_of_the_end_token_alone_ends_at_once():
    model = model_of(vocab_size=1)
    found = beam_search(model, torch.tensor([[0]]), width=3, max_new_tokens=5, end_token=0)
    assert found == [Hypothesis(tokens=(0,), score=0.0)]


def test_no_new_tokens_are_one_empty_continuation():
    found = beam_search(model_of(), PROMPT, width=3, max_new_tokens=0)
    assert found == [Hypothesis(tokens=(), score=0.0)]


def test_a_width_beyond_the_vocabulary_grows_into_itself():
    found = beam_search(model_of(), PROMPT, width=10, max_new_tokens=1)
    assert sorted(hypothesis.tokens for hypothesis in found) == [(0,), (1,), (2,), (3,)]


def test_a_damaged_model_is_told():
    model = model_of()
    with torch.no_grad():
        model.embedding.weight.fill_(float("nan"))
    with pytest.raises(GenerationError, match="logits are not finite"):
        beam_search(model, PROMPT, width=2, max_new_tokens=2)
    assert torch.is_grad_enabled()
