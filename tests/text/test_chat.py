"""Chat formats: who speaks is told by tokens that no text can make, and answers are found again."""

import numpy as np
import pytest

from bardling.errors import ConfigError, UsageError
from bardling.fields import read_value, write_value
from bardling.text.bpe import BPETokenizer
from bardling.text.characters import CharacterTokenizer
from bardling.text.chat import PLAIN_CHAT, ChatFormat, ChatTokens, Message
from bardling.text.special import with_special
from bardling.text.tokenizer_file import parse_tokenizer, tokenizer_files

TEXT = "what is <|user|> and <|assistant|>? abc xyz\n"
BASES = {
    "characters": CharacterTokenizer.train([TEXT]),
    "characters and end": CharacterTokenizer.train([TEXT], end_token=True),
    "bpe": BPETokenizer.train([TEXT * 3], vocab_size=270),
    "bpe and end": BPETokenizer.train([TEXT * 3], vocab_size=270, end_token=True),
}
LONG = ChatFormat(
    prefix={"user": ("<u>", "<say>"), "assistant": ("<a>", "<say>")},
    suffix={"user": ("<end>",), "assistant": ("<end>", "<turn>")},
)
SAID = [
    ("user", "what"),
    ("assistant", "abc"),
    ("user", "<|assistant|> xyz"),
    ("assistant", "<|user|>"),
    ("user", "a"),
    ("assistant", "z y x"),
]


@pytest.mark.parametrize("chat", [PLAIN_CHAT, LONG], ids=["plain", "long"])
@pytest.mark.parametrize("base", BASES)
def test_answers_are_found_again_whatever_is_said(base, chat):
    old = BASES[base]
    tokenizer = with_special(old, chat.tokens)
    words = ChatTokens(chat, tokenizer)
    ids: list[int] = []
    learned: list[bool] = []
    for role, text in SAID:
        part = words.encode([Message(role, text)])
        before = len(chat.prefix[role])
        ids += part
        learned += [role == "assistant" and place >= before for place in range(len(part))]
    found = words.answers(np.array([ids, ids[::-1]]))
    assert found[0].tolist() == learned
    assert words.prompt([Message("user", "a")]) == [
        *words.encode([Message("user", "a")]), *words.prefix["assistant"],
    ]  # fmt: skip


@pytest.mark.parametrize("base", BASES)
def test_old_ids_stay_and_the_new_tokenizer_can_be_written_and_read(base):
    old = BASES[base]
    new = with_special(old, PLAIN_CHAT.tokens)
    assert new.vocab_size == old.vocab_size + 4 - (old.end_token is not None)
    assert new.encode(TEXT) == old.encode(TEXT)
    assert new.decode(range(old.vocab_size)) == old.decode(range(old.vocab_size))
    assert new.special_tokens.items() >= old.special_tokens.items()
    assert new.token_sizes[old.vocab_size :].sum() == 0
    again = parse_tokenizer(tokenizer_files(new)["tokenizer.json"])
    assert again == new and again.sha256 == new.sha256
    assert with_special(new, PLAIN_CHAT.tokens) is new
    assert new.decode([*new.special_tokens.values()]) == ""


def test_a_row_that_begins_in_the_midst_of_an_answer_counts_nothing_of_it():
    tokenizer = with_special(BASES["bpe"], PLAIN_CHAT.tokens)
    words = ChatTokens(PLAIN_CHAT, tokenizer)
    ids = words.encode([Message("user", "a"), Message("assistant", "abc xyz")])
    assert not words.answers(np.array([ids[5:]])).any()


def test_a_format_is_data_that_comes_back_from_json():
    assert read_value(ChatFormat, write_value(LONG), "chat") == LONG
    assert not ChatFormat() and PLAIN_CHAT


@pytest.mark.parametrize(
    ("prefix", "suffix", "message"),
    [
        ({"user": ("<u>",)}, {}, "needs a prefix and a suffix of 'assistant'"),
        ({"assistant": ("<a>",)}, {}, "needs a prefix and a suffix"),
        ({"assistant": ("<a>",), "user": ("<a>",)}, {"assistant": ("<e>",)}, "of its own"),
        ({"assistant": ("<a>",), "user": ()}, {"assistant": ("<e>",)}, "of its own"),
        ({"assistant": ("<a>",)}, {"assistant": ("<e>",), "tool": ("<t>",)}, "'tool'"),
        ({"assistant": ("\n",)}, {"assistant": ("<e>",)}, "no name for a special token"),
    ],
)
def test_formats_in_which_nobody_can_be_told_are_refused(prefix, suffix, message):
    with pytest.raises(ConfigError, match=message):
        ChatFormat(prefix=prefix, suffix=suffix)


def test_unknown_roles_and_missing_tokens_are_refused():
    words = ChatTokens(PLAIN_CHAT, with_special(BASES["bpe"], PLAIN_CHAT.tokens))
    with pytest.raises(UsageError, match="'tool' is not in the chat format"):
        words.encode([Message("tool", "x")])
    with pytest.raises(ConfigError, match="no special token"):
        ChatTokens(PLAIN_CHAT, BASES["bpe"])
    with pytest.raises(ConfigError, match="no chat format"):
        ChatTokens(ChatFormat(), BASES["bpe"])
