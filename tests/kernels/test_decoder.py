"""Decoding natively against the plain model: logits, caches, forms of weights, and refusals."""

import pytest
import torch

from bardling.errors import GenerationError, KernelError
from bardling.generation.decode import CachedContext, decode
from bardling.generation.sampling import Greedy, Sample
from bardling.kernels import decoder as decoder_module
from bardling.kernels.decoder import Decoder, open_decoder
from bardling.kernels.library import load_library
from bardling.kernels.weights import shortened
from bardling.model.cache import KVCache
from bardling.model.families import classic, modern
from bardling.model.gpt import GPT

SIZES = {"vocab_size": 37, "block_size": 24, "n_layer": 2, "n_head": 4, "n_embd": 40}
GENERATOR = torch.Generator()


@pytest.fixture(autouse=True)
def from_the_beginning():
    """Draw the same numbers whichever tests ran before."""
    GENERATOR.manual_seed(0)


MODELS = {
    "modern": modern(**SIZES),
    "classic": classic(**SIZES),
    "shared heads": modern(**SIZES, n_kv_head=2, head_dim=6),
    "relu, untied": classic(**SIZES, feedforward="relu", tie_embeddings=False, output_bias=True),
    "gelu, sinusoidal": classic(**SIZES, feedforward="gelu", position="sinusoidal", bias=False),
    "scaled sinusoidal": classic(**SIZES, position="sinusoidal_scaled"),
    "gelu by sigmoid": classic(**SIZES, feedforward="gelu_sigmoid", qkv_bias=False),
    "unscaled": modern(**SIZES, attention_scale=False, qk_norm=False, position="none"),
    "wide heads": modern(**SIZES, head_dim=34),
}


def model_of(name: str) -> GPT:
    model = GPT(MODELS[name])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=GENERATOR))
    return model


def decoded(model, ids, form="fp32"):
    """Return the logits after each token, read one by one."""
    decoder = Decoder(model, load_library("decoding"), form)
    cache = KVCache(model.config, len(ids), like=model.embedding.weight, room=ids.shape[1])
    for layer in cache.layers:  # what was not written yet must not be read
        layer.keys.fill_(torch.nan)
        layer.values.fill_(torch.nan)
    return torch.stack([decoder.step(column[:, None], cache) for column in ids.T], dim=1)


