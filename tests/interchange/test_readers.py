"""What is found of a file that is read back: how far its logits and losses are off."""

import pytest
import torch

from bardling.errors import ExportError
from bardling.evaluation.loss import evaluate
from bardling.interchange.parity import compare, mean_loss, require_same
from families import family, randomised


def windows(*shape: int) -> torch.Tensor:
    return torch.randint(29, shape, generator=torch.Generator().manual_seed(4))


def test_the_mean_loss_is_that_of_every_evaluation():
    model, (text,) = randomised(family("qwen3")), windows(1, 17)
    expected = evaluate(model, text.numpy(), batch_size=1)
    assert expected.tokens == 16
    assert mean_loss(model, text[None]) == pytest.approx(expected.loss, abs=1e-5)
    several = windows(3, 9)
    alone = [mean_loss(model, window[None]) for window in several]
    assert mean_loss(model, several) == pytest.approx(sum(alone) / 3, abs=1e-6)


def test_a_model_is_no_distance_from_itself():
    model = randomised(family("llama"))
    found = compare(model, model, read_by="itself", text=windows(2, 17))
    assert (found.largest, found.loss_difference) == (0.0, 0.0)
    assert found.greedy == found.written == 15
    assert found.told.endswith("all of 15 greedy tokens are the same, the loss is +0.0000")
    assert "loss" not in compare(model, model, read_by="itself").told


def test_another_model_is_far_in_all_of_them():
    model, other = (randomised(family("llama"), seed) for seed in (1, 2))
    found = compare(model, other, read_by="another", text=windows(4, 17))
    assert found.relative > 0.1 and found.greedy < found.written
    difference = mean_loss(other, windows(4, 17)) - mean_loss(model, windows(4, 17))
    assert found.loss_difference == pytest.approx(difference)
    with pytest.raises(ExportError, match="the file was not written: read by another"):
        require_same(found, "the file", bound=0.1)
