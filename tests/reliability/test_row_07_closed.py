"""The server is closed by default: nobody comes in by another address, page or name, or keyless."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from promises import Protection

import bardling
from bardling.cli.serve import ServeArguments
from bardling.errors import UsageError
from bardling.serving import guard
from bardling.serving.app import build_app, page_paths
from bardling.serving.limits import Limits
from bardling.serving.models import Models
from bardling.serving.server import require_key
from servers import Place, random_run, raw, serving

KEY = "a-key-of-many-characters"
OPEN = page_paths() | {"/health"}
WRONG = (
    None, "", "Bearer", "Bearer ", f"Bearer {KEY[:-1]}", f"Bearer {KEY}x", f"Bearer {KEY} ,x",
    f"Basic {KEY}", KEY, f"Bearer {KEY.upper()}", "Bearer \xff",
)  # fmt: skip
STRAY = (
    "/v1", "/v1/", "/health/", "/health/../metrics", "//metrics", "/HEALTH", "/index.html/x",
    "/docs", "/openapi.json", "/redoc", "/metrics/", "/%2e%2e/x", "/health%00",
    "/v1/models?health",
)  # fmt: skip

PROTECTIONS = (
    Protection(
        file="serving/guard.py",
        line='if self._key is None or scope["path"] in self._open:',
        broken='if self._key is None or scope["path"].startswith(("/play", *self._open)):',
        test="test_nothing_but_health_and_the_page_is_had_without_the_key",
    ),
    Protection(
        file="serving/guard.py",
        line='hmac.compare_digest(headers.get(b"authorization", b""), self._key)',
        broken='self._key.startswith(headers.get(b"authorization", b"-"))',
        test="test_nothing_but_health_and_the_page_is_had_without_the_key",
    ),
    Protection(
        file="serving/guard.py",
        line='hmac.compare_digest(headers.get(b"authorization", b""), self._key)',
        broken='headers.get(b"authorization", b"") == self._key',
        test="test_keys_are_compared_in_constant_time",
    ),
    Protection(
        file="serving/guard.py",
        line="if name not in self._hosts and name != _own_address(scope):",
        broken='if name not in self._hosts and not name.endswith("t"):',
        test="test_only_names_of_this_machine_are_answered",
    ),
    Protection(
        file="serving/guard.py",
        line='origin.lower().partition(b"://")[2] != host.encode("latin-1")',
        broken='host.encode("latin-1") not in origin',
        test="test_pages_of_other_sites_are_refused",
    ),
    Protection(
        file="serving/server.py",
        line="if not all(map(_is_loopback, _addresses(host))):",
        broken='if host == "0.0.0.0":',
        test="test_other_addresses_need_a_key_before_anything_listens",
    ),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("runs")
    run = random_run(folder)
    with serving(run, runs_dir=folder, key=KEY, hosts=["box.lan"]) as found:
        yield found


def routes() -> list[tuple[str, str]]:
    """Return every method and path that the application knows."""
    app = build_app(
        Models([]), key=None, hosts=frozenset(), runs_dir=Path(), limits=Limits()
    )  # fmt: skip
    waiting, found = [*app.routes], []
    while waiting:
        route = waiting.pop()
        if isinstance(route, APIRoute):
            path = route.path.replace("{name:path}", "x").replace("{name}", "x")
            found += [(method, path) for method in route.methods]
        else:
            inner = getattr(route, "original_router", None)
            waiting += getattr(inner, "routes", [])
    return sorted(found)


def test_nothing_but_health_and_the_page_is_had_without_the_key(place: Place, record_property):
    known = routes()
    assert {path for _, path in known} >= {"/v1/completions", "/metrics", "/play/models", "/health"}
    asked = [*known, *(("GET", path) for path in (*STRAY, *sorted(OPEN))), ("PUT", "/v1/models")]
    for method, path in asked:
        for key in WRONG:
            headers = {"Authorization": key or ""} if key is not None else {}
            bare = Place(place.port)
            answer = bare.ask(method, path, b"{}" if method != "GET" else None, headers)
            if path in OPEN:
                assert answer.status in (200, 405), (path, key)
            else:
                assert answer.status == 401, (method, path, key)
                assert answer.headers["www-authenticate"] == "Bearer"
                assert answer.json["error"]["code"] == "invalid_api_key"
            assert not [name for name in answer.headers if name.startswith("access-control")]
        assert place.ask(method, path, b"{}" if method != "GET" else None).status != 401
    closed = sum(path not in OPEN for _, path in asked)
    record_property(
        "measured", f"{closed} of {closed} paths refuse {len(WRONG)} wrong keys, {len(OPEN)} open"
    )


def test_only_names_of_this_machine_are_answered(place: Place):
    port = place.port
    good = ("localhost", f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}", "BOX.lan:80")
    for host in good:
        assert place.ask("GET", "/v1/models", headers={"Host": host}).status == 200, host
    bad = (
        "evil.test", f"evil.test:{port}", "", "localhost.evil.test", "127.0.0.1.evil.test",
        "evil.test:80:127.0.0.1", "localhost@evil.test", "10.0.0.1", "localhost:x", "[::1]x",
    )  # fmt: skip
    for path in ("/v1/models", "/health", "/"):
        for host in bad:
            answer = place.ask("GET", path, headers={"Host": host})
            assert 400 <= answer.status < 500, (path, host)
    for head in (b"Host: localhost\r\nHost: evil.test\r\n", b""):
        with raw(port, b"GET /health HTTP/1.0\r\n" + head + b"\r\n") as connection:
            assert connection.recv(100).split()[1].startswith(b"4")


def test_pages_of_other_sites_are_refused(place: Place):
    port = place.port
    own = f"http://127.0.0.1:{port}"
    headers = {"Host": f"127.0.0.1:{port}"}
    assert place.ask("GET", "/v1/models", headers={**headers, "Origin": own}).status == 200
    foreign = (
        "http://evil.test", "null", "http://127.0.0.1", f"http://localhost:{port}", "", "file://",
        f"http://evil.test#127.0.0.1:{port}", f"{own}.evil.test",
    )  # fmt: skip
    asked = (("GET", "/v1/models"), ("GET", "/health"), ("GET", "/"), ("POST", "/v1/completions"),
             ("OPTIONS", "/v1/completions"))  # fmt: skip
    for origin in foreign:
        for method, path in asked:
            body = None if method != "POST" else {"prompt": "1", "max_tokens": 1}
            answer = place.ask(method, path, body, {**headers, "Origin": origin})
            assert answer.status == 403, (origin, method, path)
            assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_form_of_another_site_is_no_request(place: Place):
    """A form needs no leave to be sent, and cannot say that it is JSON."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        answer = place.ask("POST", "/v1/completions", b"{}", {"Content-Type": kind})
        assert answer.status == 415, kind


