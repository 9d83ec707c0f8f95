"""Runs as the page follows them: what each is, its log from a byte on, what it wrote."""

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bardling.run_folder import RunFolder
from bardling.serving.following import facts, listed, log_age
from servers import Place, random_run, serving
from tiny import tiny_config, write_text


def record(step: int, **more: Any) -> str:
    return json.dumps({"step": step, "tokens": step * 128, "loss": 2.0, **more}) + "\n"


def begun(folder: Path, name: str = "fresh") -> RunFolder:
    """Return a run that has been set up and has logged three steps."""
    run = RunFolder(folder / name)
    run.path.mkdir(parents=True)
    run.write_config(replace(tiny_config(write_text(folder)), total_steps=12))
    sample = record(0, loss=None, val_loss=3.5, val_floor=1.0, sample="abc")
    run.metrics_path.write_text(sample + record(1) + record(2))
    return run


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


@pytest.fixture
def place(home: Path):
    with serving(runs_dir=home) as found:
        yield found


def get(place: Place, path: str) -> dict:
    answer = place.ask("GET", f"/play/{path}")
    assert answer.status == 200, answer.body
    return answer.json


def test_a_page_without_models_has_its_runs(place: Place, home: Path):
    assert get(place, "models") == {"models": []} and get(place, "runs") == {"runs": []}
    begun(home)
    (found,) = get(place, "runs")["runs"]
    assert found["name"] == "fresh" and found["state"] == "training" and found["step"] == 2
    assert found["total_steps"] == 12 and found["corpus"] == "sums.txt"


def test_a_question_about_no_model_is_refused(place: Place):
    answer = place.ask("POST", "/play/next", {"prompt": "a"})
    assert answer.status == 404 and answer.json["error"]["message"]


def test_states_are_told_apart(place: Place, home: Path):
    run = begun(home)
    past = time.time() - 600
    os.utime(run.metrics_path, (past, past))
    assert get(place, "runs")["runs"][0]["state"] == "stopped"
    outcome = {"best": {"val_loss": 1.0, "step": 2}, "last": {"step": 2}, "stopped": "diverged"}
    run.result_path.write_text(json.dumps(outcome))
    assert get(place, "runs")["runs"][0]["state"] == "diverged"
    run.result_path.write_text(json.dumps(outcome | {"stopped": "budget"}))
    assert get(place, "runs")["runs"][0]["state"] == "ended"
    run.result_path.write_text("{")
    assert get(place, "runs")["runs"][0]["state"] == "damaged"
    run.config_path.write_text("[]")
    assert get(place, "runs")["runs"] == [{"name": "fresh", "state": "damaged"}]


def test_a_log_is_followed_by_whole_lines(place: Place, home: Path):
    run = begun(home)
    first = get(place, "runs/fresh/log")
    assert [one["step"] for one in first["records"]] == [0, 1, 2] and not first["anew"]
    assert "sample" not in first["records"][0] and first["next"] == run.metrics_path.stat().st_size
    where = f"runs/fresh/log?file={first['file']}&from="
    with run.metrics_path.open("a") as log:
        log.write(record(3) + record(4)[:20])
        log.flush()
        second = get(place, f"{where}{first['next']}")
        assert [one["step"] for one in second["records"]] == [3]
        assert get(place, f"{where}{second['next']}")["records"] == []
        log.write(record(4)[20:])
    third = get(place, f"{where}{second['next']}")
    assert [one["step"] for one in third["records"]] == [4] and not third["anew"]


def test_a_log_that_is_written_anew_is_told_from_its_beginning(place: Place, home: Path):
    run = begun(home)
    first = get(place, "runs/fresh/log")
    other = run.path / "new"
    other.write_text(record(0) + record(1) * 300)
    other.rename(run.metrics_path)
    again = get(place, f"runs/fresh/log?file={first['file']}&from={first['next']}")
    assert again["anew"] and len(again["records"]) == 301 and again["file"] != first["file"]
    run.metrics_path.write_text(record(0))
    shorter = get(place, f"runs/fresh/log?file={again['file']}&from={again['next']}")
    assert shorter["anew"] and len(shorter["records"]) == 1


