"""What the door lets through: hosts by their names, any body, and headers on everything."""

import json

import fastapi.dependencies.utils
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from bardling.errors import UsageError
from bardling.serving.app import build_app
from bardling.serving.engine import Engine
from bardling.serving.guard import _own_address, _without_port
from bardling.serving.limits import Limits
from bardling.serving.models import Models, Served
from bardling.serving.schemas import ChatRequest, CompletionRequest
from bardling.serving.server import split_step
from servers import chatty_run

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9)
    | st.sampled_from([0, 1, 2, 0.5, "user", "text", "assistant"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "include_usage", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
NAMES = sorted({*CompletionRequest.model_fields, *ChatRequest.model_fields})
SHORT = {"max_tokens": 2, "max_completion_tokens": 2, "n": 1, "best_of": 1}
"""So that what is right by chance is written quickly."""


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    run = chatty_run(folder)
    models = Models([Served(name="chatty", run=run, engine=Engine(run, slots=2, queue=4))])
    app = build_app(models, key=None, hosts=frozenset(), runs_dir=folder, limits=Limits())
    with TestClient(app, base_url="http://localhost") as found:
        yield found
    models.close(seconds=0.0)


def test_no_route_is_made_while_someone_asks(tmp_path, monkeypatch):
    """FastAPI silences warnings while it makes them, for all threads, those that train included."""
    app = build_app(Models([]), key=None, hosts=frozenset(), runs_dir=tmp_path, limits=Limits())
    monkeypatch.setattr(fastapi.dependencies.utils, "create_model_field", None)
    with TestClient(app, base_url="http://localhost") as client:
        assert client.get("/play/runs").json() == {"runs": []}
        assert client.get("/v1/models").json()["data"] == []


@pytest.mark.parametrize(
    ("path", "kind", "base"),
    [
        ("/v1/completions", CompletionRequest, {"prompt": "1"}),
        (
            "/v1/chat/completions",
            ChatRequest,
            {"messages": [{"role": "user", "content": "1"}], "max_tokens": 2},
        ),
    ],
    ids=["completions", "chats"],
)
# the type checks of these tests draw numbers of their own, on the engine's thread
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")
@settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(fields=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3))
def test_no_value_of_any_field_fails_the_server(client, path, kind, base, fields):
    known = {name: value for name, value in fields.items() if name in kind.model_fields}
    body = base | {name: SHORT.get(name, value) for name, value in known.items()}
    answer = client.post(
        path, content=json.dumps(body), headers={"content-type": "application/json"}
    )
    assert answer.status_code in (200, 400, 404), (body, answer.text)
    if answer.status_code != 200:
        assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost", "localhost"),
        ("localhost:80", "localhost"),
        ("[::1]:80", "[::1]"),
        ("[::1]", "[::1]"),
        ("::1", ":"),
        ("a:b", "a:b"),
        ("a:", "a"),
        ("", ""),
    ],
)
def test_a_port_is_no_part_of_a_name(host, name):
    assert _without_port(host) == name


def test_every_answer_says_what_a_browser_may_do_with_it(client):
    for path in ("/", "/health", "/v1/models", "/nothing", "/play/models"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert len(headers.get_list("content-security-policy")) == 1


def test_what_is_not_there_is_said_in_the_same_shape(client):
    cases = (("GET", "/nothing", 404), ("GET", "/v1/models/x", 404), ("POST", "/health", 405),
             ("DELETE", "/v1/models", 405))  # fmt: skip
    for method, path, status in cases:
        answer = client.request(method, path, headers={"content-type": "application/json"})
        if method != "GET":
            assert answer.status_code == 400  # there is no body
            answer = client.request(method, path, json={})
        assert answer.status_code == status, (method, path)
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_figures_are_in_the_format_of_prometheus(client):
    client.post("/v1/completions", json={"prompt": "1", "max_tokens": 3})
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    types, values = {}, {}
    for line in answer.text.splitlines():
        if line.startswith("# TYPE "):
            types[line.split()[2]] = line.split()[3]
        elif not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            values[name] = float(value)
    bare = {name.partition("{")[0] for name in values}
    for name in bare:
        stem = name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
        assert name in types or types[stem] == "histogram", name
    assert values['bardling_engine_tokens_written_total{model="chatty"}'] >= 3
    assert values['bardling_requests_total{path="/v1/completions",status="200"}'] >= 1
    buckets = [v for name, v in values.items() if name.startswith("bardling_request_seconds_b")]
    assert buckets == sorted(buckets)
    assert buckets[-1] == values["bardling_request_seconds_count"]


def test_limits_have_both_ends():
    with pytest.raises(UsageError, match=r"head_seconds is 0\.0; it must be above 0"):
        Limits(head_seconds=0.0)
    with pytest.raises(UsageError, match="texts"):
        Limits(texts=2**50)


@pytest.mark.parametrize(
    ("word", "path", "checkpoint"),
    [("demo", "demo", ""), ("demo@200", "demo", "200"), ("a/b@last", "a/b", "last"),
     ("me@home/run", "me@home/run", ""), ("@7", "@7", ""), ("x@y@7", "x@y", "7")],
)  # fmt: skip
def test_a_step_stands_behind_the_last_sign(word, path, checkpoint):
    assert split_step(word) == (path, checkpoint)


def test_more_texts_than_can_ever_be_written_and_wait_are_refused_for_good(client):
    answer = client.post("/v1/completions", json={"prompt": "1", "n": 7, "max_tokens": 1})
    assert answer.status_code == 400 and "6 are the most" in answer.json()["error"]["message"]
    assert client.post("/v1/completions", json={"prompt": "1", "n": 6, "max_tokens": 1}).is_success


def test_half_a_character_is_refused_in_conversations_too(client):
    for content in ('"\\ud800"', '[{"type": "text", "text": "\\udfff"}]'):
        body = f'{{"messages": [{{"role": "user", "content": {content}}}]}}'
        answer = client.post(
            "/v1/chat/completions", content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 400, content


def test_what_nobody_thought_of_is_counted_and_guarded_like_all_else(client, monkeypatch, caplog):
    def fail(self, name):
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(Models, "get", fail)
    answer = client.post("/v1/completions", json={"prompt": "1", "max_tokens": 1})
    assert answer.status_code == 500 and "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "a secret" in caplog.text
    counted = client.get("/metrics").text
    assert 'bardling_requests_total{path="/v1/completions",status="500"} 1' in counted


def test_ipv4_that_comes_in_by_ipv6_is_called_by_its_own_address():
    for address, name in (("::ffff:192.0.2.2", "192.0.2.2"), ("::1", "[::1]"), ("10.1.1.1",) * 2):
        assert _own_address({"server": (address, 8000)}) == name
    assert _own_address({"server": None}) == ""
