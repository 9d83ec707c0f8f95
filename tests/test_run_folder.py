"""RunFolder: where things lie, names, and reading a log that a crash cut short."""

import json
from pathlib import Path

import pytest

from bardling import storage
from bardling.config import RunConfig
from bardling.errors import CheckpointError, ConfigError, StorageError, UsageError
from bardling.run_folder import (
    RunFolder,
    choose_step,
    find_run,
    list_runs,
    new_run,
    runs_folder,
)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "runs" / "demo")
    storage.write_json(folder.config_path, RunConfig().to_json())
    return folder


def checkpoint(run: RunFolder, step: int, best: int) -> None:
    state = storage.json_bytes({"step": step, "best_step": best})
    storage.publish_folder(run.checkpoint_path(step), {"state.json": state})


def test_runs_live_where_they_are_told_to(monkeypatch, tmp_path):
    monkeypatch.delenv("BARDLING_RUNS", raising=False)
    assert runs_folder() == Path("runs")
    monkeypatch.setenv("BARDLING_RUNS", str(tmp_path))
    assert runs_folder() == tmp_path
    assert runs_folder(Path("here")) == Path("here")


def test_log_comes_back_and_is_cut_at_a_step(run):
    for step in (0, 10, 20):
        run.log({"step": step, "loss": 1.5})
    assert [r["step"] for r in run.metrics()] == [0, 10, 20]
    run.forget_after(10)
    assert [r["step"] for r in run.metrics()] == [0, 10]
    run.forget_after(-1)
    assert run.metrics() == []


def test_a_last_line_cut_short_is_left_out_and_one_in_the_middle_is_an_error(run):
    run.log({"step": 1})
    with run.metrics_path.open("a") as file:
        file.write('{"step": 2, "lo')
    assert run.metrics() == [{"step": 1}]
    with run.metrics_path.open("a") as file:
        file.write("\n" + json.dumps({"step": 3}) + "\n")
    with pytest.raises(StorageError, match=r"metrics\.jsonl, line 2"):
        run.metrics()


def test_a_log_that_is_absent_is_empty(run):
    assert run.metrics() == []
    assert run.result() is None
    assert run.steps() == []


def test_steps_are_those_with_a_manifest(run):
    checkpoint(run, 200, 200)
    checkpoint(run, 1_000_000, 200)
    (run.checkpoints_path / "step-000300").mkdir()
    (run.checkpoints_path / "step-9.tmp").mkdir()
    (run.checkpoints_path / "step-99x").mkdir()
    assert run.steps() == [200, 1_000_000]


def test_choose_step_knows_best_last_and_numbers(run):
    with pytest.raises(CheckpointError, match="no complete checkpoint"):
        choose_step(run, "best")
    for step in (0, 10, 20):
        checkpoint(run, step, min(step, 10))
    assert choose_step(run, "last") == 20
    assert choose_step(run, "best") == 10
    assert choose_step(run, "0") == 0
    with pytest.raises(CheckpointError, match="no checkpoint of step 7; it has 0, 10, 20"):
        choose_step(run, "7")
    with pytest.raises(UsageError, match="'first' names no checkpoint"):
        choose_step(run, "first")


def test_best_falls_back_to_what_is_there(run):
    checkpoint(run, 10, 10)
    checkpoint(run, 20, 15)  # names a best step that is gone
    (run.checkpoint_path(20) / "state.json").write_text("{")
    assert choose_step(run, "best") == 10
    storage.remove_folder(run.checkpoint_path(10))
    assert choose_step(run, "best") == 20


def test_find_run_by_path_by_name_and_by_what_is_near(run):
    folder = run.path.parent
    assert find_run(run.path, Path("elsewhere")).path == run.path
    assert find_run("demo", folder).path == run.path
    with pytest.raises(UsageError, match="no run 'dmeo', did you mean 'demo'"):
        find_run("dmeo", folder)
    with pytest.raises(UsageError, match="has no runs yet"):
        find_run("demo", folder / "empty")


def test_new_runs_get_a_name_that_is_free_and_plain(run):
    folder = run.path.parent
    assert new_run("other", "x.txt", folder).name == "other"
    assert new_run(None, "/some/My Text (2).txt", folder).name.startswith("My-Text-2-20")
    first = new_run(None, "shakespeare", folder)
    first.path.mkdir()
    assert new_run(None, "shakespeare", folder).path != first.path
    with pytest.raises(UsageError, match="there is a run 'demo'"):
        new_run("demo", "x", folder)
    for name in ("../out", "a b", "", ".hidden", "x" * 101):
        with pytest.raises(UsageError, match="no name for a run"):
            new_run(name, "x", folder)


def test_list_runs_shows_those_that_are_set_up(run):
    (run.path.parent / "half").mkdir()
    assert [r.name for r in list_runs(run.path.parent)] == ["demo"]
    assert list_runs(run.path / "nowhere") == []


def test_a_config_of_another_kind_names_its_file(run):
    storage.write_json(run.config_path, {"model": {"n_layers": 1}})
    with pytest.raises(ConfigError, match=r"demo.config\.json: config\.model has no setting"):
        run.config()
