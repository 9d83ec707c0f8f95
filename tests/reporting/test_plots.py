"""Curves drawn with block characters: heights worked out by hand, and the learning rate's."""

import pytest

from bardling.reporting.plots import EIGHTHS, area, schedule_plot
from bardling.training.config import TrainingConfig


def test_heights_in_eighths():
    assert area([0.0, 0.25, 0.5, 1.0], 1, top=1.0) == [" ▂▄█"]
    assert area([0.0, 0.25, 0.5, 1.0], 2, top=1.0) == ["   █", " ▄██"]
    assert area([1.0, 2.0], 1, top=2.0) == ["▄█"]
    assert area([0.0, 0.0], 2, top=0.0) == ["", ""]
    assert area([], 2, top=1.0) == ["", ""]
    assert area([-1.0, 5.0], 1, top=1.0) == [" █"]


@pytest.mark.parametrize("total_steps", [1, 2, 10, 64, 100_000])
def test_a_schedule_has_a_scale_and_two_ends(total_steps):
    config = TrainingConfig(schedule="linear", warmup_fraction=0.25)
    plot = schedule_plot(config, 0.004, total_steps)
    title, blank, *rows, axis, ends = plot.split("\n")
    assert title.startswith("linear, warm-up over 25% of the run, first step ")
    assert blank == "" and len(rows) == 9
    assert rows[0].startswith("    0.004 │") and rows[-1].startswith("        0 │")
    assert axis == f"{'':>9} └{'─' * 64}"
    assert ends.strip().startswith("step 1 ") and ends.endswith(f"step {total_steps:,}")
    assert max(map(len, plot.split("\n"))) <= 80
    drawn = {character for row in rows for character in row.split("│")[1]}
    assert drawn <= set(EIGHTHS)


def test_the_shape_is_that_of_the_rates():
    def drawn(schedule: str, lr: float, height: int) -> list[str]:
        config = TrainingConfig(schedule=schedule, warmup_fraction=0.0)
        plot = schedule_plot(config, lr, 1000, width=17, height=height)
        return [row.split("│")[1] for row in plot.split("\n")[2 : 2 + height]]

    assert drawn("constant", 0.5, 2) == ["█" * 17, "█" * 17]
    assert drawn("linear", 0.5, 2) == ["█▇▆▅▄▃▂▁", "█████████▇▆▅▄▃▂▁"]
    assert drawn("linear", 0.0, 2) == ["", ""]
