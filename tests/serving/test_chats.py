"""What /v1/chat/completions answers, and the official client as it is."""

import openai
import pytest

import bardling
from bardling.text.chat import Message
from bardling.trained import Run
from servers import Place, chatty_run, random_run, serving

SAID = [{"role": "system", "content": "sums"}, {"role": "user", "content": "3 plus 4?"}]


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[Run, Run]:
    folder = tmp_path_factory.mktemp("runs")
    return random_run(folder), chatty_run(folder)


@pytest.fixture(scope="module")
def place(runs):
    with serving(*runs, runs_dir=runs[0].folder.path.parent) as found:
        yield found


@pytest.fixture
def client(place: Place):
    with openai.OpenAI(base_url=f"{place.url}/v1", api_key="none", max_retries=0) as found:
        yield found


def answered(run: Run, count: int = 12, **sampling) -> str:
    said = [Message(one["role"], one["content"]) for one in SAID]
    settings = {"temperature": 0.0, **sampling}
    return "".join(bardling.answer(run, said, max_new_tokens=count, **settings))


def test_an_answer_has_the_shape_and_the_text(place: Place, runs):
    found = place.chat(model="chatty", messages=SAID, max_tokens=12, temperature=0).json
    assert set(found) == {"id", "object", "created", "model", "choices", "usage"}
    assert found["object"] == "chat.completion" and found["id"].startswith("chatcmpl-")
    (choice,) = found["choices"]
    message = {"role": "assistant", "content": answered(runs[1]), "refusal": None}
    assert choice["message"] == message
    assert choice["index"] == 0 and choice["logprobs"] is None
    assert choice["finish_reason"] in ("length", "stop")


def test_a_stream_says_first_who_speaks(place: Place, runs):
    wishes = {"model": "chatty", "messages": SAID, "max_completion_tokens": 12, "temperature": 0}
    options = {"include_usage": True}
    with place.streaming("/v1/chat/completions", stream_options=options, **wishes) as stream:
        first, *events, last = stream
    assert first["object"] == "chat.completion.chunk"
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    deltas = [event["choices"][0]["delta"] for event in events]
    assert "".join(delta.get("content", "") for delta in deltas) == answered(runs[1])
    assert [event["choices"][0]["finish_reason"] for event in events][-1] in ("length", "stop")
    assert last["choices"] == [] and last["usage"]["total_tokens"] > 0
    assert len({event["id"] for event in (first, *events, last)}) == 1


def test_parts_of_text_and_figures(place: Place, runs):
    parts = [{"type": "text", "text": "3 plus"}, {"type": "text", "text": " 4?"}]
    said = [SAID[0], {"role": "user", "content": parts}]
    wishes = {"model": "chatty", "max_tokens": 5, "temperature": 0}
    found = place.chat(messages=said, logprobs=True, top_logprobs=3, **wishes).json
    (choice,) = found["choices"]
    assert choice["message"]["content"] == answered(runs[1], 5)
    content = choice["logprobs"]["content"]
    assert len(content) <= 5
    for one in content:
        assert set(one) == {"token", "logprob", "bytes", "top_logprobs"}
        assert len(one["top_logprobs"]) == 3
        assert one["top_logprobs"][0]["logprob"] == one["logprob"]
    told = place.chat(messages=said, logprobs=True, **wishes).json["choices"][0]["logprobs"]
    assert all(one["top_logprobs"] == [] for one in told["content"])


def test_what_cannot_be_answered_is_one_sentence(place: Place):
    refused = [
        ({"model": "plain", "messages": SAID}, "plain has learned no conversations"),
        ({"model": "chatty", "messages": []}, "messages: "),
        ({"model": "chatty", "messages": [{"role": "god", "content": "x"}]}, "a role is one of"),
        ({"model": "chatty", "messages": [{"role": "user"}]}, "messages.0.content: "),
        ({"model": "chatty", "messages": SAID, "tools": []}, "unknown field 'tools'"),
        ({"model": "chatty", "messages": SAID, "top_logprobs": 3}, "only with logprobs"),
        ({"model": "chatty", "messages": SAID[1:], "prompt": "x"}, "unknown field 'prompt'"),
    ]
    for wishes, told in refused:
        answer = place.chat(**wishes)
        assert answer.status == 400 and told in answer.json["error"]["message"], wishes


def test_a_long_conversation_loses_its_beginning_and_says_so(place: Place):
    said = [{"role": role, "content": "3 plus"} for role in ("user", "assistant")] * 12
    found = place.chat(model="chatty", messages=[*said, SAID[1]], max_tokens=8).json
    assert "messages have gone out of the context" in found["warnings"][0]


def test_the_official_client_completes(client: openai.OpenAI, runs):
    models = client.models.list().data
    assert [model.id for model in models] == ["plain", "chatty"]
    assert client.models.retrieve("chatty").owned_by == "bardling"
    expected = runs[0].generate("3 plus", max_new_tokens=12, temperature=0.0)
    found = client.completions.create(model="plain", prompt="3 plus", max_tokens=12, temperature=0)
    assert found.choices[0].text == expected and found.choices[0].finish_reason == "length"
    assert found.usage is not None and found.usage.completion_tokens == 12
    wishes = {"model": "plain", "prompt": "3 plus", "max_tokens": 12, "temperature": 0}
    pieces = [*client.completions.create(stream=True, **wishes)]
    assert "".join(piece.choices[0].text for piece in pieces) == expected
    told = client.completions.create(logprobs=2, echo=True, **wishes).choices[0].logprobs
    assert told is not None and told.token_logprobs[0] is None
    assert len(told.tokens) == len(told.token_logprobs) == len(told.text_offset)


def test_the_official_client_chats(client: openai.OpenAI, runs):
    wishes = {"model": "chatty", "messages": SAID, "max_completion_tokens": 12, "temperature": 0}
    found = client.chat.completions.create(**wishes)
    assert found.choices[0].message.content == answered(runs[1])
    options = {"include_usage": True}
    chunks = [*client.chat.completions.create(stream=True, stream_options=options, **wishes)]
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert deltas[0].role == "assistant"
    assert "".join(delta.content or "" for delta in deltas) == answered(runs[1])
    assert chunks[-1].usage is not None and chunks[-1].usage.prompt_tokens > 0
    drawn = client.chat.completions.create(**{**wishes, "n": 2, "temperature": 1, "seed": 3})
    assert [one.message.content for one in drawn.choices] == [
        answered(runs[1], temperature=1.0, seed=seed) for seed in (3, 4)
    ]


def test_the_official_client_understands_refusals(client: openai.OpenAI):
    with pytest.raises(openai.NotFoundError, match="no model 'gpt-4o' is served here"):
        client.completions.create(model="gpt-4o", prompt="x")
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(model="plain", prompt="x", temperature=9)
    assert refused.value.param == "temperature" and refused.value.code == "invalid_value"
