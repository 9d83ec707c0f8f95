"""`bardling train --watch`: a page beside the run, for as long as the run lasts."""

import json
import re
import sys
import threading
import urllib.request
import webbrowser
from urllib.error import URLError

import pytest


def test_the_page_follows_the_run_and_ends_with_it(train, monkeypatch):
    """The browser is sent to the run; its log can be followed there; then nobody listens."""
    shown, runs, has_looked = [], [], threading.Event()

    def look(url: str) -> bool:
        shown.append(url)
        with urllib.request.urlopen(url.partition("#")[0] + "play/runs", timeout=20) as answer:
            runs.append(json.load(answer))
        has_looked.set()
        return True

    monkeypatch.setattr(webbrowser, "open", look)
    done = train("--name", "followed", "--watch")
    assert done.code == 0 and has_looked.wait(20)
    (url,) = shown
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/#training\?run=followed", url)
    assert f"  watch  {url}" in done.out.splitlines()
    assert "runs" in runs[0]
    with pytest.raises(URLError), urllib.request.urlopen(url, timeout=5):
        pass


def test_without_what_serves_nothing_begins(train, monkeypatch, tmp_path):
    """One sentence says what is missing."""

    monkeypatch.setitem(sys.modules, "uvicorn", None)
    done = train("--name", "quiet", "--watch")
    assert done.code == 2
    assert done.err == "bardling: --watch needs uvicorn: pip install 'bardling[serve]'\n"
    assert not (tmp_path / "runs" / "quiet").exists()
