"""The loss of preferences is the paper's, however its batch is cut and its reference is kept."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from bardling.data.batches import IGNORE
from bardling.data.pairs import Pairs
from bardling.kernels.fused import FusedGPT
from bardling.kernels.library import load_library
from bardling.machine.machine import plain_machine
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from bardling.model.lora import wrap
from bardling.model.lora_config import LoRA
from bardling.training.learner import build_learner
from bardling.training.loop import take_steps
from bardling.training.optimizer_config import SGD
from bardling.training.plan import Plan
from bardling.training.preference import (
    AdaptersOff,
    Frozen,
    PreferenceLoss,
    answer_logprobs,
    count_pairs,
    log_odds,
)
from learners import gradient, training_config, weights

VOCAB, END, BETA = 9, 8, 0.7
MODEL = ModelConfig(
    vocab_size=VOCAB, block_size=16, n_layer=2, n_head=2, n_embd=8, init="plain", bias=True
)


def model_of(seed=1, **switches) -> GPT:
    return GPT(replace(MODEL, **switches), seed=seed).double()


def pairs_of(n_pairs=6, batch_size=6, **switches) -> Pairs:
    random = np.random.default_rng(5)
    ids: list[int] = []
    for _ in range(n_pairs):
        prompt = random.integers(0, END, random.integers(0, 5)).tolist()
        for first in random.permutation(END)[:2]:
            ids += [*prompt, int(first), *random.integers(0, END, random.integers(0, 6)), END]
    return Pairs(
        tokens=np.array(ids, dtype=np.uint16), end_token=END, batch_size=batch_size, **switches
    )


def by_hand(model, reference, batch) -> list[float]:
    """Equation 7 of Rafailov et al. 2023, for each pair, number by number."""

    def log_p(which, row):
        logits = which(batch.inputs[row : row + 1])[0].tolist()
        return sum(
            scores[target] - math.log(sum(math.exp(s) for s in scores))
            for scores, target in zip(logits, batch.targets[row].tolist(), strict=True)
            if target != IGNORE
        )

    losses = []
    for row in range(0, len(batch.inputs), 2):
        better = log_p(model, row) - log_p(reference, row)
        worse = log_p(model, row + 1) - log_p(reference, row + 1)
        losses.append(-math.log(1 / (1 + math.exp(-BETA * (better - worse)))))
    return losses


def test_the_loss_is_the_papers():
    model, reference, batch = model_of(1), model_of(2), pairs_of().batch(0)
    loss = PreferenceLoss(BETA, Frozen(reference))(model, batch)
    assert loss.item() == pytest.approx(sum(by_hand(model, reference, batch)), rel=1e-12)
    assert count_pairs(batch) == 6


def test_what_both_answers_begin_with_cancels():
    model, pairs = model_of(), pairs_of()
    batch = pairs.batch(0)
    everything = batch.targets.clone()
    everything[:, :-1] = batch.inputs[:, 1:]
    everything[everything == END] = IGNORE  # padding; ends, which are in both, are put back
    ends = batch.targets == END
    everything[ends] = END
    whole = replace(batch, targets=everything)
    assert whole.n_targets > batch.n_targets
    torch.testing.assert_close(log_odds(model, whole), log_odds(model, batch), rtol=0, atol=1e-12)


def test_a_model_that_is_its_reference_has_ln_2():
    model, batch = model_of(), pairs_of().batch(0)
    loss = PreferenceLoss(BETA, Frozen(copy.deepcopy(model)))(model, batch)
    assert loss.item() == pytest.approx(6 * math.log(2), rel=1e-15)


def test_a_step_against_the_gradient_makes_chosen_answers_likelier():
    model, batch = model_of(), pairs_of().batch(0)
    before = log_odds(model, batch)
    PreferenceLoss(BETA, Frozen(copy.deepcopy(model)))(model, batch).backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 1e-3 * parameter.grad
    assert (log_odds(model, batch) > before).sum() >= 5
    assert log_odds(model, batch).mean() > before.mean()


def test_the_gradient_of_a_pair_is_weighed_by_how_wrong_it_is():
    """The gradient after equation 7: -β σ(-margin) (∇ ln p(chosen) - ∇ ln p(rejected))."""
    model, reference, batch = model_of(1), model_of(2), pairs_of(1, 1).batch(0)
    loss = PreferenceLoss(BETA, Frozen(reference))(model, batch)
    loss.backward()
    found = gradient(model)
    model.zero_grad()
    log_odds(model, batch).sum().backward()
    wrong = 1 - math.exp(-loss.item())
    torch.testing.assert_close(found, -BETA * wrong * gradient(model), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_a_batch_in_parts_is_the_batch(parts):
    ends = []
    for accumulate in (1, parts):
        model = model_of(dropout=0.3)
        learner = build_learner(
            model, SGD(lr=0.5), plain_machine(), PreferenceLoss(BETA, Frozen(model_of(2))),
            count_pairs,
        )  # fmt: skip
        config = training_config(batch_size=5, accumulate=accumulate, clip_norm=0.0)
        steps = take_steps(learner, pairs_of(7, 5).batch, config, Plan(total_steps=3))
        results = [taken.result for taken in steps]
        assert results[0].tokens == pairs_of(7, 5).batch(0).n_targets
        ends.append((weights(model), [result.loss for result in results]))
    assert (ends[0][0] - ends[1][0]).abs().max() < 1e-10
    assert ends[0][1] == pytest.approx(ends[1][1], abs=1e-10)


def test_two_halves_of_a_team_add_up_to_the_batch():
    """As `Ranks` parts rows: each has its pairs, and all divide by those of both."""
    model, pairs = model_of(), pairs_of(7, 5)
    objective = PreferenceLoss(BETA, Frozen(model_of(2)))
    whole = objective(model, pairs.batch(0))
    halves = [pairs.batch(0, rows) for rows in (range(2), range(2, 5))]
    assert sum(map(count_pairs, halves)) == 5
    torch.testing.assert_close(sum(objective(model, half) for half in halves), whole)


def adapted(**lora) -> GPT:
    model = wrap(model_of(), LoRA(**lora))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("lora_b"):
                parameter.normal_(generator=torch.Generator().manual_seed(3))
    return model


@pytest.mark.parametrize("targets", [("query", "value"), ("c_attn", "c_proj")])
def test_a_model_without_its_adapters_is_a_copy_of_what_it_was(targets):
    model, batch = adapted(rank=2, targets=targets), pairs_of().batch(0)
    assert (log_odds(model, batch) - log_odds(model_of(), batch)).abs().max() > 0.01
    found = PreferenceLoss(BETA, AdaptersOff())(model, batch)
    expected = PreferenceLoss(BETA, Frozen(model_of()))(model, batch)
    assert found.item() == expected.item()
    found.backward()
    trained = {name for name, p in model.named_parameters() if p.grad is not None}
    assert trained and all("lora" in name for name in trained)
    assert (log_odds(model, batch) - log_odds(model_of(), batch)).abs().max() > 0.01  # on again


@pytest.mark.parametrize("kept", ["frozen", "off"])
def test_the_kernels_say_the_same(kept):
    lib = load_library("training")
    model, batch = adapted(rank=2).float(), pairs_of().batch(0)
    reader = FusedGPT(model, lib, torch.float32)
    base = model_of().float()
    references = {
        "frozen": (Frozen(base), Frozen(FusedGPT(base, lib, torch.float32))),
        "off": (AdaptersOff(), AdaptersOff()),
    }
    plain, fused = references[kept]
    torch.testing.assert_close(
        answer_logprobs(reader, batch), answer_logprobs(model, batch), rtol=1e-5, atol=1e-5
    )
    PreferenceLoss(BETA, plain)(model, batch).backward()
    expected = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    PreferenceLoss(BETA, fused)(reader, batch).backward()
    for name, grad in expected.items():
        torch.testing.assert_close(model.get_parameter(name).grad, grad, rtol=1e-3, atol=1e-5)
