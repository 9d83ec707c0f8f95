"""An experiment from its cases to its files: made once, gone on with, told as it is."""

import json
import re
from html import escape
from xml.etree import ElementTree

import pytest

import bardling
from bardling.errors import Interrupted, UsageError
from bardling.experiments.cases import Case
from bardling.experiments.compare import compare
from bardling.experiments.pictures import bars, scale_of
from bardling.reporting.experiment import table_of
from bardling.reporting.rows import read_outcome
from bardling.run_folder import RunFolder
from tiny import Listener, tiny_config, write_text


@pytest.fixture
def text(tmp_path):
    return write_text(tmp_path, n_lines=30)


class Ears:
    """Gives each trial a listener, and keeps them."""

    def __init__(self, kind=Listener):
        self.kind, self.heard = kind, {}

    def __call__(self, number, total, trial):
        self.heard[trial.name] = self.kind()
        return self.heard[trial.name]


def cases(text, **changes):
    config = tiny_config(text, budget="6steps", eval_interval_steps=3)
    return [
        Case(name="narrow", about="a few <channels>", config=config, n_seeds=2, stated=3.0),
        Case(name="wide", about="more", config=config.with_overrides(n_embd=32, **changes)),
    ]


def made(text, folder, ears=None, **changes):
    return compare(
        cases(text, **changes), folder, title="widths", command="bardling sweep it", draw=bars,
        listen=ears or Ears(),
    )  # fmt: skip


def test_rows_are_means_over_seeds_of_what_the_runs_say(text, tmp_path):
    experiment, page = made(text, tmp_path / "e")
    narrow, wide = experiment.rows
    results = [bardling.load(tmp_path / "e" / f"narrow-seed{n}").folder.result() for n in (0, 1)]
    losses = [result["last"]["val_loss"] for result in results]
    assert narrow.mean == pytest.approx(sum(losses) / 2) and narrow.spread > 0
    assert narrow.spread == pytest.approx(abs(losses[0] - losses[1]) / 2**0.5)
    assert wide.spread is None and wide.parameters > narrow.parameters
    assert [tokens for tokens, _ in narrow.outcomes[0].curve] == [0, 3 * 128, 6 * 128]
    assert set(experiment.levels) == {"2-grams", "7-grams"}
    assert page.is_file()


def test_what_is_left_in_the_folder(text, tmp_path):
    folder = tmp_path / "e"
    experiment, page = made(text, folder)
    found = json.loads((folder / "results.json").read_text())
    assert [row["name"] for row in found["rows"]] == ["narrow", "wide"]
    assert found["rows"][0]["mean"] == experiment.rows[0].mean
    assert found["command"] == "bardling sweep it"
    assert list(found["commands"]) == ["narrow", "wide"] and found["pictures"] == ["chart.svg"]
    assert "--model.n-embd 32" in found["commands"]["wide"]
    ElementTree.fromstring((folder / "chart.svg").read_text())
    assert (folder / "chart.png").read_bytes().startswith(b"\x89PNG")
    html = page.read_text()
    assert all(escape(command) in html for command in found["commands"].values())
    assert "a few &lt;channels&gt;" in html and "<script" not in html
    assert not re.search(r'(src|href)="(?!#)', html)


def test_what_is_made_is_not_made_again(text, tmp_path):
    first, _ = made(text, tmp_path / "e")
    ears = Ears()
    again, _ = made(text, tmp_path / "e", ears)
    assert again.rows == first.rows
    assert all(not listener.results for listener in ears.heard.values())


def test_it_goes_on_where_it_was_stopped(text, tmp_path):
    whole, _ = made(text, tmp_path / "whole")

    class Stops(Listener):
        def stepped(self, result, tokens_per_second):
            super().stepped(result, tokens_per_second)
            if result.step == 4:
                raise KeyboardInterrupt

    with pytest.raises((KeyboardInterrupt, Interrupted)):
        made(text, tmp_path / "e", Ears(Stops))
    found, _ = made(text, tmp_path / "e")
    assert [row.losses for row in found.rows] == [row.losses for row in whole.rows]


