"""With a cache a model writes what it writes when it reads everything anew for each token.

Both ways to fill a cache are compared with reading anew: the native decoder and torch alone. The
package has no padding: prompts that share a batch have the same length, so what a batch has to
show is that nobody sees a neighbour.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from promises import Protection
from torch import Tensor, nn

from bardling.generation import decode as decoding
from bardling.generation.decode import CachedContext, Context, RecomputedContext, decode
from bardling.generation.sampling import Greedy, Sample
from bardling.generation.speculation import decode_ahead
from bardling.kernels.decoder import MOST_AT_ONCE, open_decoder
from bardling.model.families import classic, modern
from bardling.model.gpt import GPT

CONTEXT, VOCAB = 64, 512
SIZES = {"vocab_size": VOCAB, "block_size": CONTEXT, "n_layer": 2, "n_head": 4, "n_embd": 64}
MODELS = {
    "modern": modern(**SIZES),
    "classic": classic(**SIZES),
    "shared heads": modern(**SIZES, n_kv_head=2),
}
LENGTHS = (1, CONTEXT - 1, CONTEXT, CONTEXT + 40)
PROMPTS = 5
"""Of each length, so 20."""
LARGEST = 1e-5
"""Difference of logits, which lie between -3 and 3 here."""
LARGEST_GAP = 0.02

PROTECTIONS = (
    Protection(
        file="generation/decode.py",
        line="            self.cache.clear()\n",
        broken="",
        test="test_tokens_and_logits_are_those_of_reading_anew[modern-12]",
    ),
    Protection(
        file="model/cache.py",
        line="store[:, :, self.cache.length : end] = new",
        broken="store[:, :, : new.shape[2]] = new",
        test="test_tokens_and_logits_are_those_of_reading_anew[modern-12]",
    ),
    Protection(
        file="kernels/decoder.py",
        line="self._run(_Step(position=cache.length, all=everywhere), tokens, cache)",
        broken="self._run(_Step(position=max(0, cache.length - 1), all=everywhere), tokens, cache)",
        test="test_tokens_and_logits_are_those_of_reading_anew[modern-12]",
    ),
)


def model_of(name: str, sharpness: float = 1.0) -> GPT:
    """Return a model with weights everywhere; a sharp one is surer of the next token."""
    generator = torch.Generator().manual_seed(0)
    model = GPT(MODELS[name])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        model.final_norm.weight.mul_(sharpness)
    return model


def prompts(length: int, count: int = PROMPTS) -> Tensor:
    return torch.randint(VOCAB, (count, length), generator=torch.Generator().manual_seed(length))


def by_torch(model: GPT, ids: Tensor) -> CachedContext:
    context = CachedContext(model, ids)
    context.decoder = None
    return context


def native(model: GPT, ids: Tensor) -> CachedContext:
    context = CachedContext(model, ids)
    assert context.decoder is not None
    return context


WAYS = {"native": native, "torch": by_torch}


def differences(model: GPT, ids: Tensor, n_tokens: int) -> Iterator[tuple[str, float, int]]:
    """Write greedily by reading anew; yield how far off each way's logits are, and texts alike."""
    plain, others = RecomputedContext(model, ids), {k: w(model, ids) for k, w in WAYS.items()}
    largest, same = dict.fromkeys(WAYS, 0.0), {way: torch.ones(len(ids)).bool() for way in WAYS}
    with torch.no_grad():
        for _ in range(n_tokens):
            expected = plain.next_logits()
            tokens = expected.argmax(dim=-1)
            for way, context in others.items():
                logits = context.next_logits()
                largest[way] = max(largest[way], (logits - expected).abs().max().item())
                same[way] &= logits.argmax(dim=-1) == tokens
                context.append(tokens)
            plain.append(tokens)
    for way in WAYS:
        yield way, largest[way], int(same[way].sum())


SWEEP = [pytest.param(name, 256, marks=pytest.mark.sweep) for name in MODELS]


@pytest.mark.parametrize(("name", "n_tokens"), [("modern", 12), *SWEEP])
def test_tokens_and_logits_are_those_of_reading_anew(name, n_tokens, record_property):
    model, found = model_of(name), []
    for length in LENGTHS:
        # so that even a prompt of one token outgrows its context
        n_here = max(n_tokens, CONTEXT + 8) if length == 1 else n_tokens
        found += differences(model, prompts(length), n_here)
    largest = max(difference for _, difference, _ in found)
    same = {way: sum(alike for w, _, alike in found if w == way) for way in WAYS}
    assert same == dict.fromkeys(WAYS, 20)
    assert largest <= LARGEST
    record_property(
        "measured",
        f"{name}: 20 of 20 texts of {n_tokens} tokens equal, logits within {largest:.1e}",
    )


