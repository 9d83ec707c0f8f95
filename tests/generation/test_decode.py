"""What a model sees, token by token: cached equals recomputed, by a reference in other code."""

import numpy as np
import pytest
import torch

from bardling.errors import GenerationError
from bardling.generation.decode import (
    CachedContext,
    RecomputedContext,
    context_start,
    decode,
    open_context,
)
from bardling.generation.sampling import Greedy, Sample
from bardling.machine.randomness import stream
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT

VOCAB, BLOCK = 13, 10
SWITCHES = {
    "rotary": {},
    "learned": {"position": "learned"},
    "sinusoidal": {"position": "sinusoidal", "norm_place": "after", "norm": "layernorm"},
    "no positions": {"position": "none"},
    "grouped heads": {"n_head": 4, "n_kv_head": 2},
    "own head width": {"head_dim": 10, "d_ff": 5},
    "uniform": {"attention": "uniform"},
    "bigram": {"n_layer": 0},
    "no attention": {"attention": "none"},
    "dropout": {"dropout": 0.5},
}


def model_of(*, block_size=BLOCK, seed=0, dtype=torch.float32, **switches):
    """Build a small model all of whose weights matter."""
    values = {"vocab_size": VOCAB, "n_layer": 2, "n_head": 2, "n_embd": 16} | switches
    model = GPT(ModelConfig(block_size=block_size, **values))
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.4, generator=random)
    return model.to(dtype)


def prompt_of(rows, length, seed=0):
    return torch.randint(VOCAB, (rows, length), generator=torch.Generator().manual_seed(seed))