def test_damaged_lines_are_left_out(place: Place, home: Path):
    run = begun(home)
    with run.metrics_path.open("a") as log:
        log.write("{\n[1]\n\x00\n" + record(3) + '{"step": NaN}\n{"step": "4"}\n')
    assert [one["step"] for one in get(place, "runs/fresh/log")["records"]] == [0, 1, 2, 3]


def test_a_long_log_comes_in_parts(place: Place, home: Path):
    run = begun(home)
    run.metrics_path.write_text("".join(record(step) for step in range(30_000)))
    steps, offset, more = [], 0, True
    while more:
        part = get(place, f"runs/fresh/log?from={offset}")
        steps += [one["step"] for one in part["records"]]
        offset, more = part["next"], part["more"]
    assert steps == list(range(30_000))


def test_samples_are_told_once(place: Place, home: Path):
    run = begun(home)
    with run.metrics_path.open("a") as log:
        log.write(record(4, val_loss=2.5, sample="def"))
    found = get(place, "runs/fresh/samples")["samples"]
    assert [(one["step"], one["text"]) for one in found] == [(0, "abc"), (4, "def")]
    assert [one["step"] for one in get(place, "runs/fresh/samples?after=0")["samples"]] == [4]


@pytest.mark.parametrize(
    "name",
    ["..", "../runs/fresh", "%2e%2e", "..%2Foutside", "%2Fetc", "fresh%2F..%2F..%2Foutside", "away",
     "fresh%00", "", "*", "outside"],
)  # fmt: skip
@pytest.mark.parametrize("what", ["log", "samples"])
def test_no_name_leads_out_of_the_folder(place: Place, home: Path, name: str, what: str):
    begun(home)
    outside = begun(home.parent, "outside")
    (home / "away").symlink_to(outside.path)
    answer = place.ask("GET", f"/play/runs/{name}/{what}")
    assert answer.status == 404 and b"records" not in answer.body and b"abc" not in answer.body
    assert [one["name"] for one in get(place, "runs")["runs"]] == ["fresh"]


@pytest.mark.parametrize("query", ["from=-1", "from=x", f"from={2**53 + 1}", f"file={'1' * 41}"])
def test_places_out_of_range_are_refused(place: Place, home: Path, query: str):
    begun(home)
    assert place.ask("GET", f"/play/runs/fresh/log?{query}").status == 400


def test_runs_that_are_served_from_elsewhere_are_followed_too(tmp_path: Path, home: Path):
    with serving(random_run(tmp_path), runs_dir=home) as place:
        assert [one["name"] for one in get(place, "runs")["runs"]] == ["plain"]


def test_a_run_that_is_served_is_not_hidden_by_another_of_its_name(tmp_path: Path, home: Path):
    run = random_run(tmp_path)
    begun(home, "plain")
    assert listed(home)["plain"].path == home / "plain"
    assert listed(home, [run.folder])["plain"].path == run.folder.path


def test_a_run_that_is_deleted_meanwhile_raises_nothing(home: Path, monkeypatch):
    run = begun(home)
    shutil.rmtree(run.path)
    monkeypatch.setattr(Path, "is_file", lambda path: path == run.metrics_path)
    assert log_age(run) == float("inf")
    assert facts(run)["state"] == "damaged"
    begun(home).metrics_path.unlink()
    assert facts(run)["step"] == 0


def test_the_page_is_static_and_asks_nobody_else(place: Place):
    page = place.ask("GET", "/")
    assert page.status == 200 and page.headers["content-type"].startswith("text/html")
    for part in page.headers["content-security-policy"].split(", "):
        assert "unsafe-eval" not in part and "http" not in part
    assert place.ask("GET", "/app.js").headers["content-type"].startswith("text/javascript")
    for path in ("/../pages.py", "/%2e%2e/pages.py", "/nothing.js", "/views/"):
        assert place.ask("GET", path).status == 404


def test_with_a_key_data_needs_it_and_the_page_does_not(home: Path):
    with serving(runs_dir=home, key="sixteen-letters-") as place:
        wrong = {"Authorization": "Bearer sixteen-letterss"}
        assert place.ask("GET", "/", headers=wrong).status == 200
        for path in ("models", "runs", "runs/fresh/log", "embedding"):
            assert place.ask("GET", f"/play/{path}", headers=wrong).status == 401
        assert place.ask("GET", "/play/runs").status == 200