@pytest.mark.parametrize("batch", [1, 2, 7, 12, 17])
@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_logits_are_those_of_the_model(name, batch):
    model = model_of(name)
    ids = torch.randint(0, 37, (batch, 20), generator=GENERATOR)
    torch.testing.assert_close(decoded(model, ids), model(ids), rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize(("form", "bound"), [("bf16", 0.02), ("int8", 0.06)])
@pytest.mark.parametrize("batch", [1, 6, 13])
@torch.no_grad()
def test_short_weights_stay_near(form, bound, batch):
    model = model_of("modern")
    ids = torch.randint(0, 37, (batch, 24), generator=GENERATOR)
    expected = model(ids)
    away = (decoded(model, ids, form) - expected).norm() / expected.norm()
    assert 1e-4 < away < bound


def test_no_weight_is_further_off_than_half_a_step():
    weight = torch.randn(9, 50, generator=GENERATOR)
    weight[3] = 0.0
    short, factors = shortened(weight, "int8")
    assert short.dtype == torch.int8 and short.abs().amax() == 127
    off = (short * factors[:, None] - weight).abs()
    assert (off <= factors[:, None] / 2 + 1e-7).all()
    short, factors = shortened(weight, "bf16")
    assert factors is None and ((short.float() - weight).abs() <= weight.abs() / 256).all()


@pytest.mark.parametrize("strategy", [Greedy(), Sample(temperature=0.9, top_k=5)])
def test_texts_are_those_that_torch_alone_writes(strategy, monkeypatch):
    model, ids = model_of("modern"), torch.tensor([[1, 2, 3], [4, 5, 6]])
    settings = {"max_new_tokens": 40, "seeds": [1, 2]}  # past the end of the context
    mine = torch.stack([*decode(model, ids, strategy, **settings)])
    monkeypatch.setattr("bardling.generation.decode.open_decoder", lambda *_: None)
    assert torch.equal(mine, torch.stack([*decode(model, ids, strategy, **settings)]))


def test_a_decoder_goes_where_its_cache_goes():
    model = model_of("modern")
    context = CachedContext(model, torch.tensor([[1], [2], [3]]))
    assert context.decoder is not None
    context.next_logits()
    context.select(torch.tensor([2, 0, 0, 1]))
    context.append(torch.tensor([7, 8, 9, 7]))
    with torch.no_grad():
        expected = model(torch.tensor([[3, 7], [1, 8], [1, 9], [2, 7]]))[:, -1]
    torch.testing.assert_close(context.next_logits(), expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("token", [-1, 37, 10**9])
def test_a_token_that_does_not_exist_is_refused(token):
    model = model_of("modern")
    cache = KVCache(model.config, 1, like=model.embedding.weight)
    decoder = open_decoder(model)
    with pytest.raises(GenerationError, match=f"token {token} is none of the model's 37"):
        decoder.step(torch.tensor([[token]]), cache)
    cache.advance(24)
    with pytest.raises(GenerationError, match="the cache is full: it holds 24 tokens"):
        decoder.step(torch.tensor([[1]]), cache)


def test_a_small_cache_is_full_sooner():
    model = model_of("modern")
    cache = KVCache(model.config, 1, like=model.embedding.weight, room=2)
    decoder = open_decoder(model)
    decoder.step(torch.tensor([[1, 2]]), cache)
    with pytest.raises(GenerationError, match="the cache is full: it holds 2 tokens"):
        decoder.step(torch.tensor([[1]]), cache)


def test_rows_that_the_cache_has_not_are_refused():
    model = model_of("modern")
    cache = KVCache(model.config, 1, like=model.embedding.weight)
    decoder = open_decoder(model)
    with pytest.raises(GenerationError, match="2 rows came for a cache of 1"):
        decoder.step(torch.zeros(2, 1, dtype=torch.int64), cache)
    with pytest.raises(GenerationError, match="33 tokens at once; it reads 32"):
        decoder.step(torch.zeros(1, 33, dtype=torch.int64), cache)


@torch.no_grad()
def test_more_threads_and_more_tokens_get_more_room():
    model, threads = model_of("modern"), torch.get_num_threads()
    ids = torch.randint(0, 37, (1, 24), generator=GENERATOR)
    decoder = open_decoder(model)
    cache = KVCache(model.config, 1, like=model.embedding.weight)
    try:
        torch.set_num_threads(1)
        first = decoder.read(ids[:, :3], cache)
        torch.set_num_threads(4)
        second = decoder.read(ids[:, 3:4], cache)
        assert decoder._room["scores"].numel() >= 4 * 24  # one row for each thread
        third = decoder.read(ids[:, 4:], cache)
    finally:
        torch.set_num_threads(threads)
    found = torch.cat((first, second, third), dim=1)
    torch.testing.assert_close(found, model(ids), rtol=1e-4, atol=2e-5)


def test_torchs_defaults_change_nothing():
    model, ids = model_of("modern"), torch.tensor([[1, 2]])
    expected = [*decode(model, ids, Greedy(), max_new_tokens=5, seeds=[0])]
    torch.set_default_dtype(torch.float64)
    try:
        found = [*decode(model, ids, Greedy(), max_new_tokens=5, seeds=[0])]
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(torch.cat(found), torch.cat(expected))


@pytest.mark.parametrize("name", ["modern", "relu, untied"])
def test_weights_that_are_no_numbers_are_told(name):
    model = model_of(name)
    with torch.no_grad():
        model.blocks[0].sublayers["feedforward"].transform.layer.up.weight[:] = torch.nan
    with pytest.raises(GenerationError, match="not finite"):
        next(decode(model, torch.tensor([[1]]), Greedy(), max_new_tokens=1, seeds=[0]))


def test_where_it_cannot_be_used_torch_decodes(monkeypatch):
    assert open_decoder(GPT(modern(**SIZES)).double()) is None
    assert open_decoder(GPT(modern(**SIZES, norm_place="after"))) is None

    def missing(name):
        raise KernelError("no compiler")

    monkeypatch.setattr(decoder_module, "load_library", missing)
    model = GPT(modern(**SIZES))
    assert open_decoder(model) is None
    steps = decode(model, torch.tensor([[1]]), Greedy(), max_new_tokens=3, seeds=[0])
    assert len([*steps]) == 3
    with pytest.raises(GenerationError, match="weights in int8 are read by the native kernels"):
        next(
            decode(
                model, torch.tensor([[1]]), Greedy(), max_new_tokens=3, seeds=[0], weights="int8"
            )
        )


@torch.no_grad()
@pytest.mark.parametrize("form", ["fp32", "bf16", "int8"])
@pytest.mark.parametrize("name", ["classic", "modern"])
def test_slots_are_read_alike_alone_and_in_company(name, form):
    """Each from its own position: to the last bit the same, however many are read beside."""
    model = model_of(name)
    decoder = open_decoder(model, form)
    random = torch.Generator().manual_seed(3)
    lengths = [3, 9, 1, 14, 5, 20, 2, 7, 11, 4, 6, 8, 13, 10, 12, 16, 15, 18]
    texts = [torch.randint(0, 37, (n,), generator=random) for n in lengths]

    def place():
        return KVCache(model.config, len(texts), like=model.embedding.weight)

    alone, together = [], place()
    for slot, ids in enumerate(texts):  # one by one, each in a cache of its own
        cache = place()
        for at, token in enumerate(ids):
            logits = decoder.read_slots(token.view(1, 1), cache, *ints([slot], [at]))
        alone.append(logits[0, -1])
        decoder.read_slots(ids[None, :-1], together, *ints([slot], [0])) if len(ids) > 1 else None
    order = [7, 2, 0, 17, 5, 11, 3, 16, 1, 4, 6, 8, 9, 10, 12, 13, 14, 15]
    last = torch.stack([texts[slot][-1:] for slot in order])
    starts = [lengths[slot] - 1 for slot in order]
    found = decoder.read_slots(last, together, *ints(order, starts))
    for row, slot in enumerate(order):
        assert torch.equal(found[row, -1], alone[slot])


def ints(*lists):
    return [torch.tensor(one) for one in lists]


@torch.no_grad()
def test_slots_are_read_as_the_model_reads():
    model = model_of("modern")
    cache = KVCache(model.config, 3, like=model.embedding.weight)
    ids = torch.randint(0, 37, (2, 6), generator=GENERATOR)
    decoder = open_decoder(model)
    first = decoder.read_slots(ids[:, :4], cache, *ints([2, 0], [0, 0]), everywhere=True)
    rest = decoder.read_slots(ids[:, 4:], cache, *ints([2, 0], [4, 4]), everywhere=True)
    assert cache.length == 0
    torch.testing.assert_close(torch.cat((first, rest), 1), model(ids), rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize(("slot", "start"), [(3, 0), (-1, 0), (0, -1), (0, 24)])
def test_a_slot_that_is_not_there_is_refused(slot, start):
    model = model_of("modern")
    cache = KVCache(model.config, 3, like=model.embedding.weight)
    with pytest.raises(GenerationError, match="the cache"):
        open_decoder(model).read_slots(torch.tensor([[1]]), cache, *ints([slot], [start]))
