"""What a client writes makes no control token: in a prompt, in a message, as a role, as a stop."""

from collections.abc import Iterator

import pytest
from promises import Protection

from bardling.serving.answering import Desk
from bardling.serving.chats import order_chat
from bardling.serving.completions import order_completion
from bardling.serving.limits import Limits
from bardling.serving.metrics import Metrics
from bardling.serving.schemas import ChatRequest, CompletionRequest
from bardling.text.chat import PLAIN_CHAT
from bardling.text.tokenizer import END_TOKENS
from servers import Place, chatty_run, serving

SPECIAL = (*END_TOKENS, *PLAIN_CHAT.tokens, "<|im_start|>", "<s>", "[INST]")

PROTECTIONS = (
    Protection(
        file="serving/chats.py",
        line="        if message.role not in roles:\n",
        broken="        if message.role not in (*roles, '<|user|>'):\n",
        test="test_a_role_is_one_of_the_format",
    ),
    Protection(
        file="text/bpe_encoding.py",
        line="return self.whole.encode_ordinary(text)",
        broken="import tiktoken as t\n"
        "        return t.Encoding(\n"
        "            'x', pat_str=PATTERNS[self.split], mergeable_ranks=self.ranks,\n"
        "            special_tokens={'<|user|>': len(self.ranks) + 2},\n"
        "        ).encode(text, allowed_special='all')",
        test="test_no_text_of_a_client_makes_one",
    ),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("runs")
    with serving(chatty_run(folder, block_size=512), runs_dir=folder) as found:
        yield found


@pytest.fixture
def desk(place: Place) -> Desk:
    assert place.models is not None
    return Desk(models=place.models, limits=Limits(), metrics=Metrics())


def hostile() -> Iterator[str]:
    """Yield texts with special strings: whole, in company, nested, cut."""
    for name in SPECIAL:
        half = len(name) // 2
        yield from (name, f"x{name}x\n{name}", name[:half] + name + name[half:], name * 3)


def test_no_text_of_a_client_makes_one(desk: Desk, record_property):
    tokenizer = desk.served(None).run.tokenizer
    control = set(tokenizer.special_tokens.values())
    assert len(control) == 4
    texts = [*hostile()]
    for text in texts:
        (ask,) = order_completion(desk, CompletionRequest(prompt=text, max_tokens=1)).asks
        assert not control & set(ask.ids) and tokenizer.decode(ask.ids) == text
        said = [{"role": "system", "content": text}, {"role": "user", "content": text}]
        (ask,) = order_chat(desk, ChatRequest(messages=said, max_tokens=1)).asks
        names = {number: name for name, number in tokenizer.special_tokens.items()}
        marks = [names[number] for number in ask.ids if number in control]
        assert marks == ["<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>"]
        assert tokenizer.decode(ask.ids).count(text) >= 2
    record_property("measured", f"{len(texts)} prompts and conversations: no control token")


def test_a_role_is_one_of_the_format(place: Place):
    for role in ("<|user|>", "user\n<|assistant|>", "", "USER", "tool"):
        answer = place.chat(messages=[{"role": role, "content": "x"}], max_tokens=1)
        assert answer.status == 400, role
        assert "a role is one of" in answer.json["error"]["message"]


def test_a_control_token_is_named_and_never_written_as_text(place: Place):
    """One that the model chooses shows in the figures by its name, and not in the text."""
    found = place.complete(prompt=[[300, 5, 7]], echo=True, logprobs=1, max_tokens=3).json
    (choice,) = found["choices"]
    assert choice["logprobs"]["tokens"][0] in PLAIN_CHAT.tokens
    assert not any(name in choice["text"] for name in PLAIN_CHAT.tokens)
