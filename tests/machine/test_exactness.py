"""Exact arithmetic is asked for inside the context, and only there."""

import pytest
import torch

from bardling.machine.exactness import exact_arithmetic

MEMORY = torch.utils.deterministic


def settings() -> tuple[int, bool, int]:
    mode, threads = torch.get_deterministic_debug_mode(), torch.get_num_threads()
    return mode, MEMORY.fill_uninitialized_memory, threads


@pytest.fixture(params=["default", "warn", "error"])
def before(request):
    """Set what held before, and put back what the test session had."""
    session = settings()
    torch.set_deterministic_debug_mode(request.param)
    MEMORY.fill_uninitialized_memory = request.param != "warn"
    yield settings()
    torch.set_deterministic_debug_mode(session[0])
    MEMORY.fill_uninitialized_memory = session[1]
    torch.set_num_threads(session[2])


def test_inside_and_afterwards(before):
    with exact_arithmetic():
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.is_deterministic_algorithms_warn_only_enabled()
        assert MEMORY.fill_uninitialized_memory is False
    assert settings() == before


def test_afterwards_also_when_something_went_wrong(before):
    with pytest.raises(ZeroDivisionError), exact_arithmetic():
        _ = 1 / 0
    assert settings() == before


def test_nested(before):
    with exact_arithmetic():
        with exact_arithmetic():
            pass
        assert torch.are_deterministic_algorithms_enabled()
    assert settings() == before


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_as_many_threads_as_asked_for_inside_and_as_before_afterwards(before, threads):
    with exact_arithmetic(threads):
        assert torch.get_num_threads() == threads
    assert settings() == before
    with pytest.raises(ZeroDivisionError), exact_arithmetic(threads):
        _ = 1 / 0
    assert settings() == before


def test_without_a_wish_the_threads_stay(before):
    with exact_arithmetic(2):
        with exact_arithmetic():
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 2
    assert settings() == before


def test_an_operation_that_has_no_exact_form_is_refused():
    with exact_arithmetic(), pytest.raises(RuntimeError, match="deterministic"):
        torch.ones(4).put_(torch.tensor([0, 0]), torch.ones(2), accumulate=False)
