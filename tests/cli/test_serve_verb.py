"""`bardling serve` in real processes: what it says, whom it refuses, and how it ends."""

import signal
import socket

from servers import Place, served

KEY = "a-key-of-many-characters"


def ended(place: Place) -> tuple[int, str]:
    """Send Ctrl-C; return the exit code and what was complained of."""
    assert place.process is not None
    place.process.send_signal(signal.SIGINT)
    _, err = place.process.communicate(timeout=30)
    return place.process.returncode, err


def test_runs_are_served_by_name_and_step(trained):
    runs = trained.folder.path.parent
    with served("demo", "demo@4", "--runs-dir", runs, key=KEY) as place:
        names = [one["id"] for one in place.ask("GET", "/v1/models").json["data"]]
        assert names == ["demo", "demo@4"]
        for name in names:
            found = place.complete(model=name, prompt="1", max_tokens=3, temperature=0)
            assert found.json["model"] == name
        assert Place(place.port).ask("GET", "/v1/models").status == 401
        page = Place(place.port).ask("GET", "/")
        assert page.status == 200 and b"<html" in page.body
        assert ended(place) == (0, "")


def test_without_a_run_there_is_the_page(trained):
    with served("--runs-dir", trained.folder.path.parent) as place:
        assert place.ask("GET", "/").status == 200
        assert place.ask("GET", "/v1/models").json["data"] == []
        assert [one["name"] for one in place.ask("GET", "/play/runs").json["runs"]] == ["demo"]
        answer = place.complete(prompt="1")
        assert answer.status == 404
        assert "begin with bardling serve RUN" in answer.json["error"]["message"]
        assert ended(place) == (0, "")


def test_what_cannot_be_served_is_one_sentence(cli, trained, tmp_path):
    runs = ("--runs-dir", trained.folder.path.parent)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = cli("serve", "demo", *runs, "--port", port)
        assert done.code == 2 and f"port {port}: Address already in use" in done.err
    short = tmp_path / "key"
    short.write_text("short\n")
    for words, told in (
        (("demo", "--host", "0.0.0.0"), "so a key is needed"),
        (("demo", "--key-file", short), "a key has 16 characters at least"),
        (("demo", "--key-file", tmp_path / "none"), "none"),
        (("dema",), "there is no run 'dema', did you mean 'demo'?"),
        (("demo", "demo"), "two runs are called demo"),
        (("demo@7",), "7"),
        (("demo", "--port", 70000), "70000 is no port"),
        (("demo", "--slots", 0), "1 to 1,024 slots"),
        (("demo", "--host", "nowhere.invalid"), "is no address of this machine"),
    ):
        done = cli("serve", *runs, "--port", 0, *words)
        assert done.code in (1, 2) and told in done.err and done.err.count("\n") == 1, words
