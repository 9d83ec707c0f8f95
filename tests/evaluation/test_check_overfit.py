"""One batch by heart: the floor is counted right, and every sound model gets down to it."""

import math
from itertools import pairwise

import pytest
import torch

from bardling.data.batches import IGNORE, Batch
from bardling.evaluation.checks.overfit import floor_of, one_batch, what_is_seen
from bardling.model.gpt import GPT
from checked import FAMILIES, batch_of, config_of, model_of


def batch_from(rows: list[list[int]]) -> Batch:
    ids = torch.tensor(rows)
    return Batch(
        inputs=ids[:, :-1],
        targets=ids[:, 1:],
        row_keys=torch.zeros(len(rows), dtype=torch.int32),
    )


def floor(rows: list[list[int]], **switches) -> float:
    return floor_of(batch_from(rows), what_is_seen(config_of("modern", **switches))[1])


def test_the_floor_is_what_nobody_can_know():
    assert floor([[1, 2, 3]]) == 0.0
    assert floor([[1, 2, 3], [2, 2, 3]]) == 0.0
    assert floor([[1, 2, 3], [1, 4, 3]]) == pytest.approx(2 * math.log(2) / 4)
    third = math.log(3) + 2 * math.log(1.5)
    assert floor([[1, 2], [1, 2], [1, 3]]) == pytest.approx(third / 3)
    assert floor([[1, 2, 3], [1, 2, 4]]) == pytest.approx(2 * math.log(2) / 4)


def test_the_floor_of_models_that_see_less():
    rows = [[1, 1, 2], [1, 1, 2]]
    assert floor(rows) == 0.0
    blind = {"attention": "none"}
    assert floor(rows, **blind) == pytest.approx(math.log(2))
    assert floor(rows, n_layer=0) == pytest.approx(math.log(2))
    assert floor(rows, **blind, position="none") == pytest.approx(math.log(2))
    assert floor(rows, **blind, position="learned") == 0.0
    assert floor(rows, **blind, position="sinusoidal") == 0.0
    ambiguous = [[1, 2, 3], [1, 4, 3]]
    assert floor(ambiguous, attention="unmasked") == 0.0
    assert floor(ambiguous, attention="unmasked", n_layer=0) > 0.0
    assert floor(ambiguous, attention="uniform") == floor(ambiguous)


def test_the_floor_of_bigrams_is_their_conditional_entropy():
    ids = torch.randint(4, (6, 40), generator=torch.Generator().manual_seed(0))
    pairs = torch.zeros(4, 4)
    for row in ids.tolist():
        for one, other in pairwise(row):
            pairs[one, other] += 1
    share = pairs / pairs.sum()
    expected = -(share * (pairs / pairs.sum(1, keepdim=True)).log()).sum().item()
    assert floor(ids.tolist(), n_layer=0) == pytest.approx(expected, rel=1e-5)


def test_padding_is_not_counted():
    batch = batch_from([[1, 2, 3], [1, 4, 3]])
    batch.targets[1] = IGNORE
    assert floor_of(batch, what_is_seen(config_of("modern"))[1]) == 0.0


@pytest.mark.parametrize(
    "switches", [{}, {"tie_embeddings": False}, {"position": "sinusoidal"}, {"dropout": 0.5}]
)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_sound_model_learns_one_batch_by_heart(family, switches):
    model = model_of(family, **switches)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = one_batch(model, batch_of())
    assert found.outcome == "passed", found.detail
    assert found.detail.startswith("4 rows of 16 tokens: 0.")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize(
    ("switches", "seen"),
    [
        ({"attention": "none"}, "only the last token"),
        ({"attention": "none", "position": "learned"}, "only a token and its place"),
        ({"n_layer": 0, "tie_embeddings": False}, "only the last token"),
    ],
)
def test_models_that_see_little_get_down_to_their_own_floor(switches, seen):
    model = model_of(**switches, n_embd=32) if "n_layer" in switches else model_of(**switches)
    found = one_batch(model, batch_of())
    assert found.outcome == "passed", found.detail
    assert f"whoever knows {seen} cannot get below" in found.detail
    assert "after 400 steps" not in found.detail  # it stops when it is there


@pytest.mark.parametrize("switches", [{"n_layer": 0}, {"attention": "none", "feedforward": "none"}])
def test_a_tied_bigram_is_not_called_broken(switches):
    found = one_batch(model_of(**switches), batch_of())
    assert found.outcome == "skipped" and "a tied bigram" in found.detail


@pytest.mark.parametrize(
    ("switches", "reason"),
    [
        ({"attention": "uniform"}, "equal weights blur the order"),
        ({"position": "none"}, "without positions"),
        ({"residual": False}, "without residuals"),
        ({"norm": "none"}, "without norms"),
    ],
)
def test_what_learns_slowly_is_noted_with_its_reason(switches, reason):
    found = one_batch(model_of(**switches), batch_of(), steps=2)
    assert found.outcome == "warned" and reason in found.detail
    assert "after 2 steps" in found.detail


class Deaf(GPT):
    """Hears the first token only."""

    def forward(self, ids, **rest):
        return super().forward(ids[:, :1].expand_as(ids).contiguous(), **rest)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_that_does_not_hear_its_input_fails(family):
    rows = [[1, 2, 1, 3], [1, 3, 2, 1]]
    found = one_batch(Deaf(config_of(family)), batch_from(rows), steps=50)
    assert found.outcome == "failed" and "was expected" in found.detail


def test_a_loss_that_is_not_finite_ends_the_attempt():
    model = model_of()
    with torch.no_grad():
        model.final_norm.weight.fill_(math.nan)
    found = one_batch(model, batch_of())
    assert found.outcome == "failed" and "nan after 0 steps" in found.detail
