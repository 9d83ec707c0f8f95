"""Guessing ahead writes the text that would have been written anyway."""

import pytest
import torch

from bardling.generation.decode import decode
from bardling.generation.sampling import Greedy, Sample
from bardling.generation.speculation import decode_ahead, draft
from bardling.kernels.decoder import Decoder, open_decoder
from bardling.model.families import modern
from bardling.model.gpt import GPT

GENERATOR = torch.Generator().manual_seed(0)
STRATEGIES = (Greedy(), Sample(temperature=0.3), Sample(temperature=1.2, top_k=9, top_p=0.9))


@pytest.fixture(scope="module")
def model() -> GPT:
    """Return a model that likes to repeat itself, and does not always."""
    model = GPT(modern(vocab_size=23, block_size=32, n_layer=2, n_head=2, n_embd=16))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=GENERATOR))
    return model


class Counting(Decoder):
    """Counts how often the model is read."""

    readings = 0

    def read(self, tokens, cache):
        self.readings += 1
        return super().read(tokens, cache)


@pytest.mark.parametrize("n_draft", [1, 4, 31])
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("length", [1, 20, 32])
def test_every_token_is_the_same(model, strategy, n_draft, length):
    ids = torch.randint(0, 23, (1, length), generator=GENERATOR)
    plain = [*decode(model, ids, strategy, max_new_tokens=90, seeds=[5])]
    decoder = Counting(model, open_decoder(model).lib)
    settings = {"max_new_tokens": 90, "seed": 5, "n_draft": n_draft}
    found = [*decode_ahead(model, decoder, ids, strategy, **settings)]
    assert torch.equal(torch.cat(found), torch.cat(plain))
    assert decoder.readings <= 90
    if isinstance(strategy, Greedy):  # which ends in a circle here
        assert decoder.readings < 70


@pytest.mark.parametrize("length", [2, 30])
def test_with_short_weights_too(model, length):
    ids = torch.randint(0, 23, (1, length), generator=GENERATOR)
    settings = {"max_new_tokens": 60}
    plain = [*decode(model, ids, Greedy(), seeds=[0], weights="int8", **settings)]
    decoder = open_decoder(model, "int8")
    found = [*decode_ahead(model, decoder, ids, Greedy(), seed=0, n_draft=6, **settings)]
    assert torch.equal(torch.cat(found), torch.cat(plain))


def test_a_reader_may_stop_and_nothing_is_written_for_no_tokens(model):
    decoder, ids = open_decoder(model), torch.tensor([[1]])
    settings = {"seed": 0, "n_draft": 4}
    steps = decode_ahead(model, decoder, ids, Greedy(), max_new_tokens=50, **settings)
    assert len([next(steps) for _ in range(3)]) == 3
    assert [*decode_ahead(model, decoder, ids, Greedy(), max_new_tokens=0, **settings)] == []


@pytest.mark.parametrize(
    ("written", "most", "expected"),
    [
        ([1, 2, 3, 1, 2], 4, [3, 1, 2]),
        ([1, 2, 3, 1, 2], 1, [3]),
        ([7, 1, 2, 3, 9, 1, 2, 4, 1, 2], 2, [4, 1]),  # the newest of two places
        ([5, 1, 2, 3, 8, 1, 2, 9, 5, 1, 2], 1, [3]),  # the longer match wins
        ([1, 2, 3], 4, []),
        ([1], 4, []),
        ([], 4, []),
    ],
)
def test_drafts(written, most, expected):
    assert draft(written, most) == expected
