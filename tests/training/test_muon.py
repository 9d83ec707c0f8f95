"""Stacked Muon is torch's, matrix by matrix."""

import pytest
import torch

from bardling.machine.team import Alone
from bardling.training.muon import StackedMuon, _some, orthogonalised

SHAPES = ((16, 16), (16, 16), (44, 16), (16, 44), (44, 16), (8, 3))
GENERATOR = torch.Generator().manual_seed(0)


def gradients():
    return [torch.randn(shape, generator=GENERATOR) for shape in SHAPES]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"nesterov": False, "momentum": 0.5},
        {"weight_decay": 0.0, "ns_steps": 3},
        {"momentum": 0.0},
    ],
)
def test_steps_are_those_of_torch(settings):
    start, settings = gradients(), {"lr": 0.02, "adjust_lr_fn": "original"} | settings
    mine, theirs = ([torch.nn.Parameter(g.clone()) for g in start] for _ in range(2))
    stacked, torchs = StackedMuon(mine, **settings), torch.optim.Muon(theirs, **settings)
    for step in range(4):
        for a, b, gradient in zip(mine, theirs, gradients(), strict=True):
            a.grad, b.grad = gradient.clone(), gradient.clone()
        if step == 2:  # a parameter that took no part
            mine[1].grad = theirs[1].grad = None
        stacked.step()
        torchs.step()
        for a, b, before in zip(mine, theirs, start, strict=True):
            assert torch.dist(a, b) <= 2e-3 * torch.dist(b, before)  # of bfloat16's products
            torch.testing.assert_close(
                stacked.state[a]["momentum_buffer"], torchs.state[b]["momentum_buffer"]
            )


def test_singular_values_come_near_one():
    stack = torch.stack([torch.randn(12, 30, generator=GENERATOR) for _ in range(3)])
    found = orthogonalised(stack, coefficients=(3.4445, -4.7750, 2.0315), steps=5, eps=1e-7)
    values = torch.linalg.svdvals(found.float())
    assert values.min() > 0.6 and values.max() < 1.3


def test_nothing_moves_without_gradients():
    parameter = torch.nn.Parameter(torch.ones(3, 3))
    StackedMuon([parameter], lr=1.0).step()
    assert torch.equal(parameter, torch.ones(3, 3))


class Member(Alone):
    """One of several who are asked one after the other; each hears what those before have made."""

    def __init__(self, rank: int, size: int, heard: list[torch.Tensor]) -> None:
        self.rank, self.size, self.heard = rank, size, heard

    def rows(self, batch_size, rank=None):
        who = self.rank if rank is None else rank
        return range(batch_size * who // self.size, batch_size * (who + 1) // self.size)

    def exchange(self, parts):
        for part, heard in zip(parts, self.heard, strict=False):
            part.copy_(heard)
        self.heard.append(parts[self.rank].clone())


def stepped(start, grads, team):
    parameters = [torch.nn.Parameter(g.clone()) for g in start]
    for parameter, gradient in zip(parameters, grads, strict=True):
        parameter.grad = gradient.clone()
    optimizer = StackedMuon(parameters, lr=0.02)
    optimizer.team = team
    optimizer.step()
    return [parameter.detach() for parameter in parameters]


def test_a_part_of_a_stack_is_rounded_as_the_whole_is():
    def way(stack):
        return orthogonalised(stack, coefficients=(3.4445, -4.7750, 2.0315), steps=5, eps=1e-7)

    for count in (1, 2, 3, 4):
        for _ in range(300):
            stack = torch.randn(count, 16, 48, generator=GENERATOR)
            whole = way(stack)
            for place in range(count):
                alone = _some(stack, range(place, place + 1), way)
                assert torch.equal(alone, whole[place : place + 1])


@pytest.mark.parametrize("size", [2, 3, 7])
def test_members_of_a_team_make_a_part_each_and_come_to_the_same(size):
    start, grads, heard = gradients(), gradients(), []
    alone = stepped(start, grads, Alone())
    for rank in range(size):  # the last hears all the others
        together = stepped(start, grads, Member(rank, size, heard))
    assert sum(part.numel() for part in heard) == sum(gradient.numel() for gradient in grads)
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))
