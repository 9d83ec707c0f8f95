"""The chart of a page: everything asked for is on it, and it is the same every time."""

import re
import sys
import xml.etree.ElementTree as ET

import pytest

from bardling.errors import UsageError
from bardling.reporting.curves import Curve, loss_chart

CURVES = [
    Curve(label="training text", x=[0, 1000, 2000], y=[4.0, 1.0, 0.5]),
    Curve(label="validation text", x=[0, 1000, 2000], y=[4.1, 1.1, 0.6]),
]
LEVELS = {"7-grams": 0.72, "floor": 0.301}


def texts(svg):
    return [element.text for element in ET.fromstring(svg).iter() if element.tag.endswith("text")]


def test_curves_and_levels_are_named_with_their_values():
    svg = loss_chart(CURVES, LEVELS, x_label="tokens trained on")
    shown = " ".join(filter(None, texts(svg)))
    for text in ("training text", "validation text", "7-grams 0.720", "floor 0.301", "nats"):
        assert text in shown
    assert 'width="100%"' in svg and not re.search(r"<\?xml|<script|http://(?!www.w3.org)", svg)
    assert svg == loss_chart(CURVES, LEVELS, x_label="tokens trained on")


def test_nothing_to_draw_is_drawn():
    assert "<svg" in loss_chart([], {}, x_label="x")
    assert "<svg" in loss_chart([Curve(label="a", x=[], y=[])], {"floor": 0.0}, x_label="x")


def test_without_matplotlib_the_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UsageError, match=r"pip install 'bardling\[report\]'"):
        loss_chart(CURVES, LEVELS, x_label="x")
