"""The loss is the plain sum of the targets' nats."""

import math

import torch

from bardling.data.batches import IGNORE, Batch
from bardling.model.config import ModelConfig
from bardling.model.dropout import Noise
from bardling.model.gpt import GPT
from bardling.training.objective import next_token_loss, pretraining_loss

VOCAB, TIME, ROWS = 7, 6, 3


def random_model(dropout=0.0):
    config = ModelConfig(
        vocab_size=VOCAB, block_size=TIME, n_layer=1, n_head=2, n_embd=8, dropout=dropout,
        init="plain",
    )  # fmt: skip
    return GPT(config).double()


def random_batch(*, ignored=0):
    random = torch.Generator().manual_seed(4)
    ids = torch.randint(VOCAB, (ROWS, TIME + 1), generator=random)
    targets = ids[:, 1:].clone()
    targets.view(-1)[torch.randperm(ROWS * TIME, generator=random)[:ignored]] = IGNORE
    keys = torch.arange(ROWS, dtype=torch.int32)
    return Batch(inputs=ids[:, :-1].contiguous(), targets=targets, row_keys=keys)


def summed_nats(logits, targets):
    total = 0.0
    for row, answers in zip(logits.tolist(), targets.tolist(), strict=True):
        for scores, answer in zip(row, answers, strict=True):
            if answer != IGNORE:
                total += math.log(sum(math.exp(s) for s in scores)) - scores[answer]
    return total


def test_the_loss_is_the_sum_of_nats():
    model, batch = random_model(), random_batch()
    expected = summed_nats(model(batch.inputs), batch.targets)
    assert math.isclose(next_token_loss(model, batch).item(), expected, rel_tol=1e-12)


def test_ignored_targets_count_nothing():
    model, batch = random_model(), random_batch(ignored=7)
    assert batch.n_targets == ROWS * TIME - 7
    expected = summed_nats(model(batch.inputs), batch.targets)
    assert math.isclose(next_token_loss(model, batch).item(), expected, rel_tol=1e-12)


def test_a_batch_that_ignores_everything_has_no_loss():
    assert next_token_loss(random_model(), random_batch(ignored=ROWS * TIME)).item() == 0.0


def test_training_drops_what_the_batchs_keys_say():
    model, batch = random_model(dropout=0.5), random_batch()
    logits = model(batch.inputs, noise=Noise(batch.row_keys))
    expected = summed_nats(logits, batch.targets)
    assert math.isclose(pretraining_loss(model, batch).item(), expected, rel_tol=1e-12)
    assert not math.isclose(next_token_loss(model, batch).item(), expected, rel_tol=1e-3)
