"""Vectors from counts, on texts whose truth is known."""

import numpy as np
import pytest

from bardling.data.stories.corpus import stories
from bardling.data.stories.truth import analogies, nouns
from bardling.evaluation.analogies import Vectors, counted_vectors, solved


def test_an_answer_is_the_nearest_word_that_was_not_asked_with():
    values = np.array([[1.0, 0, 0], [0.8, 0.6, 0], [0.6, 0, 0.8], [0.48, 0.36, 0.8], [0, 0, 1.0]])
    vectors = Vectors(words=("man", "woman", "king", "queen", "crown"), values=values)
    assert vectors.answer("man", "woman", "king") == "queen"
    assert vectors.answer("woman", "man", "queen") == "king"
    asked = [("man", "woman", "king", "queen"), ("man", "woman", "king", "crown")]
    assert solved(vectors, asked) == (1, 2)


def test_words_with_the_same_neighbours_are_alike():
    texts = ["a red fox ran home", "the big fox ran off", "a red hen ran home", "so it sat still"]
    vectors = counted_vectors(texts * 40, ["fox", "hen", "it"])
    alike = vectors.values @ vectors.values.T
    assert alike[0, 1] > alike[0, 2] and np.allclose(np.diag(alike), 1)


def test_words_of_several_are_one():
    texts = ["one fox cub sat here", "one fox ran there", "one cub ran there"] * 40
    vectors = counted_vectors(texts, ["fox cub", "fox", "cub"])
    alike = vectors.values @ vectors.values.T
    assert alike[1, 2] == pytest.approx(1) and alike[0, 1] < 0.99


@pytest.mark.slow
def test_the_ground_truth_is_in_the_text():
    vectors = counted_vectors(stories(0, 20_000), [noun.text for noun in nouns()])
    right, total = np.sum([solved(vectors, analogies(r)) for r in ("gender", "age")], axis=0)
    assert right / total >= 0.95