def lengths_by_simulation(block_size, n_tokens):
    """Count what is in view, one token at a time: a full context drops to its last half."""
    length, lengths = 0, []
    for _ in range(n_tokens):
        length += 1
        if length > block_size:
            length = max(1, block_size // 2)
        lengths.append(length)
    return lengths


def reference(model, prompt, n_new, *, choose):
    """Generate one row the slow way: a list that is halved, and a whole forward per token."""
    block_size = model.config.block_size
    view, tokens, all_logits = list(prompt), [], []
    for _ in range(n_new):
        logits = model(torch.tensor([view]))[0, -1].detach().double().numpy()
        tokens.append(choose(logits))
        all_logits.append(logits)
        view.append(tokens[-1])
        if len(view) > block_size:
            view = view[len(view) - max(1, block_size // 2) :]
    return tokens, np.stack(all_logits)


def drawing(seed, temperature):
    random = stream(seed, "sampling")

    def choose(logits):
        weights = np.exp((logits - logits.max()) / temperature)
        cumulative = np.cumsum(weights / weights.sum())
        return int(np.searchsorted(cumulative, random.random(), side="right"))

    return choose


@pytest.mark.parametrize("block_size", range(1, 21))
def test_a_full_context_drops_to_its_last_half(block_size):
    starts = [context_start(n, block_size) for n in range(1, 6 * block_size + 7)]
    lengths = [n - start for n, start in enumerate(starts, start=1)]
    assert lengths == lengths_by_simulation(block_size, len(lengths))
    assert starts == sorted(starts)


@pytest.mark.parametrize("switches", SWITCHES.values(), ids=SWITCHES)
@pytest.mark.parametrize("prompt_length", [1, 7, BLOCK])
def test_cached_and_recomputed_logits_agree_far_past_the_context(switches, prompt_length):
    model = model_of(**switches)
    ids, later = prompt_of(3, prompt_length), prompt_of(3, 4 * BLOCK, seed=1)
    with torch.no_grad():
        cached, recomputed = CachedContext(model, ids), RecomputedContext(model, ids)
        for tokens in later.T:
            torch.testing.assert_close(
                cached.next_logits(), recomputed.next_logits(), rtol=0, atol=1e-5
            )
            cached.append(tokens)
            recomputed.append(tokens)


@pytest.mark.parametrize("block_size", [1, 2, 3, BLOCK])
@pytest.mark.parametrize("attention", ["causal", "unmasked"])
def test_greedy_tokens_are_the_references(attention, block_size):
    model = model_of(block_size=block_size, attention=attention, dtype=torch.float64)
    ids = prompt_of(3, min(2, block_size))
    found = decode(model, ids, Greedy(), max_new_tokens=35, seeds=[0, 0, 0])
    rows = torch.stack(list(found), dim=1)
    for prompt, row in zip(ids.tolist(), rows.tolist(), strict=True):
        tokens, _ = reference(model, prompt, 35, choose=lambda logits: int(logits.argmax()))
        assert row == tokens


@pytest.mark.parametrize("attention", ["causal", "unmasked"])
def test_sampled_tokens_are_the_references(attention):
    model = model_of(attention=attention, dtype=torch.float64)
    ids = prompt_of(4, 3)
    strategy = Sample(temperature=1.7)
    found = decode(model, ids, strategy, max_new_tokens=35, seeds=[5, 6, 7, 5])
    rows = torch.stack(list(found), dim=1).tolist()
    for prompt, row, seed in zip(ids.tolist(), rows, [5, 6, 7, 5], strict=True):
        tokens, _ = reference(model, prompt, 35, choose=drawing(seed, 1.7))
        assert row == tokens
    assert len({tuple(row) for row in rows}) == 4


def test_logits_are_the_references():
    model = model_of()
    ids = prompt_of(1, 4)
    tokens, expected = reference(model, ids[0].tolist(), 35, choose=drawing(1, 1.0))
    context = open_context(model, ids)
    with torch.no_grad():
        for token, logits in zip(tokens, expected, strict=True):
            found = context.next_logits()[0].double().numpy()
            np.testing.assert_allclose(found, logits, rtol=0, atol=1e-5)
            context.append(torch.tensor([token]))


def test_a_sequence_does_not_depend_on_its_neighbours():
    model = model_of(dtype=torch.float64)
    ids, seeds = prompt_of(5, 4), [10, 11, 12, 13, 14]
    together = decode(model, ids, Sample(), max_new_tokens=25, seeds=seeds)
    rows = torch.stack(list(together), dim=1)
    for row, prompt, seed in zip(rows, ids, seeds, strict=True):
        alone = decode(model, prompt[None], Sample(), max_new_tokens=25, seeds=[seed])
        assert torch.equal(torch.cat(list(alone)), row)


def test_the_same_seed_twice_gives_the_same_tokens():
    model = model_of()
    first, second = (
        torch.cat(list(decode(model, prompt_of(1, 2), Sample(), max_new_tokens=20, seeds=[3])))
        for _ in range(2)
    )
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("attention", "kind"),
    [("causal", CachedContext), ("uniform", CachedContext), ("none", CachedContext),
     ("unmasked", RecomputedContext)],
)  # fmt: skip
def test_only_a_past_that_stays_as_it_was_is_cached(attention, kind):
    assert type(open_context(model_of(attention=attention), prompt_of(1, 2))) is kind


@pytest.mark.parametrize(("tokens", "room"), [(1, 3), (5, 7), (100, BLOCK), (None, BLOCK)])
def test_a_cache_has_room_for_what_will_come_and_no_more(tokens, room):
    context = open_context(model_of(), prompt_of(1, 2), max_new_tokens=tokens)
    assert context.cache.room == room


@pytest.mark.parametrize("kind", [CachedContext, RecomputedContext])
def test_selected_sequences_go_on_as_if_they_had_been_alone(kind):
    model = model_of(dtype=torch.float64)
    ids = prompt_of(3, 4)
    with torch.no_grad():
        context = kind(model, ids)
        context.next_logits()
        context.select(torch.tensor([2, 0, 2, 1]))
        context.append(torch.tensor([1, 2, 3, 4]))
        found = context.next_logits()
        chosen = torch.cat((ids[[2, 0, 2, 1]], torch.tensor([[1], [2], [3], [4]])), dim=1)
        torch.testing.assert_close(found, model(chosen)[:, -1], rtol=0, atol=1e-12)


def test_decoding_asks_for_no_token_too_many():
    assert list(decode(model_of(), prompt_of(2, 3), Greedy(), max_new_tokens=0, seeds=[0, 1])) == []
    steps = decode(model_of(), prompt_of(2, 3), Greedy(), max_new_tokens=10**9, seeds=[0, 1])
    assert next(steps).shape == (2,)
    steps.close()


def test_decoding_makes_no_gradients_and_leaves_the_callers_mode_alone():
    steps = decode(model_of(), prompt_of(1, 3), Sample(), max_new_tokens=3, seeds=[0])
    assert not next(steps).requires_grad
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("attention", ["causal", "unmasked"])
@pytest.mark.parametrize("strategy", [Greedy(), Sample()])
def test_a_damaged_model_is_told_and_not_sampled_from(bad, attention, strategy):
    model = model_of(attention=attention, tie_embeddings=False)
    with torch.no_grad():
        model.output.weight[4] = bad
    with pytest.raises(GenerationError, match=r"logits are not finite.*earlier checkpoint"):
        next(decode(model, prompt_of(2, 3), strategy, max_new_tokens=1, seeds=[0, 1]))