def test_keys_are_compared_in_constant_time():
    calls, comparisons = [], []
    for node in ast.walk(ast.parse(Path(guard.__file__).read_text())):
        mentions = {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "hmac.compare_digest":
            calls.append("_key" in mentions)
        if isinstance(node, ast.Compare) and "_key" in mentions:
            comparisons += [type(one) for one in node.ops]
    assert calls == [True] and set(comparisons) <= {ast.Is}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.7", "0", "::ffff:0.0.0.0"])
def test_other_addresses_need_a_key_before_anything_listens(host, monkeypatch):
    def listening(*words: object) -> None:
        raise AssertionError("it would listen")

    monkeypatch.setattr("bardling.serving.server.listen", listening)
    with pytest.raises(UsageError, match="a key is needed"):
        bardling.serve(host=host)
    require_key(host, KEY)
    for key in ("", "short", KEY + " x", KEY + "\n", "é" * 20):
        with pytest.raises(UsageError, match="a key has 16 characters at least"):
            require_key(host, key)


def test_by_default_it_listens_to_this_machine_alone(place: Place):
    assert ServeArguments().host == "127.0.0.1"
    assert place.server is not None
    assert place.server.url == f"http://127.0.0.1:{place.port}"
    for host in ("127.0.0.1", "localhost", "::1", "127.8.8.8"):
        require_key(host, None)
