"""`ladder`, `sweep`, `scale`, `probe` and `report` of several runs, as typed."""

import json

import pytest

from cli.conftest import OPTIONS
from tiny import write_text

QUICK = ("--seeds", 1, "--budget", "2steps")


@pytest.fixture
def text(tmp_path):
    return write_text(tmp_path, n_lines=30)


def test_a_ladder(cli, text, tmp_path):
    done = cli("ladder", text, "--only", "bigram,head", *QUICK)
    assert done.code == 0, done.err
    assert "1/2  bigram-seed0  " in done.out and "counting 7-grams: " in done.out
    folder = tmp_path / "runs" / "ladder-sums"
    assert f"page  {folder / 'report.html'}\n" in done.out
    found = json.loads((folder / "results.json").read_text())
    assert [row["name"] for row in found["rows"]] == ["bigram", "head"]
    assert found["command"].startswith("bardling ladder ")
    again = cli("ladder", text, "--only", "bigram,head", *QUICK)
    assert "2/2  head-seed0  made before" in again.out


def test_one_part_away_and_what_moves_the_weights(cli, text):
    done = cli("ladder", text, "--remove", "--only", "whole,residual", *QUICK)
    assert "2/2  residual-seed0" in done.out, done.err
    done = cli("ladder", text, "--optimizers", "--only=sgd,adam-l2,adamw-vectors", *QUICK)
    assert "3/3  adamw-vectors-seed0" in done.out, done.err
    done = cli("ladder", text, "--remove", "--optimizers")
    assert done.code == 2 and "are two experiments; give one" in done.err


def test_a_sweep_over_two_settings(cli, text, tmp_path):
    done = cli(
        "sweep", text, "--vary", "model.n-embd=16,32", "--vary", "lr=1e-3,1e-2", *OPTIONS,
        "--name", "both",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "4/4  n-embd-32-lr-0.01-seed0" in done.out
    assert (tmp_path / "runs/both/map.svg").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say what varies: bardling sweep PRESET"),
        (("shakespeare",), "is no exercise, so say what varies"),
        (("shakespeare", "--vary", "lr=1", "--full"), "is no exercise"),
        (("context", "--vary", "lr=1"), "context says itself what varies"),
        (("shakespeare", "--vary", "lr"), "'lr' varies nothing"),
        (("shakespeare", "--vary", "lr=1e-3", "--seeds", "0"), "0 seeds are none"),
        (("shakespear", "--vary", "lr=1"), "no preset, no corpus and no file, did you mean"),
    ],
)
def test_sweeps_that_cannot_be(cli, words, said):
    done = cli("sweep", *words)
    assert done.code == 2 and said in done.err


def test_sizes_of_a_law(cli, text):
    for word in ("4x100", "x", "0x32", "4x"):
        done = cli("scale", text, "--sizes", word)
        assert done.code == 2 and f"'{word}' is no size; write layers x width" in done.err
    done = cli("scale", text, "--sizes", "1x32", "--budgets", "1steps")
    assert done.code == 2 and "1 runs of 1 sizes and 1 budgets tell no law" in done.err


def test_help_of_each(cli):
    for verb in ("ladder", "sweep", "scale", "probe", "report"):
        done = cli(verb, "--help")
        assert done.code == 0 and "usage" in done.out.lower(), verb


def test_a_run_has_a_page_at_once_and_several_lie_over_each_other(cli, text, tmp_path):
    for name in ("one", "two"):
        done = cli("train", text, "--name", name, *OPTIONS)
        page = tmp_path / "runs" / name / "report.html"
        assert f"page   {page}\n" in done.out, done.err
        assert "bardling report " in page.read_text()
    done = cli("report", "one", "two")
    assert done.code == 0, done.err
    (page,) = (tmp_path / "runs").glob("side-by-side-*/report.html")
    assert ">one<" in page.read_text() and ">two<" in page.read_text()
    assert "divergence" not in (tmp_path / "runs/one/report.html").read_text()
    done = cli("probe", "one", "--words", "12,34")
    assert done.code == 0 and "probe.html" in done.out, done.err
    done = cli("evaluate", "one", "--samples", 2, "--batches", 3)
    assert "by 3 random batches of the validation split: " in done.out, done.err
    assert "of the words stand in the training text" in done.out
    values = json.loads(cli("evaluate", "one", "--json", "--samples", 2, "--batches", 3).out)
    assert values["writing"]["samples"] == 2 and values["estimate"]["batches"] == 3
