"""Random batches against the whole split."""

import numpy as np
import pytest
import torch

from bardling.evaluation.estimate import estimate_loss
from bardling.evaluation.loss import evaluate
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT


def test_the_mean_is_near_the_whole_by_its_error():
    torch.manual_seed(0)
    model = GPT(
        ModelConfig(vocab_size=9, block_size=8, n_layer=1, n_head=2, n_embd=8, init="plain")
    )
    tokens = np.random.default_rng(0).integers(0, 9, 20_000).astype(np.uint16)
    whole = evaluate(model, tokens, batch_size=32).loss
    few, many = (estimate_loss(model, tokens, batches=n, batch_size=16) for n in (20, 320))
    assert abs(many.loss - whole) < 4 * many.error + 0.01
    assert few.error == pytest.approx(4 * many.error, rel=0.6)
    assert estimate_loss(model, tokens, batches=20, batch_size=16) == few
    assert estimate_loss(model, tokens, batches=20, batch_size=16, seed=1).loss != few.loss
    assert estimate_loss(model, tokens, batches=1).error is None
