"""A model that learns to answer: what counts, what it says, and how one talks with it."""

import io
import json

import pytest
import torch

from bardling.checkpoint import load_checkpoint
from bardling.cli import main
from bardling.data.batches import IGNORE
from bardling.data.conversations import is_conversations, read_conversation
from bardling.errors import BardlingError, CorpusError, GenerationError, UsageError
from bardling.finetuning.chatting import answer, chat_prompt
from bardling.finetuning.finetune import finetune_base, finetune_by
from bardling.run import start_run
from bardling.run_folder import RunFolder
from bardling.text.chat import Message
from bardling.trained import load
from bardling.workbench import Workbench
from tiny import Listener, tiny_config, write_text

STEPS = {
    "budget": "150steps", "eval_interval_steps": 50, "batch_size": 8, "lr": 1e-2,
    "precision": "fp32", "compile": "off", "block_size": 32,
}  # fmt: skip
QUESTIONS = [f"{a}+{b}" for a in range(8) for b in range(8)]


def write_questions(path, n=64):
    """Write questions whose answer is always the same, which a tiny model can learn."""
    lines = [{"prompt": question, "completion": "=7"} for question in QUESTIONS[:n]]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    write_questions(folder / "questions.jsonl")
    text = write_text(folder)
    text.write_text(text.read_text() + "0123456789+=\n" * 20)
    config = tiny_config(text, budget="10steps", block_size=32)
    start_run(config, RunFolder(folder / "runs" / "base"), data_dir=None, watcher=Listener())
    return folder


@pytest.fixture(scope="module")
def chatty(home):
    config = finetune_base(RunFolder(home / "runs" / "base"), str(home / "questions.jsonl"))
    config = config.with_overrides(**STEPS)
    run, forgotten = finetune_by(config, name="chatty", runs_dir=home / "runs")
    assert forgotten is not None
    return run


def test_it_learns_the_answers_and_ends_them(home, chatty):
    base = load(home / "runs" / "base")
    assert chatty.tokenizer.vocab_size == base.tokenizer.vocab_size + 4  # and the end token
    losses = [r["val_loss"] for r in chatty.metrics() if "val_loss" in r]
    assert losses[-1] < 0.1 < losses[0]
    said = "".join(answer(chatty, [Message("user", "3+5")], temperature=0.0))
    assert said == "=7"
    again = load(chatty.folder.path)
    assert again.config.chat == chatty.config.chat
    assert again.validation_loss().loss == chatty.folder.result()["best"]["val_loss"]


def test_only_answers_and_their_ends_are_foretold(chatty):
    bench = Workbench(RunFolder(chatty.folder.path, writes=False), lambda told: None, None)
    batch = bench.lesson.batches(0, range(8))
    end = chatty.tokenizer.special_tokens["<|endoftext|>"]
    expected = {*chatty.tokenizer.encode("=7"), end}
    counted = batch.targets[batch.targets != IGNORE].tolist()
    assert set(counted) == expected
    assert 0 < len(counted) < batch.targets.numel() / 2
    assert (batch.inputs[:, 1:] == batch.targets[:, :-1]).any()


def test_the_rows_of_new_tokens_begin_near_the_mean(home, chatty):
    first = load_checkpoint(chatty.folder.checkpoint_path(0)).weights["embedding.weight"]
    base = dict(load(home / "runs" / "base").model.named_parameters())["embedding.weight"]
    assert torch.equal(first[: len(base)], base)
    new, mean, spread = first[len(base) :], base.mean(dim=0), base.std(dim=0)
    assert ((new - mean).abs() <= 0.5 * spread).all()
    assert len(new.unique(dim=0)) == len(new)


@pytest.mark.parametrize(
    ("adapter", "told"),
    [({}, False), ({"adapter": "lora"}, True), ({"adapter": "lora", "embeddings": True}, False)],
)
def test_rows_of_new_tokens_that_will_not_be_trained_are_told_of(home, tmp_path, adapter, told):
    config = finetune_base(RunFolder(home / "runs" / "base"), str(home / "questions.jsonl"))
    config = config.with_overrides(**STEPS | adapter | {"budget": "1steps"})
    listener = Listener()
    start_run(config, RunFolder(tmp_path / "run"), data_dir=None, watcher=listener)
    notes = [note for note in listener.notes if "new tokens (4)" in note]
    assert len(notes) == told and all("--adapter.embeddings" in note for note in notes)


def test_a_long_conversation_loses_its_oldest_turns_but_not_the_system(chatty):
    turns = [Message(role, "1+2") for _ in range(9) for role in ("user", "assistant")]
    said = [Message("system", "1"), *turns, Message("user", "2+2")]
    prompt = chat_prompt(chatty, said, max_new_tokens=4)
    assert len(prompt.ids) <= 32 - 4
    ids = chatty.tokenizer.special_tokens
    assert prompt.ids[:2] == [ids["<|endoftext|>"], ids["<|system|>"]], "as documents begin"
    assert prompt.ids[3] == ids["<|user|>"] and prompt.ids[-1] == ids["<|assistant|>"]
    assert "gone out of the context" in prompt.warnings[0]
    with pytest.raises(GenerationError, match="the context holds"):
        chat_prompt(chatty, [Message("user", "1" * 40)], max_new_tokens=4)