def test_other_settings_under_the_same_name_are_refused(text, tmp_path):
    made(text, tmp_path / "e")
    with pytest.raises(UsageError, match="a resumed run keeps its settings, but lr is"):
        made(text, tmp_path / "e", lr=0.5)


def test_a_run_that_diverges_is_a_row(text, tmp_path):
    experiment, _ = made(text, tmp_path / "e", optimizer="sgd", lr=1e30, clip_norm=0.0)
    wide = experiment.rows[1]
    assert (wide.mean, wide.losses) == (None, [])
    _, cells = table_of(experiment)
    assert cells[1][1] == "diverged"


def test_the_table_has_the_columns_that_say_something(text, tmp_path):
    heads, cells = table_of(made(text, tmp_path / "e")[0])
    assert "stated" in heads and "bits per byte" in heads
    assert all(len(row) == len(heads) for row in cells)


def test_rows_of_two_tokenizers_compare_by_the_byte(text, tmp_path):
    plain = cases(text)[1]
    pairs = Case(name="pairs", about="", config=plain.config.with_overrides(tokenizer="bpe:300"))
    drawn = {}

    def draw(rows, levels):
        drawn["scale"], drawn["levels"] = scale_of(rows), levels
        return bars(rows, levels)

    found, _ = compare([pairs, plain], tmp_path / "f", title="", command="", draw=draw)
    one, other = found.rows
    scale = drawn["scale"]
    assert scale.unit == "nats per byte" and one.ratio < 0.9 and other.ratio == pytest.approx(1.0)
    assert scale.of(one) == pytest.approx(one.mean * one.ratio)
    assert scale.levels({"x": 2.0})["x"] == pytest.approx(2.0 * one.ratio)
    assert scale_of([other]).unit == "nats per token"
    assert scale_of([other]).levels({"x": 2.0}) == {"x": 2.0}


def test_a_part_of_an_experiment_leaves_the_rest_in_its_page(text, tmp_path):
    every = cases(text)
    made(text, tmp_path / "e")
    found, _ = compare(every[1:], tmp_path / "e", title="", command="", draw=bars, among=every)
    assert [row.name for row in found.rows] == ["narrow", "wide"]
    alone, _ = compare(every[1:], tmp_path / "g", title="", command="", draw=bars, among=every)
    assert [row.name for row in alone.rows] == ["wide"]


def test_a_run_that_goes_on_still_is_not_called_diverged(text, tmp_path):
    class Stops(Listener):
        def stepped(self, result, tokens_per_second):
            if result.step == 4:
                raise KeyboardInterrupt

    with pytest.raises((KeyboardInterrupt, Interrupted)):
        made(text, tmp_path / "e", Ears(Stops))
    outcome = read_outcome(RunFolder(tmp_path / "e" / "narrow-seed0"))
    assert (outcome.state, outcome.last) == ("not ended", None)


def test_the_verbs_as_functions(text, tmp_path):
    found, page = bardling.sweep(
        tiny_config(text, budget="2steps"), {"n_embd": [8, 16], "lr": [1e-3, 1e-2]},
        runs_dir=tmp_path, name="both",
    )  # fmt: skip
    assert page == tmp_path / "both" / "report.html"
    assert (tmp_path / "both" / "map.png").is_file() and len(found.rows) == 4
    found, _ = bardling.ladder(
        str(text), only=["bigram", "heads"], seeds=1, budget="3steps", runs_dir=tmp_path
    )
    assert [row.name for row in found.rows] == ["bigram", "heads"]
    assert found.command == "bardling ladder"
    with pytest.raises(UsageError, match="nothing varies"):
        bardling.sweep("shakespeare", {})
    with pytest.raises(UsageError, match="there is no exercise 'x'"):
        bardling.exercise("x")
    with pytest.raises(TypeError, match="no argument 'run_dir', did you mean 'runs_dir'"):
        bardling.ladder(str(text), only=["bigram"], run_dir=tmp_path)
    with pytest.raises(UsageError, match="'x' is no ladder"):
        bardling.ladder(kind="x")
