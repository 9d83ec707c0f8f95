"""Only the right bytes get their name, a cut costs little, and nothing hangs or fills up."""

import sys
import time

import pytest

from bardling.data import hub_transfer
from bardling.data.hub import fetch, find_files
from bardling.errors import CorpusError, UsageError
from imitated_hub import (
    HUB,
    MAIN,
    TOKEN,
    TRAIN,
    Handler,
    cache,
    cut,
    dripping,
    endless,
    everything,
    flipped,
    good,
    served,
    short,
    stalled,
)


@pytest.fixture(autouse=True)
def server(monkeypatch, tmp_path):
    with served(monkeypatch, tmp_path) as server:
        yield server


def test_a_list_that_goes_on_elsewhere_is_not_followed(server, monkeypatch):
    headers = {"Link": '<http://example.invalid/more>; rel="next"'}
    monkeypatch.setattr(Handler, "list", lambda handler, *_: handler.reply(b"[]", **headers))
    with pytest.raises(CorpusError, match="goes on at another address"):
        find_files(HUB)


def test_a_cut_costs_only_what_did_not_come(server, tmp_path):
    server.fault = cut
    (file,) = find_files(HUB).train
    assert fetch(file).read_bytes() == TRAIN
    first, second, *rest = server.ranges_asked()
    assert first is None
    assert second == f"bytes={len(TRAIN) // 3 + 1}-"
    assert rest
    assert not list(cache(tmp_path).rglob("*.pieces"))


def test_a_later_try_goes_on_where_an_earlier_one_stopped(server, tmp_path, monkeypatch):
    monkeypatch.setattr(hub_transfer, "PIECE_BYTES", 2**12)
    server.fault = cut
    (file,) = find_files(HUB).train

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(file, heard=stop)
    kept = sum(path.stat().st_size for path in cache(tmp_path).rglob("*.pieces/*"))
    assert 0 < kept < len(TRAIN)
    assert not (cache(tmp_path) / "snapshots").exists()
    server.fault = good
    assert fetch(file).read_bytes() == TRAIN
    assert server.ranges_asked()[-1] == f"bytes={kept}-"


def test_pieces_that_do_not_fit_are_not_used(server, tmp_path):
    (file,) = find_files(HUB).train
    pieces = cache(tmp_path) / "blobs" / f"{file.sha256}.pieces"
    pieces.mkdir(parents=True)
    (pieces / f"{7:015d}").write_bytes(b"x" * 100)
    (pieces / "foreign").write_bytes(b"x")
    assert fetch(file).read_bytes() == TRAIN
    assert server.ranges_asked() == [None]
    assert not pieces.exists()


def test_a_store_that_sends_the_whole_again_is_understood(server):
    server.ranges, sent = False, []
    server.fault = lambda *reply: sent.append(1) or (cut if len(sent) == 1 else good)(*reply)
    assert fetch(find_files(HUB).train[0]).read_bytes() == TRAIN
    assert len(sent) == 2


@pytest.mark.parametrize(
    "fault, reason",
    [
        (flipped, "is damaged, its hash is [0-9a-f]{64}, expected [0-9a-f]{64}: nothing of it"),
        (endless, "is damaged, it has more than [0-9,]+ bytes: nothing of it"),
        (short, r"\(it sent [0-9,]+ of [0-9,]+ bytes\): try again"),
        (stalled, r"\(.*timed out.*\): try again"),
        (dripping, "is too slow: [0-9]+ of [0-9,]+ bytes are kept, try again"),
    ],
)
def test_anything_else_is_refused_soon_and_gets_no_name(
    server, tmp_path, monkeypatch, fault, reason
):
    (file,) = find_files(HUB).train
    server.fault = fault
    start = time.monotonic()
    with monkeypatch.context() as patch, pytest.raises(CorpusError, match=reason):
        if fault is stalled:
            patch.setattr(hub_transfer, "TIMEOUT_SECONDS", 0.3)
        if fault is dripping:
            patch.setattr(hub_transfer, "PATIENCE_SECONDS", 0.4)
            patch.setattr(hub_transfer, "SLOWEST_BYTES_PER_SECOND", 10**9)
        fetch(file)
    assert time.monotonic() - start < 8
    is_kept = fault in (short, stalled, dripping)
    assert bool(list(cache(tmp_path).rglob("*.pieces/*"))) == is_kept
    assert not (cache(tmp_path) / "snapshots").exists()
    assert not (cache(tmp_path) / "blobs" / file.sha256).exists()
    server.fault = good
    assert fetch(file).read_bytes() == TRAIN


def test_an_endless_body_is_cut_off(server):
    (file,) = find_files(HUB).train
    server.fault = endless
    with pytest.raises(CorpusError, match="more than"):
        fetch(file)
    assert server.n_sent < len(TRAIN) + 16 * 2**20  # the rest is what the sockets hold


def test_an_endless_list_is_cut_off(server, monkeypatch):
    monkeypatch.setattr(hub_transfer, "PAGE_BYTES", 2**16)
    monkeypatch.setattr(hub_transfer, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(Handler, "list", lambda handler, *_: endless(handler, b"", 200, {}))
    with pytest.raises(CorpusError, match="its answer had no end"):
        find_files(HUB)
    assert server.n_sent < 16 * 2**20


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x", "/self"])
def test_a_redirect_leads_only_to_http(server, tmp_path, place):
    (file,) = find_files(HUB).train
    server.moved = place if ":" in place else f"{server.url}/datasets/ann/plays/resolve/{MAIN}/x"
    with pytest.raises(CorpusError, match=r"unsupported protocol|redirects|Invalid URL"):
        fetch(file)
    assert everything(tmp_path) == []


def test_a_full_disk_is_seen_before_the_first_byte(server, monkeypatch):
    (file,) = find_files(HUB).train
    usage = hub_transfer.shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(hub_transfer.shutil, "disk_usage", lambda folder: usage)
    server.asked.clear()
    with pytest.raises(CorpusError, match=r"has 1,000 left: make room, or set HF_HUB_CACHE"):
        fetch(file)
    assert server.asked == []


@pytest.mark.parametrize(
    "status, reason",
    [
        (404, r"the hub has no dataset ann/plays with a revision main \(ByTheTest\): check"),
        (401, "answered 401 .* private, gated or not there; .* set HF_TOKEN"),
        (403, "answered 403 .* private, gated or not there; .* set HF_TOKEN"),
        (429, r"could not be listed \(it answered 429\) .* folder 'plays' of BARDLING_DATA"),
        (503, r"could not be listed \(it answered 503\) .* folder 'plays' of BARDLING_DATA"),
    ],
)
def test_refusals_are_told_apart(server, status, reason):
    server.status = status
    with pytest.raises(CorpusError, match=reason) as caught:
        find_files(HUB)
    assert TOKEN not in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["huggingface.co", "file:///etc", "http://", "http://a b", "http://a:x"]
)
def test_an_address_that_is_none_is_refused(monkeypatch, url):
    monkeypatch.setenv("HF_ENDPOINT", url)
    with pytest.raises(UsageError, match=r"an address like https://huggingface.co is needed"):
        find_files(HUB)


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UsageError, match=r"needs huggingface_hub: pip install 'bardling\[data\]'"):
        find_files(HUB)
