"""What is found of a file that is read back: how far its logits and losses are off."""

import numpy as np
import pytest

from bardling.errors import ExportError
from bardling.evaluation.loss import evaluate
from bardling.interchange.parity import compare, require_same
from families import family, randomised


def tokens(count: int) -> np.ndarray:
    return np.random.default_rng(4).integers(0, 29, count)


def test_a_model_is_no_distance_from_itself():
    model = randomised(family("llama"))
    found = compare(model, model, read_by="itself", tokens=tokens(40))
    assert (found.largest, found.loss_difference) == (0.0, 0.0)
    assert found.greedy == found.written == 15
    assert found.told.endswith("all of 15 greedy tokens are the same, the loss is +0.0000")
    assert "loss" not in compare(model, model, read_by="itself").told


def test_another_model_is_far_in_all_of_them():
    model, other = (randomised(family("llama"), seed) for seed in (1, 2))
    found = compare(model, other, read_by="another", tokens=tokens(70))
    assert found.relative > 0.1 and found.greedy < found.written
    losses = [evaluate(one, tokens(70), batch_size=1).loss for one in (model, other)]
    assert found.loss_difference == pytest.approx(losses[1] - losses[0], abs=1e-4)
    with pytest.raises(ExportError, match="the file was not written: read by another"):
        require_same(found, "the file", bound=0.1)
