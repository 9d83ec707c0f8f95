"""One process is a team that changes nothing."""

import pytest
import torch
from torch import nn

from bardling.machine.machine import plain_machine
from bardling.machine.team import ALONE, Alone, Team


def test_one_process_is_a_team():
    assert isinstance(ALONE, Team) and isinstance(Alone(), Team)
    assert not isinstance(object(), Team)
    assert (ALONE.rank, ALONE.size) == (0, 1)
    assert plain_machine().team is ALONE


@pytest.mark.parametrize("batch_size", [1, 7, 32])
def test_it_takes_all_rows(batch_size):
    assert list(ALONE.rows(batch_size)) == list(range(batch_size))


def test_its_gradients_are_the_whole_sum():
    loss = nn.Linear(2, 1)
    assert ALONE.bound(loss) is loss
    with ALONE.apart(loss):
        loss(torch.ones(2)).backward()
    assert torch.equal(loss.weight.grad, torch.ones(1, 2))


@pytest.mark.parametrize("value", [0, 5, 2.5, float("inf")])
def test_a_number_is_its_own_total(value):
    total = ALONE.total(value)
    assert total == value and type(total) is type(value)


def test_it_decides_by_itself():
    assert ALONE.most(3) == 3 and ALONE.first(lambda: {"a": None}) == {"a": None}


def test_it_has_what_it_has_made():
    tensor = torch.arange(3.0)
    ALONE.exchange([tensor])
    assert torch.equal(tensor, torch.arange(3.0))