STRATEGIES = {
    "greedy": Greedy(),
    "top-k": Sample(temperature=0.9, top_k=5),
    "top-p": Sample(temperature=1.1, top_p=0.9),
    "both": Sample(top_k=40, top_p=0.8),
}


@torch.no_grad()
@pytest.mark.parametrize("n_tokens", [8, pytest.param(CONTEXT, marks=pytest.mark.sweep)])
@pytest.mark.parametrize("name", STRATEGIES)
def test_texts_that_are_drawn_are_the_same_texts(name, n_tokens, monkeypatch):
    """Guessing ahead, which reads several tokens at once, writes them too."""
    model, strategy = model_of("modern"), STRATEGIES[name]
    open_as_it_is = decoding.open_context

    def written(ids: Tensor, way: Callable[..., Context]) -> Tensor:
        monkeypatch.setattr(decoding, "open_context", way)
        steps = decode(model, ids, strategy, max_new_tokens=n_tokens, seeds=[5, 6, 7])
        return torch.stack([*steps], dim=1)

    for length in LENGTHS:
        ids = prompts(length, 3)
        mine = written(ids, open_as_it_is)
        for way in (by_torch, RecomputedContext):
            assert torch.equal(written(ids, lambda *words, way=way, **_: way(*words[:2])), mine)
        ahead = decode_ahead(
            model, open_decoder(model), ids[:1], strategy,
            max_new_tokens=n_tokens, seed=5, n_draft=4,
        )  # fmt: skip
        assert torch.equal(torch.stack([*ahead], dim=1), mine[:1])


@torch.no_grad()
@pytest.mark.parametrize("n_tokens", [6, pytest.param(CONTEXT, marks=pytest.mark.sweep)])
@pytest.mark.parametrize("way", WAYS)
def test_nobody_in_a_batch_sees_a_neighbour(way, n_tokens):
    """A row's logits are within rounding of its own alone, whoever the others are."""
    model, ids = model_of("modern"), prompts(CONTEXT - 3)
    together = WAYS[way](model, ids)
    alone = [WAYS[way](model, row[None]) for row in ids]
    for _ in range(n_tokens):
        logits = together.next_logits()
        each = torch.cat([context.next_logits() for context in alone])
        assert (logits - each).abs().max() <= LARGEST
        tokens = logits.argmax(dim=-1)
        assert torch.equal(each.argmax(dim=-1), tokens)
        for context, own in zip((together, *alone), (tokens, *tokens[:, None]), strict=True):
            context.append(own)


def rounded(model: GPT) -> GPT:
    """Return a model whose matrices are what bf16 holds of those of another."""
    same = GPT(replace(model.config, tie_embeddings=False))
    same.load_state_dict(model.state_dict())
    with torch.no_grad():
        for module in same.modules():
            if isinstance(module, nn.Linear):
                module.weight.copy_(module.weight.bfloat16())
    return same


@torch.no_grad()
@pytest.mark.parametrize("n_tokens", [CONTEXT, pytest.param(256, marks=pytest.mark.sweep)])
@pytest.mark.parametrize("length", [1, MOST_AT_ONCE])
def test_weights_in_bf16_give_the_same_with_a_cache_as_without(length, n_tokens):
    """Longer prompts are read in float32 (generation/decode.py), so they are left out."""
    model, ids = model_of("modern"), prompts(length)
    cached, anew = CachedContext(model, ids, "bf16"), RecomputedContext(rounded(model), ids)
    for _ in range(n_tokens):
        logits, expected = cached.next_logits(), anew.next_logits()
        assert (logits - expected).abs().max() <= LARGEST
        tokens = expected.argmax(dim=-1)
        assert torch.equal(logits.argmax(dim=-1), tokens)
        cached.append(tokens)
        anew.append(tokens)


@torch.no_grad()
@pytest.mark.parametrize("n_tokens", [12, pytest.param(256, marks=pytest.mark.sweep)])
def test_in_bf16_another_token_comes_only_where_two_are_about_as_likely(n_tokens):
    """About as likely: in float32 their probabilities are within 2 %."""
    model = model_of("modern", sharpness=3.0)
    gaps: list[float] = []
    for length in LENGTHS:
        exact = CachedContext(model, prompts(length))
        short = CachedContext(model, prompts(length), "bf16")
        for _ in range(n_tokens):
            logits, others = exact.next_logits(), short.next_logits()
            both = torch.stack((logits.argmax(dim=-1), others.argmax(dim=-1)), dim=1)
            first, second = logits.softmax(dim=-1).gather(1, both).T
            gaps += (first - second)[both[:, 0] != both[:, 1]].tolist()
            for context in (exact, short):
                context.append(both[:, 0])
    assert gaps and max(gaps) < LARGEST_GAP
