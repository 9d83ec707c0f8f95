"""Tables on terminals of any width: columns may be missing, no figure is ever cut."""

import pytest

from bardling.cli.experiments import show
from bardling.reporting.experiment import Experiment, table_of
from bardling.reporting.rows import Outcome, Row
from bardling.reporting.screen import Screen

ABOUT = "stories, bpe:4000: 2 layers, 192 wide, context 288"


def experiment() -> Experiment:
    outcome = Outcome(
        seed=0, parameters=1_650_000, weights=1_300_000, tokens=3_540_000, seconds=101.0,
        last=1.40731, best=1.40719, bits_per_byte=0.48612, floor=1.26191,
    )  # fmt: skip
    names = ("demo", "another-with-a-longer-name")
    rows = [Row(name=name, about=ABOUT, outcomes=(outcome,)) for name in names]
    return Experiment(title="", facts=[], command="", rows=rows)


def shown(width: int, tmp_path) -> list[str]:
    with (tmp_path / "shown").open("w+") as file:
        screen = Screen(file)
        screen.width = width
        show(screen, experiment(), tmp_path / "report.html")
        file.seek(0)
        return file.read().splitlines()


@pytest.mark.parametrize("width", [50, 60, 80, 100, 120, 160, 400])
def test_no_figure_is_cut(width, tmp_path):
    lines = shown(width, tmp_path)
    _, cells = table_of(experiment())
    whole = {word for row in cells for cell in row[:-1] for word in cell.split()}
    table = [line for line in lines if "demo" in line or "longer-name" in line][:2]
    for line in table:
        words = line[: line.find("stories") if "stories" in line else None].split()
        assert len(words) >= 3 and set(words) <= whole
    assert not any("…" in line for line in lines)
    assert all(len(line) <= width for line in lines if ABOUT not in line and "page" not in line)
    for word in ABOUT.split():
        assert any(word in line for line in lines)


def test_a_wide_one_has_every_column(tmp_path):
    heads, cells = table_of(experiment())
    lines = shown(400, tmp_path)
    assert all(head in lines[1] for head in heads)
    assert all(cell in lines[2] for cell in cells[0])
