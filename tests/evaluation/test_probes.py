"""Looks inside a model, each against what is known."""

import math

import numpy as np
import pytest
import torch

from bardling.evaluation.analogies import Vectors, unit_vectors
from bardling.evaluation.probes import dead_units, gradients_by_block, places_table, tempered
from bardling.evaluation.word_vectors import embedded_vectors, frequent_words, read_vectors
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from bardling.text.characters import CharacterTokenizer

SETTINGS = {"vocab_size": 12, "block_size": 16, "n_layer": 3, "n_head": 2, "n_embd": 8}


def test_temperatures_of_day_24_with_the_right_figures():
    found = tempered(torch.tensor([3.0, 2.0, 1.0, 0.5, 0.1]))
    assert [round(one.entropy, 3) for one in found] == [0.041, 0.491, 0.918, 1.107, 1.357]
    assert [one.temperature for one in found] == [0.2, 0.5, 0.8, 1.0, 1.5]
    for one in found:
        assert one.likeliest[0][0] == 0 and math.isclose(sum(p for _, p in one.likeliest), 1.0)


def test_dead_units_are_those_that_never_wake():
    model = GPT(ModelConfig(**SETTINGS, feedforward="relu", bias=True, d_ff=10))
    for block in model.blocks:
        up = dict(block.named_modules())["sublayers.feedforward.transform.layer.up"]
        with torch.no_grad():
            up.bias[:] = 100.0
            up.bias[:4] = -100.0
    ids = torch.randint(0, 12, (2, 16))
    assert dead_units(model, ids) == [0.4, 0.4, 0.4]
    assert dead_units(GPT(ModelConfig(**SETTINGS)), ids) == []


def test_residuals_carry_the_gradient_to_the_first_block():
    settings = SETTINGS | {"n_layer": 6, "tie_embeddings": False, "bias": True}
    ids = torch.randint(0, 12, (4, 16), generator=torch.Generator().manual_seed(0))
    kept, lost = (
        gradients_by_block(
            ModelConfig(
                **settings, residual=residual, init="plain", norm="none", feedforward="gelu"
            ),
            ids,
        )
        for residual in (True, False)
    )
    assert len(kept) == len(lost) == 6
    assert kept[0] / kept[-1] > 0.3 and lost[0] / lost[-1] < 1e-3


@pytest.mark.parametrize(
    "position", ["none", "learned", "sinusoidal", "sinusoidal_scaled", "rotary"]
)
def test_places_that_are_added(position):
    table = places_table(GPT(ModelConfig(**SETTINGS, position=position)))
    assert (table is None) == (position in ("none", "rotary"))
    assert table is None or table.shape == (16, 8)


def test_neighbours_and_what_lies_between():
    values = np.array([[1.0, 0.0], [0.9, 0.1], [-1.0, 0.0], [0.0, 1.0]])
    vectors = Vectors(words=("a", "b", "c", "d"), values=values)
    assert [word for word, _ in vectors.neighbours("a", 3)] == ["b", "d", "c"]
    assert vectors.neighbours("a", 1)[0][1] == pytest.approx(0.9)
    assert vectors.among(["d", "a", "x"]).words == ("d", "a")
    assert len(vectors.neighbours("a", 99)) == 3


def test_the_plane_keeps_most_of_the_distances():
    random = np.random.default_rng(0)
    plane = random.standard_normal((9, 2)) @ random.standard_normal((2, 6)) * 10
    noisy = Vectors(words=tuple("abcdefghi"), values=plane + random.standard_normal((9, 6)) * 0.01)
    flat = noisy.flat()
    for one in range(9):
        for other in range(9):
            full = np.linalg.norm(plane[one] - plane[other])
            assert np.linalg.norm(flat[one] - flat[other]) == pytest.approx(full, abs=0.2)


def test_directions_from_the_mean():
    vectors = unit_vectors(["a", "b"], np.array([[3.0, 1.0], [1.0, 1.0]]))
    assert vectors.values.tolist() == [[1.0, 0.0], [-1.0, 0.0]]


def test_frequent_words():
    texts = ["The cat saw the cat.", "a cat's tail, the end"]
    assert frequent_words(texts, 3) == ["cat", "the", "saw"]


TEXT = "ab ba ab. abba"


def test_a_words_row_is_the_mean_of_its_tokens():
    tokenizer = CharacterTokenizer.train([TEXT])
    model = GPT(ModelConfig(**SETTINGS | {"vocab_size": tokenizer.vocab_size}))
    vectors = embedded_vectors(model, tokenizer, ["ab", "ba", "a"])
    table = model.embedding.weight.detach().double()
    rows = [table[tokenizer.encode(f" {word}")].mean(0) for word in ("ab", "ba", "a")]
    assert np.allclose(
        vectors.values, unit_vectors(["ab", "ba", "a"], torch.stack(rows).numpy()).values
    )


def test_reading_takes_the_last_token_of_every_whole_word():
    tokenizer = CharacterTokenizer.train([TEXT])
    model = GPT(ModelConfig(**SETTINGS | {"vocab_size": tokenizer.vocab_size}, init="plain"))
    found = read_vectors(model, tokenizer, ["ab", "ba", "none"], [TEXT])
    assert found.words == ("ab", "ba")
    streams = []
    hooks = [b.register_forward_hook(lambda _, __, out: streams.append(out[0].double()))
             for b in model.blocks]  # fmt: skip
    model(torch.tensor([tokenizer.encode(TEXT)]))
    for hook in hooks:
        hook.remove()
    mean = torch.stack([s / s.norm(dim=1).mean() for s in streams]).mean(0).detach()
    expected = [(mean[1] + mean[7]) / 2, mean[4]]
    wanted = unit_vectors(["ab", "ba"], torch.stack(expected).numpy())
    assert np.allclose(found.values, wanted.values)
    assert read_vectors(model, tokenizer, ["none"], [TEXT]).words == ()
