"""What /v1/completions answers: OpenAI's shapes, and what the model itself would write."""

import math
from dataclasses import replace

import pytest
import torch

from bardling.generation.sampling import Sample
from bardling.generation.text import generate_texts, read_prompt
from bardling.trained import Run
from servers import Place, random_run, serving, text_of

PROMPT = "12 plus 30 is"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return random_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def place(run: Run):
    with serving(run, runs_dir=run.folder.path.parent) as found:
        yield found


def written(run: Run, prompt: str, count: int = 8, **sampling) -> str:
    """Return what the model writes alone."""
    return run.generate(prompt, max_new_tokens=count, **{"temperature": 0.0, **sampling})


def test_an_answer_has_the_shape_and_the_text(place: Place, run: Run):
    answer = place.complete(prompt=PROMPT, max_tokens=8, temperature=0)
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    found = answer.json
    assert set(found) == {"id", "object", "created", "model", "choices", "usage"}
    assert found["object"] == "text_completion" and found["model"] == "plain"
    assert found["id"].startswith("cmpl-") and type(found["created"]) is int
    text = written(run, PROMPT)
    assert found["choices"] == [
        {"text": text, "index": 0, "logprobs": None, "finish_reason": "length"}
    ]
    n_prompt = len(run.tokenizer.encode(PROMPT))
    usage = {"prompt_tokens": n_prompt, "completion_tokens": 8, "total_tokens": n_prompt + 8}
    assert found["usage"] == usage


def test_a_stream_is_the_answer_in_pieces(place: Place, run: Run):
    options = {"include_usage": True}
    wishes = {"prompt": PROMPT, "max_tokens": 20, "temperature": 0, "stream_options": options}
    with place.streaming(**wishes) as stream:
        assert stream.status == 200
        assert stream.reply.getheader("content-type").startswith("text/event-stream")
        *events, last = stream
    assert text_of(events) == written(run, PROMPT, 20)
    assert len({(event["id"], event["created"], event["model"]) for event in [*events, last]}) == 1
    ends = [event["choices"][0]["finish_reason"] for event in events]
    assert ends[-1] == "length" and set(ends[:-1]) <= {None}
    assert all(event["usage"] is None for event in events)
    assert last["choices"] == [] and last["usage"]["completion_tokens"] == 20
    with place.streaming(prompt=PROMPT, max_tokens=2) as stream:
        assert all("usage" not in event for event in stream)


def test_prompts_are_texts_or_ids_one_or_many(place: Place, run: Run):
    others = [PROMPT, "zwei", "1"]
    ids = [run.tokenizer.encode(prompt, unknown="skip") for prompt in others]
    expected = [written(run, prompt) for prompt in others]
    for prompt in (others, ids):
        found = place.complete(prompt=prompt, max_tokens=8, temperature=0).json
        assert [choice["text"] for choice in found["choices"]] == expected
        assert [choice["index"] for choice in found["choices"]] == [0, 1, 2]
        assert found["usage"]["prompt_tokens"] == sum(map(len, ids))
    found = place.complete(prompt=ids[0], max_tokens=8, temperature=0).json
    assert found["choices"][0]["text"] == expected[0]
    found = place.complete(max_tokens=8, temperature=0).json
    assert found["choices"][0]["text"] == written(run, "")


def test_n_texts_are_drawn_from_seeds_that_count_on(place: Place, run: Run):
    wishes = {"max_tokens": 8, "seed": 7, "temperature": 0.9, "top_k": 40, "top_p": 0.9}
    found = place.complete(prompt=[PROMPT, "1"], n=2, **wishes).json
    drawn = {"temperature": 0.9, "top_k": 40, "top_p": 0.9}
    expected = [
        written(run, prompt, seed=seed, **drawn) for prompt in (PROMPT, "1") for seed in (7, 8)
    ]
    assert [choice["text"] for choice in found["choices"]] == expected
    n_read = sum(len(run.tokenizer.encode(prompt)) for prompt in (PROMPT, "1"))
    assert found["usage"]["prompt_tokens"] == n_read
    with place.streaming(prompt=[PROMPT, "1"], n=2, **wishes) as stream:
        events = [*stream]
    assert [text_of(events, index) for index in range(4)] == expected
    again = [place.complete(prompt=PROMPT, max_tokens=8).json for _ in range(2)]
    assert again[0]["choices"][0]["text"] != again[1]["choices"][0]["text"]  # no seed: by chance


