"""On a terminal there are colours, unless NO_COLOR asks for none (no-color.org)."""

import os
import re

import pytest

from terminals import on_a_terminal

COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3|4|9|10)\d(?:;\d+)*m")
"""A code that sets the colour of letters (30 to 39, 90 to 97) or of what lies behind them."""


@pytest.mark.parametrize("words", [("train", "--help"), ("generate", "no-such-run")])
def test_no_color_is_heard(words):
    clean = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    assert COLOUR.search(on_a_terminal(*words, environment=clean)[1])
    _, plain = on_a_terminal(*words, environment={**clean, "NO_COLOR": "1"})
    assert plain and not COLOUR.search(plain)
