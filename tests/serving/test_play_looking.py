"""What the page is told of a model: what comes next, and where it looks; all by hand here."""

import math

import pytest
import torch

from bardling.model.attention import LearnedPattern
from bardling.trained import Run
from servers import Place, random_run, serving

PROMPT = "12 plus 30 is"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return random_run(tmp_path_factory.mktemp("runs"), name="gpt2")


@pytest.fixture(scope="module")
def place(run: Run):
    with serving(run, runs_dir=run.folder.path.parent) as found:
        yield found


def post(place: Place, path: str, **body) -> dict:
    answer = place.ask("POST", f"/play/{path}", body)
    assert answer.status == 200, answer.body
    return answer.json


def refused(place: Place, path: str, **body) -> str:
    answer = place.ask("POST", f"/play/{path}", body)
    assert answer.status in (400, 404), answer.body
    error = answer.json["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error["message"]


def distribution(run: Run, ids: list[int]) -> torch.Tensor:
    with torch.no_grad():
        logits = run.model(torch.tensor([ids]))[0, -1]
    return logits.double().softmax(0)


def test_models_are_described(place: Place, run: Run):
    (found,) = place.ask("GET", "/play/models").json["models"]
    config = run.config.model
    assert found["name"] == found["run"] == "plain" and found["step"] == 7
    assert found["parameters"] == sum(p.numel() for p in run.model.parameters())
    assert (found["n_layer"], found["n_head"], found["n_embd"]) == (2, 4, 24)
    assert (found["vocab_size"], found["block_size"]) == (config.vocab_size, config.block_size)
    assert found["end_token"] == run.tokenizer.end_token and found["chat"] is False


def test_what_comes_next_is_the_models_distribution(place: Place, run: Run):
    ids = run.tokenizer.encode(PROMPT)
    p = distribution(run, ids)
    found = post(place, "next", prompt=PROMPT, temperature=0.5, top_k=3, count=5)
    assert [token["id"] for token in found["tokens"]] == ids
    assert "".join(token["text"] for token in found["tokens"]) == PROMPT
    top = p.topk(5)
    assert [one["id"] for one in found["candidates"]] == top.indices.tolist()
    kept = [float(p[one["id"]]) ** 2 for one in found["candidates"][:3]]  # temperature 1/2
    for rank, one in enumerate(found["candidates"]):
        assert one["p"] == pytest.approx(float(top.values[rank]), rel=1e-5)
        shaped = kept[rank] / sum(kept) if rank < 3 else 0.0
        assert one["shaped"] == pytest.approx(shaped, rel=1e-4)
    assert found["kept"] == 3 and found["vocab_size"] == len(p)
    assert found["entropy"] == pytest.approx(-float((p * p.log2()).sum()), rel=1e-5)
    shares = [one / sum(kept) for one in kept]
    bits = -sum(share * math.log2(share) for share in shares)
    assert found["shaped_entropy"] == pytest.approx(bits, rel=1e-4)


def test_the_nucleus_and_the_likeliest(place: Place, run: Run):
    p = distribution(run, run.tokenizer.encode(PROMPT))
    ranked = p.sort(descending=True).values
    size = int((ranked.cumsum(0) < 0.6).sum()) + 1
    assert post(place, "next", prompt=PROMPT, top_p=0.6)["kept"] == size
    found = post(place, "next", prompt=PROMPT, temperature=0)
    assert [one["shaped"] for one in found["candidates"][:2]] == [1.0, 0.0]
    assert found["shaped_entropy"] == 0.0


def test_ids_are_text_as_well(place: Place, run: Run):
    ids = run.tokenizer.encode(PROMPT)
    assert post(place, "next", ids=ids) == post(place, "next", prompt=PROMPT)
    long = post(place, "next", ids=ids * 40)
    assert len(long["tokens"]) == 40 and "only the last 40 tokens are seen" in long["warnings"]


def test_a_prompt_may_begin_a_document(place: Place, run: Run):
    end = run.tokenizer.end_token
    found = post(place, "next", prompt=PROMPT, begins=True)
    assert found["tokens"][0]["id"] == end and found["tokens"][0]["special"]
    p = distribution(run, [end, *run.tokenizer.encode(PROMPT)])
    assert found["candidates"][0]["p"] == pytest.approx(float(p.max()), rel=1e-5)
    assert post(place, "next", prompt="", begins=True) == post(place, "next", prompt="")


def test_attention_is_the_softmax_of_queries_and_keys(place: Place, run: Run):
    ids = run.tokenizer.encode(PROMPT)
    heard: list[torch.Tensor] = []
    patterns = [m for m in run.model.modules() if isinstance(m, LearnedPattern)]
    hooks = [p.register_forward_pre_hook(lambda _, given: heard.append(given[0])) for p in patterns]
    with torch.no_grad():
        run.model(torch.tensor([ids]))
    for hook in hooks:
        hook.remove()
    found = post(place, "attention", prompt=PROMPT)
    assert [token["id"] for token in found["tokens"]] == ids and found["earlier"] == 0
    assert len(found["layers"]) == 2
    for pattern, x, layer in zip(patterns, heard, found["layers"], strict=True):
        query, key = (
            (x[0] @ part.weight.T + (0 if part.bias is None else part.bias)).double()
            for part in (pattern.query, pattern.key)
        )
        assert len(layer) == 4
        for head, rows in enumerate(layer):
            mine = slice(6 * head, 6 * head + 6)
            for row, weights in enumerate(rows):
                scores = query[row, mine] @ key[: row + 1, mine].T / math.sqrt(6)
                assert weights == pytest.approx(scores.softmax(0).tolist(), abs=6e-4)


def test_of_a_long_text_the_last_tokens_are_shown(tmp_path):
    run = random_run(tmp_path, block_size=80)
    with serving(run, runs_dir=tmp_path) as place:
        found = post(place, "attention", ids=[5] * 79 + [6])
    assert len(found["tokens"]) == 64 and found["earlier"] == 16
    rows = found["layers"][0][0]
    assert [len(row) for row in rows] == list(range(1, 65))
    assert sum(rows[0]) < 1 < sum(rows[0]) + 1  # the rest is taken of what is not shown


def test_looking_leaves_the_engine_alone(place: Place, run: Run):
    before = place.complete(prompt=PROMPT, max_tokens=12, temperature=0).json["choices"]
    hooks = sum(len(m._forward_hooks) for m in run.model.modules())
    post(place, "attention", prompt=PROMPT)
    assert sum(len(m._forward_hooks) for m in run.model.modules()) == hooks
    assert place.complete(prompt=PROMPT, max_tokens=12, temperature=0).json["choices"] == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", -0.1), ("temperature", 101), ("top_p", 0), ("top_p", 1.01), ("top_k", -1),
        ("top_k", 2**24 + 1), ("count", 0), ("count", 201), ("prompt", "x" * 100_001),
        ("prompt", 3), ("ids", [-1]), ("ids", "x"), ("ids", [2**24 + 1]), ("ids", [1] * 100_001),
        ("ids", [299 + 10_000]), ("model", "x" * 201), ("model", "other"), ("begins", "maybe"),
        ("foo", 1),
    ],
)  # fmt: skip
def test_what_is_out_of_range_is_refused_in_a_sentence(place: Place, field: str, value):
    message = refused(place, "next", **{"prompt": "1", field: value})
    assert "\n" not in message and len(message) <= 400
    if field not in ("model", "ids"):
        assert field in message


def test_numbers_that_are_none_are_refused(place: Place):
    answer = place.ask("POST", "/play/next", b'{"prompt": "1", "temperature": NaN}')
    assert answer.status == 400


def test_too_many_pictures_are_refused(tmp_path):
    run = random_run(tmp_path, name="gpt2", n_layer=65)
    with serving(run, runs_dir=tmp_path) as place:
        assert "65 layers of 4 heads" in refused(place, "attention", prompt="1")
