"""The package's own small language: deterministic, true, and checkable line by line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bardling.data.sums import check_line, sums


def test_the_text_is_a_function_of_the_seed():
    assert sums(1) == sums(1) != sums(2)
    assert 180_000 < len(sums(0)) < 220_000
    assert len(sums(0, n_lines=10).splitlines()) == 10


def test_every_line_is_true_and_every_pattern_is_spoken():
    lines = sums(0, n_lines=500).splitlines()
    assert all(check_line(line) is True for line in lines)
    for words in (" and ", " with ", " take away ", " more than ", " is more ", " less than "):
        assert any(words in line for line in lines)


@pytest.mark.parametrize(
    "line, verdict",
    [
        ("seven and five make twelve.", True),
        ("seven and five make thirteen.", False),
        ("thirty-one take away four leaves twenty-seven.", True),
        ("zero with fifty more is fifty.", True),
        ("nine is two more than seven.", True),
        ("nine is two more than eight.", False),
        ("nine is more than nine.", False),
        ("nine is less than ten.", True),
        ("ten is less than nine.", False),
        ("seven and five make twelve", None),
        ("Seven and five make twelve.", None),
        ("seven and five make twelvety.", None),
        ("twenty- and five make thirty.", None),
        ("", None),
    ],
)
def test_a_line_is_true_false_or_nothing(line, verdict):
    assert check_line(line) is verdict


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.text())
def test_no_line_is_too_strange_to_judge(line):
    assert check_line(line) is None
