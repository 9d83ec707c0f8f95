"""RunFolder: where things lie, names, and reading a log that a crash cut short."""

import shutil
from pathlib import Path

import pytest

from bardling import storage
from bardling.config import RunConfig
from bardling.errors import ConfigError, StorageError, UsageError
from bardling.run_folder import (
    RunFolder,
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


def test_damaged_lines_are_left_out_and_counted(run):
    run.log({"step": 1})
    with run.metrics_path.open("ab") as file:
        file.write(b'{"loss": 2}\n[1]\n{"step": NaN}\n\xff\xfe\n{"step": 3}\n{"step": 4, "lo')
    assert run.read_log() == ([{"step": 1}, {"step": 3}], 5)
    assert run.forget_after(2) == 5
    assert run.read_log() == ([{"step": 1}], 0)


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


def test_find_run_by_path_by_name_and_by_what_is_near(run):
    folder = run.path.parent
    assert find_run(run.path, Path("elsewhere")).path == run.path
    assert find_run("demo", folder).path == run.path
    with pytest.raises(UsageError, match="no run 'dmeo', did you mean 'demo'"):
        find_run("dmeo", folder)
    with pytest.raises(UsageError, match="has no runs yet"):
        find_run("demo", folder / "empty")


def test_a_name_without_its_time_means_the_newest(run):
    folder = run.path.parent
    for time in ("20261122-235959", "20261123-000001", "20261123-000001x"):
        shutil.copytree(run.path, folder / f"tales-{time}")
    shutil.copytree(run.path, folder / "tales-of-old")
    assert find_run("tales", folder).name == "tales-20261123-000001x"
    shutil.copytree(run.path, folder / "tales")
    assert find_run("tales", folder).name == "tales"


def test_new_runs_get_a_name_that_is_free_and_plain(run):
    folder = run.path.parent
    assert new_run("other", "x.txt", folder).name == "other"
    assert new_run(None, "/some/My Text (2).txt", folder).name.startswith("My-Text-2-20")
    assert new_run(None, "mémoire à moi.txt", folder).name.startswith("memoire-a-moi-20")
    first = new_run(None, "shakespeare", folder)
    first.path.mkdir()
    assert new_run(None, "shakespeare", folder).path != first.path
    with pytest.raises(UsageError, match="there is a run 'demo'"):
        new_run("demo", "x", folder)
    for name in ("../out", "a b", "", ".hidden", "x" * 101):
        with pytest.raises(UsageError, match="no name for a run"):
            new_run(name, "x", folder)


def test_what_is_left_of_a_run_is_not_taken_for_a_free_place(run):
    checkpoint(run, 20, 20)
    run.config_path.unlink()
    assert find_run("demo", run.path.parent).path == run.path
    with pytest.raises(UsageError, match="there is a run 'demo'"):
        new_run("demo", "x", run.path.parent)


def test_list_runs_shows_those_that_are_set_up(run):
    (run.path.parent / "half").mkdir()
    assert [r.name for r in list_runs(run.path.parent)] == ["demo"]
    assert list_runs(run.path / "nowhere") == []
    assert list_runs(run.config_path) == []


def test_list_runs_leaves_out_what_is_deleted_meanwhile(run, monkeypatch):
    gone = run.path.parent / "gone"
    monkeypatch.setattr(storage, "children", lambda folder: [gone, run.path])
    monkeypatch.setattr(storage, "exists", lambda path: True)
    assert [r.name for r in list_runs(run.path.parent)] == ["demo"]


def test_a_folder_that_cannot_be_listed_is_named(run, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(StorageError, match=r"could not list .*runs: Permission denied"):
        list_runs(run.path.parent)


def test_a_config_of_another_kind_names_its_file(run):
    storage.write_json(run.config_path, {"model": {"n_layers": 1}})
    with pytest.raises(ConfigError, match=r"demo.config\.json: config\.model has no setting"):
        run.config()
