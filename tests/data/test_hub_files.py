"""A file of the hub lies in its cache, whole and checked, where other tools find it."""

import threading
from pathlib import Path

import huggingface_hub
import pytest

from bardling.data.hub import HUB_CORPORA, HubFile, fetch, find_files
from bardling.data.reading import read_documents
from bardling.errors import CorpusError
from imitated_hub import (
    HUB,
    MAIN,
    NOTE,
    TOKEN,
    TRAIN,
    cache,
    everything,
    flipped,
    offline,
    served,
    unreachable,
)


@pytest.fixture(autouse=True)
def server(monkeypatch, tmp_path):
    with served(monkeypatch, tmp_path) as server:
        yield server


def test_the_word_is_the_name_of_the_folder_on_the_disk():
    assert HUB_CORPORA["tinystories"].name == "tinystories"
    assert HUB.name == "plays"


@pytest.mark.parametrize(
    "path",
    ["../evil.parquet", "/evil.parquet", "a/../../evil.parquet", "a//b.parquet", "a\\b.parquet",
     "a\0.parquet", "./a.parquet", "..", "a/"],
)  # fmt: skip
def test_a_path_that_leads_elsewhere_is_refused(server, tmp_path, path):
    server.trees[MAIN] = {path: b"x", "good.parquet": TRAIN}
    with pytest.raises(CorpusError, match="which no dataset can hold"):
        find_files(HUB)
    with pytest.raises(CorpusError, match="which no dataset can hold"):
        HubFile(hub=HUB, revision="main", commit=MAIN, path=path, n_bytes=1, sha256=None,
                git_sha1="b" * 40)  # fmt: skip
    assert everything(tmp_path) == []


@pytest.mark.parametrize("name, value", [("commit", "../x"), ("sha256", "../x"), ("git_sha1", "x")])
def test_a_hash_that_is_none_is_refused(name, value):
    good = {"commit": MAIN, "sha256": None, "git_sha1": None}
    with pytest.raises(CorpusError, match="which no dataset can hold"):
        HubFile(hub=HUB, revision="main", path="a.txt", n_bytes=1, **(good | {name: value}))


def test_a_file_is_fetched_once_with_its_bytes(server, tmp_path):
    (file,) = find_files(HUB).train
    heard = []
    path = fetch(file, heard=lambda done, total: heard.append((done, total)))
    assert path.read_bytes() == TRAIN
    assert len(list(read_documents(path, [].append))) == 3000
    assert heard[-1] == (len(TRAIN), len(TRAIN))
    assert heard == sorted(heard)
    (at_hub, at_store) = server.asked[-2:]
    assert at_hub[1]["Authorization"] == f"Bearer {TOKEN}"
    assert at_store[1]["Authorization"] is None  # the token stays with the hub
    server.asked.clear()
    assert fetch(file) == path
    assert server.asked == []
    commit = f"snapshots/{MAIN}/data/train-0.parquet"
    assert everything(cache(tmp_path)) == [f"blobs/{file.sha256}", "refs/main", commit]


def test_other_tools_of_the_hub_find_it(server, tmp_path):
    path = fetch(find_files(HUB).train[0])
    for revision in ("main", MAIN):
        found = huggingface_hub.try_to_load_from_cache(
            "ann/plays", "data/train-0.parquet", repo_type="dataset", revision=revision,
            cache_dir=tmp_path / "home" / "hub",
        )  # fmt: skip
        assert found == str(path)
    scanned = huggingface_hub.scan_cache_dir(tmp_path / "home" / "hub")
    assert not scanned.warnings
    assert [(repo.repo_id, repo.nb_files) for repo in scanned.repos] == [("ann/plays", 1)]


def test_files_that_git_keeps_and_empty_ones_are_fetched_and_checked(server):
    server.trees[MAIN] = {"note.txt": NOTE, "empty.txt": b""}
    server.small = {"note.txt"}
    empty, note = find_files(HUB).train
    assert note.sha256 is None
    assert fetch(note).read_bytes() == NOTE
    assert fetch(empty).read_bytes() == b""
    fetch(note).write_bytes(NOTE.swapcase())
    assert fetch(note).read_bytes() == NOTE
    server.fault = flipped
    fetch(note).write_bytes(b"x")
    with pytest.raises(CorpusError, match="is damaged, its hash is"):
        fetch(note)


@pytest.mark.parametrize("name", ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"])
def test_the_cache_is_where_the_environment_says(server, tmp_path, monkeypatch, name):
    monkeypatch.delenv("HF_HOME")
    monkeypatch.setenv("PLACE", str(tmp_path / "other"))
    monkeypatch.setenv(name, str(tmp_path / "other") if name.startswith("XDG") else "$PLACE")
    path = fetch(find_files(HUB).train[0])
    assert path.is_relative_to(tmp_path / "other")


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"x" + data[1:]])
def test_a_file_that_was_damaged_in_the_cache_is_fetched_again(server, tmp_path, damage):
    (file,) = find_files(HUB).train
    path = fetch(file)
    path.write_bytes(damage(TRAIN))
    server.status = 503
    with pytest.raises(CorpusError, match=r"could not be fetched \(it answered 503\): try again"):
        fetch(file)
    assert everything(cache(tmp_path)) == ["refs/main"]  # no name for damaged bytes
    server.status = None
    assert fetch(file).read_bytes() == TRAIN


def test_a_cache_that_cannot_be_written_is_said(server, tmp_path, monkeypatch):
    (file,) = find_files(HUB).train
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "file"))
    with pytest.raises(CorpusError, match=r"could not keep .* set HF_HUB_CACHE to a folder"):
        fetch(file)


def test_two_at_once_ask_once(server):
    (file,) = find_files(HUB).train
    found = []
    threads = [threading.Thread(target=lambda: found.append(fetch(file))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1 and len(found) == 4
    assert found[0].read_bytes() == TRAIN
    assert len(server.ranges_asked()) == 1


def test_where_there_are_no_links_the_file_itself_is_there(server, monkeypatch):
    def refuse(*arguments):
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    path = fetch(find_files(HUB).train[0])
    assert not path.is_symlink() and path.read_bytes() == TRAIN
    server.status = 503
    (file,) = find_files(HUB).train
    assert fetch(file) == path


def test_a_file_that_is_gone_is_said(server):
    (file,) = find_files(HUB).train
    server.status = 404
    with pytest.raises(CorpusError, match=r"could not be fetched \(ByTheTest\)"):
        fetch(file)


@pytest.mark.parametrize(
    "cut_off, reason",
    [(unreachable, "Connection refused"), (offline, "HF_HUB_OFFLINE is set")],
)
def test_without_a_network_only_what_was_fetched_is_there(server, monkeypatch, cut_off, reason):
    found = find_files(HUB)
    path = fetch(found.train[0])
    server.asked.clear()
    cut_off(monkeypatch)
    again = find_files(HUB)
    assert again.from_cache
    assert (again.train, again.val) == ((again.train[0],), ())
    assert again.train[0].sha256 == found.train[0].sha256
    assert fetch(again.train[0]) == path
    with pytest.raises(CorpusError, match=rf"\(.*{reason}.*\): .*folder 'plays' of BARDLING_DATA"):
        fetch(found.val[0])
    assert server.asked == []