def test_a_run_without_conversations_says_what_to_do(home):
    with pytest.raises(UsageError, match=r"bardling finetune base FILE.jsonl"):
        chat_prompt(load(home / "runs" / "base"), [Message("user", "x")], max_new_tokens=4)


def test_the_verb_talks_line_by_line(home, chatty, capsys, monkeypatch):
    monkeypatch.chdir(home)
    monkeypatch.setattr("sys.stdin", io.StringIO("1+1\n\n/new\n2+2\n" + "1" * 50 + "\n/bye\n3\n"))
    assert main(["chat", "chatty", "--temperature", "0"]) == 0
    said = capsys.readouterr()
    assert said.out == "=7\n=7\n" and "the context holds" in said.err
    assert main(["chat", "chatty", "--message", "1+1", "--temperature", "0"]) == 0
    assert capsys.readouterr().out == "=7\n"
    assert main(["chat", "base", "--message", "x"]) == 2
    assert "has learned no conversations" in capsys.readouterr().err


def test_the_verb_says_what_has_gone_out_of_the_context(home, chatty, capsys, monkeypatch):
    monkeypatch.chdir(home)
    monkeypatch.setattr("sys.stdin", io.StringIO("1+2\n" * 8 + "/new\n1+2\n"))
    assert main(["chat", "chatty", "--temperature", "0", "--max-new-tokens", "4"]) == 0
    said = capsys.readouterr()
    assert said.out == "=7\n" * 9
    assert "2 messages have gone out of the context" in said.err
    counts = [int(line.split()[1]) for line in said.err.splitlines() if "have gone out" in line]
    assert counts == sorted(counts) and 0 < len(counts) < 8


def test_a_format_of_ones_own_comes_from_a_file(home, tmp_path):
    chat = {
        "prefix": {"user": ["<q>"], "assistant": ["<a>"]},
        "suffix": {"assistant": ["<done>"]},
    }
    (tmp_path / "chat.json").write_text(json.dumps(chat))
    config = finetune_base(
        RunFolder(home / "runs" / "base"), str(home / "questions.jsonl"),
        chat_format=tmp_path / "chat.json",
    ).with_overrides(**STEPS | {"budget": "80steps", "eval_interval_steps": 40})  # fmt: skip
    run, _ = finetune_by(config, name="own", runs_dir=tmp_path)
    assert {"<q>", "<a>", "<done>"} <= run.tokenizer.special_tokens.keys()
    said = "".join(answer(run, [Message("user", "3+5")], temperature=0.0, max_new_tokens=8))
    assert said == "=7"  # which ends with <done>, not with the end of the document


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"messages": [{"role": "user", "content": "x"}]}, "ends with an answer"),
        ({"messages": []}, "ends with an answer"),
        ({"messages": [{"role": "user"}]}, "no message with a role"),
        ({"prompt": "x", "completion": " "}, "an answer is empty"),
        ({"prompt": "x", "completion": "\ud800"}, "surrogate"),
        ({"prompt": 3, "completion": "x"}, "neither messages nor"),
        ([1], "neither messages nor"),
    ],
)
def test_lines_that_are_no_conversations_are_refused(line, message):
    with pytest.raises(BardlingError, match=message):
        read_conversation(line)


def test_all_ways_of_writing_a_question_are_read(tmp_path):
    pair = [Message("user", "q"), Message("assistant", "a")]
    for line in (
        {"prompt": "q", "completion": "a"},
        {"question": "q", "answer": "a"},
        {"instruction": "q", "output": "a"},
        {"instruction": "q", "input": "", "output": "a"},
        {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]},
    ):
        assert read_conversation(line) == pair
        (tmp_path / "x.jsonl").write_text(json.dumps(line))
        assert is_conversations(tmp_path / "x.jsonl")
    both = read_conversation({"instruction": "q", "input": "i", "output": "a"})
    assert both[0].text == "q\n\ni"
    (tmp_path / "x.jsonl").write_text('{"text": "x"}')
    assert not is_conversations(tmp_path / "x.jsonl")


def test_what_does_not_fit_is_named_by_its_line_and_nothing_is_written(home, tmp_path):
    lines = [{"prompt": "1", "completion": "2"}, {"prompt": "2", "completion": "1" * 99}]
    file = tmp_path / "long.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    config = finetune_base(RunFolder(home / "runs" / "base"), str(file)).with_overrides(**STEPS)
    with pytest.raises(CorpusError, match=r"line 2 takes 103 tokens, and the context holds 32"):
        finetune_by(config, name="long", runs_dir=tmp_path)
    assert not (tmp_path / "long").exists()
    write_questions(file, n=1)
    with pytest.raises(CorpusError, match="asks 1 different questions"):
        finetune_by(config, name="long", runs_dir=tmp_path)