def test_it_stops_before_a_stop(place: Place, run: Run):
    text = written(run, PROMPT, 20)
    stop = text[5:7]
    for stops in (stop, [stop], ["never", stop, ""]):
        found = place.complete(prompt=PROMPT, max_tokens=20, temperature=0, stop=stops).json
        choice = found["choices"][0]
        assert choice["text"] == text[: text.index(stop)] and choice["finish_reason"] == "stop"
    with place.streaming(prompt=PROMPT, max_tokens=20, temperature=0, stop=stop) as stream:
        assert text_of([*stream]) == text[: text.index(stop)]


def nats_of(run: Run, ids: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return run.model(torch.tensor([ids]))[0].double().log_softmax(dim=-1)


def test_how_likely_tokens_are_is_told(place: Place, run: Run):
    found = place.complete(prompt=PROMPT, max_tokens=3, temperature=0, logprobs=2, echo=True).json[
        "choices"
    ][0]
    ids = run.tokenizer.encode(PROMPT)
    told = found["logprobs"]
    assert found["text"] == PROMPT + written(run, PROMPT, 3)
    assert told["token_ids"][: len(ids)] == ids and len(told["token_ids"]) == len(ids) + 3
    assert "".join(told["tokens"]) == found["text"]
    starts = [len(run.tokenizer.decode(ids[:count])) for count in range(len(ids) + 1)]
    assert told["text_offset"][: len(starts)] == starts
    assert told["token_logprobs"][0] is told["top_logprobs"][0] is None
    nats = nats_of(run, told["token_ids"])
    for place_, number in enumerate(told["token_ids"][1:]):
        assert told["token_logprobs"][place_ + 1] == pytest.approx(
            nats[place_, number].item(), abs=1e-4
        )
        likeliest = nats[place_].topk(2)
        tops = told["top_ids"][place_ + 1]
        assert [one for one, _ in tops][:2] == likeliest.indices.tolist()
        assert [p for _, p in tops][:2] == pytest.approx(likeliest.values.tolist(), abs=1e-4)
        assert number in [one for one, _ in tops] and len(tops) <= 3
        shown = told["top_logprobs"][place_ + 1]
        assert max(shown.values()) == tops[0][1] and told["tokens"][place_ + 1] in shown


def test_a_prompt_can_be_told_of_alone(place: Place):
    wishes = {"prompt": PROMPT, "max_tokens": 0, "echo": True, "logprobs": 0}
    found = place.complete(**wishes).json["choices"][0]
    assert found["text"] == PROMPT and found["finish_reason"] == "length"
    assert all(len(tops) == 1 for tops in found["logprobs"]["top_ids"][1:])
    with place.streaming(**wishes) as stream:
        assert text_of([*stream]) == PROMPT


def test_a_text_that_begins_a_document_has_figures_of_every_token(run: Run, tmp_path):
    """The end token before it is read, and not told of."""
    documents = replace(run.config, data=replace(run.config.data, order="documents"))
    with serving(replace(run, config=documents), runs_dir=tmp_path) as place:
        wishes = {"max_tokens": 0, "echo": True, "logprobs": 0}
        found = place.complete(prompt=PROMPT, **wishes).json["choices"][0]
    ids = run.tokenizer.encode(PROMPT)
    with torch.no_grad():
        nats = run.model(torch.tensor([[run.tokenizer.end_token, *ids]]))[0].log_softmax(dim=-1)
    figures = found["logprobs"]
    assert (found["text"], "".join(figures["tokens"])) == (PROMPT, PROMPT)
    assert figures["token_ids"] == ids and figures["text_offset"][0] == 0
    expected = [float(nats[place, token]) for place, token in enumerate(ids)]
    assert figures["token_logprobs"] == pytest.approx(expected, abs=1e-4)


def test_figures_without_an_echo_are_of_new_tokens(place: Place):
    found = place.complete(prompt=PROMPT, max_tokens=4, logprobs=1, seed=1).json["choices"][0]
    assert len(found["logprobs"]["tokens"]) == 4
    assert all(math.isfinite(nats) and nats <= 0 for nats in found["logprobs"]["token_logprobs"])
    assert found["logprobs"]["text_offset"][0] == 0


def test_what_was_done_to_a_prompt_is_told(place: Place, run: Run):
    found = place.complete(prompt="1\u0416\u0416", max_tokens=2, temperature=0).json
    if run.tokenizer.count_unknown("\u0416"):
        assert "2 characters are unknown" in found["warnings"][0]
    long = PROMPT * 20
    found = place.complete(prompt=long, max_tokens=2, temperature=0).json
    assert "only the last 40 are seen" in found["warnings"][0]
    assert found["usage"]["prompt_tokens"] == 40
    ids = run.tokenizer.encode(long)
    by_ids = place.complete(prompt=ids, max_tokens=2, temperature=0).json
    assert by_ids["warnings"] == found["warnings"]
    assert by_ids["choices"] == found["choices"]
    with place.streaming(prompt=long, max_tokens=4, temperature=0) as stream:
        events = [*stream]
    assert events[0]["warnings"] == found["warnings"]
    assert all("warnings" not in event for event in events[1:])


def test_a_character_is_never_halved(place: Place, run: Run):
    strategy = Sample(temperature=2.0)
    prompt = read_prompt("", run.tokenizer, 40)
    for seed in range(3):
        (whole,) = generate_texts(
            run.model, run.tokenizer, prompt, strategy, max_new_tokens=30, seed=seed
        )
        wishes = {"prompt": "", "max_tokens": 30, "temperature": 2, "seed": seed}
        with place.streaming(**wishes) as stream:
            assert text_of([*stream]) == whole
        assert place.complete(**wishes).json["choices"][0]["text"] == whole


@pytest.mark.parametrize(
    ("wishes", "status", "told"),
    [
        ({"promt": "x"}, 400, "unknown field 'promt', did you mean 'prompt'?"),
        ({"prompt": 3}, 400, "a prompt is a text or token ids"),
        ({"prompt": [[]]}, 400, "one id at least"),
        ({"prompt": [1, "x"]}, 400, "prompts are all texts"),
        ({"prompt": [10**9]}, 400, "the model's token ids are 0 to"),
        ({"prompt": "x", "temperature": -1}, 400, "temperature: "),
        ({"prompt": "x", "temperature": "0"}, 400, "temperature: "),
        ({"prompt": "x", "max_tokens": 10**12}, 400, "max_tokens: "),
        ({"prompt": "x", "max_tokens": 1.0}, 400, "max_tokens: "),
        ({"prompt": "x", "n": 0}, 400, "n: "),
        ({"prompt": ["x"] * 9, "n": 9}, 400, "81 texts are asked for"),
        ({"prompt": "x", "stop": ["a"] * 99}, 400, "stop is a text, or a list of 16 at most"),
        ({"prompt": "x", "best_of": 2}, 400, "best_of is not offered"),
        ({"prompt": "x", "suffix": "y"}, 400, "suffix: "),
        ({"prompt": "x", "stream_options": {"include_usage": True}}, 400, "only with stream"),
        ({"prompt": "x", "model": "none"}, 404, "no model 'none' is served here: plain"),
        ({"prompt": "\ud800"}, 400, "a prompt is a text or token ids"),
        ({"prompt": ["x"] * 64, "max_tokens": 16384, "logprobs": 20}, 400, "are the most"),
    ],
)
def test_what_has_no_meaning_is_one_sentence(place: Place, wishes, status, told):
    answer = place.complete(**wishes)
    error = answer.json["error"]
    assert answer.status == status and told in error["message"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"


def test_fields_that_ask_for_nothing_are_taken(place: Place):
    wishes = {"user": "me", "frequency_penalty": 0, "presence_penalty": 0.0, "logit_bias": {},
              "best_of": 1, "suffix": None, "stop": None, "logprobs": None}  # fmt: skip
    assert place.complete(prompt="1", max_tokens=1, **wishes).status == 200
    assert place.complete(prompt="1", max_tokens=1, frequency_penalty=1).status == 400
