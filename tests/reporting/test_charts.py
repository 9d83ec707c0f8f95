"""Pictures: whole SVG and PNG files, the same every time, with what they should say."""

from xml.etree import ElementTree

import pytest

from bardling.reporting.charts import bar_chart, curves_chart, heat_map, png, scaling_chart, svg
from bardling.reporting.rows import Outcome, Row


def row(name, *losses, stated=None):
    outcomes = tuple(
        Outcome(
            seed=seed, parameters=10, weights=9, tokens=100, seconds=1.0, last=loss, best=loss,
            bits_per_byte=None, curve=((0, 4.0), (50, 3.0), (100, 2.0)),
        )
        for seed, loss in enumerate(losses)
    )  # fmt: skip
    return Row(name=name, about="", outcomes=outcomes, stated=stated)


ROWS = [row("low", 2.0, 2.1, stated=2.5), row("high", 3.25), row("gone", None)]


def figures():
    yield bar_chart(ROWS, {"7-grams": 1.5}, value=lambda one: one.mean, y_label="loss")
    yield heat_map([[1.0, None], [3.0, 2.0]], ["a", "b"], ["c", "d"], x_label="x", y_label="y")
    yield curves_chart(ROWS, {"7-grams": 1.5})
    runs = [(n, d, 1 + 5 / n + 9 / d) for n in (10.0, 100.0) for d in (20.0, 200.0)]
    yield scaling_chart(runs, lambda n, d: 1 + 5 / n + 9 / d, {"floor": 1.0, "2-grams": 1.4},
                        least=1.0)  # fmt: skip


@pytest.mark.parametrize("number", range(4))
def test_files_are_whole_and_the_same_every_time(number):
    one, other = (list(figures())[number] for _ in range(2))
    drawn = svg(one)
    ElementTree.fromstring(drawn)
    assert drawn == svg(other)
    assert png(one) == png(other) and png(one).startswith(b"\x89PNG")


def test_bars_say_their_means_levels_and_what_is_stated():
    drawn = svg(next(figures()))
    for words in ("2.05", "3.25", "7-grams 1.500", "low", "gone", "stated by the source"):
        assert words in drawn, words


def test_a_map_says_every_number_and_what_diverged():
    drawn = svg(list(figures())[1])
    for words in ("1.000", "2.000", "3.000", ">-<"):
        assert words in drawn, words


def test_rows():
    one, gone = ROWS[0], ROWS[2]
    assert one.mean == pytest.approx(2.05) and one.spread == pytest.approx(0.0707, abs=1e-4)
    assert gone.mean is None and gone.spread is None and gone.per_byte is None
    assert one.to_json()["mean"] == one.mean
