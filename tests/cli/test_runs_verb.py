"""`bardling runs`: ended, unfinished and damaged runs, and folders without any."""

import json
import shutil
from pathlib import Path

import pytest


@pytest.fixture
def runs(cli, trained, tmp_path) -> Path:
    """Return a folder with a finished run, one that was stopped, and damaged ones."""
    runs = tmp_path / "runs"
    for name in ("ended", "stopped", "garbled", "lineless", "empty"):
        shutil.copytree(trained.folder.path, runs / name)
    (runs / "stopped" / "result.json").unlink()
    (runs / "garbled" / "config.json").write_text("[red]")
    (runs / "lineless" / "metrics.jsonl").write_text('{"loss": 1}\n')
    (runs / "empty" / "result.json").write_text("null")
    (runs / "no-run").mkdir()
    return runs


def test_a_narrow_terminal_shows_names_and_numbers_whole(cli, runs, monkeypatch):
    monkeypatch.setattr("bardling.cli.runs.NARROW", 1000)
    done = cli("runs")
    table, _, _ = done.out.partition("\n\n")
    assert table.split("\n")[0].split() == ["run", "step", "best", "val", "loss", "state"]
    row = next(line.split() for line in table.splitlines() if line.startswith("ended"))
    assert row[0] == "ended" and row[1] == "12/12" and row[-1] == "ended"


def test_what_is_said_of_each_run(cli, runs, trained, odd_text):
    done = cli("runs")
    assert (done.code, done.err) == (0, "")
    table, _, advice = done.out.partition("\n\n")
    rows = {line.split()[0]: line for line in table.splitlines()[1:]}
    assert set(rows) == {"ended", "stopped", "garbled", "lineless", "empty"}
    best = trained.folder.result()["best"]["val_loss"]
    for name, state in (("ended", "ended"), ("stopped", "unfinished")):
        assert odd_text.name in rows[name]  # with its [red], its :cat: and its [bold]
        assert rows[name].split()[-3] == "12/12" and rows[name].split()[-1] == state
    assert rows["ended"].split()[-2] == f"{best:.4f}"
    for name in ("garbled", "empty"):
        assert rows[name].split() == [name, "damaged"]
    lines = advice.splitlines()
    assert len(lines) == 3
    assert "go on with: bardling train --resume stopped" in lines
    assert any("garbled is damaged" in x and "config.json is not strict JSON" in x for x in lines)
    assert "damaged" not in rows["lineless"]
    assert any("empty is damaged" in x and "does not say what came out" in x for x in lines)


def test_a_folder_of_ones_own_is_named_in_the_advice(cli, runs, tmp_path):
    other = tmp_path / "my runs"
    runs.rename(other)
    done = cli("runs", "--runs-dir", other)
    assert f"go on with: bardling train --resume '{other / 'stopped'}'" in done.out


def test_losses_that_were_not_finite(cli, runs):
    result = json.loads((runs / "ended" / "result.json").read_text())
    result["best"]["val_loss"] = None
    (runs / "ended" / "result.json").write_text(json.dumps(result))
    (runs / "stopped" / "metrics.jsonl").write_text('{"step": 0, "val_loss": null}\n')
    done = cli("runs")
    assert done.code == 0
    rows = {line.split()[0]: line.split() for line in done.out.partition("\n\n")[0].splitlines()}
    assert rows["ended"][-3:] == ["not", "finite", "ended"]
    assert rows["stopped"][-2:] == ["12/12", "unfinished"]  # by its checkpoint


def test_names_are_whole_in_a_narrow_terminal(cli, runs, monkeypatch):
    name = "Z" * 100
    (runs / "ended").rename(runs / name)
    monkeypatch.setattr("bardling.reporting.screen.PIPE_WIDTH", 80)
    done = cli("runs")
    table = done.out.partition("\n\n")[0].splitlines()
    assert max(map(len, table)) <= 80
    assert "".join(table).count("Z") == 100


@pytest.mark.parametrize("make", [True, False])
def test_no_runs_yet(cli, tmp_path, make):
    folder = tmp_path / "[red] empty"
    if make:
        folder.mkdir()
    done = cli("runs", "--runs-dir", folder)
    assert done.code == 0
    assert done.out == (
        f"there are no runs in '{folder}' yet; begin with: bardling train shakespeare\n"
    )
