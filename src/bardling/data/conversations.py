"""Conversations from a .jsonl file: questions and answers in a chat format, as tokens.

A line is an object with `messages` (each with `role` and `content`), or with a question and its
answer under one of the pairs of names that are in use: `prompt` and `completion`, `question` and
`answer`, `instruction` (with `input`, if there is one) and `output`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bardling.data.config import DataConfig, Split
from bardling.data.prepare import Prepared
from bardling.data.reading import is_plain, read_objects
from bardling.data.split import text_hash
from bardling.data.tokens import Ids
from bardling.errors import BardlingError, CorpusError, UsageError
from bardling.fields import show
from bardling.storage import Json, exists
from bardling.text.chat import ANSWERS, ChatFormat, ChatTokens, Message
from bardling.text.special import with_special
from bardling.text.tokenizer import END_TOKEN
from bardling.text.tokenizer_file import load_tokenizer

PAIRS = (("prompt", "completion"), ("question", "answer"), ("instruction", "output"))
Conversation = Sequence[Message]
Note = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class FromConversations(Prepared):
    """Conversations in tokens, each ended by the end token."""

    ids: dict[Split, list[Ids]]

    def pieces(self, split: Split) -> Iterator[Ids]:
        """Return the conversations of a split."""
        return iter(self.ids[split])

    def text(self, split: Split) -> str:
        """Return what the first conversation of a split says."""
        return self.tokenizer.decode(self.ids[split][0])


def prepare_conversations(
    config: DataConfig, chat: ChatFormat, *, room: int, note: Note
) -> FromConversations:
    """Return the conversations of a file in tokens, a share of them kept back for validation.

    The tokenizer gets the special tokens of the format that it lacks, and an end token. Which are
    kept back follows from what they ask, so that one question is never on both sides. Raises
    `CorpusError` for a line that is no conversation or does not fit into `room` tokens.
    """
    file = Path(config.corpus)
    if not exists(file):
        raise CorpusError(f"{file} is not there: give a .jsonl file of conversations")
    tokenizer = load_tokenizer(Path(config.tokenizer))
    tokenizer = with_special(tokenizer, (END_TOKEN, *chat.tokens))
    words, end = ChatTokens(chat, tokenizer), tokenizer.end_token
    found: dict[Split, list[Ids]] = {"train": [], "val": []}
    questions = dict[int, list[Ids]]()
    for number, value in read_objects(file, note):
        try:
            messages = read_conversation(value)
            ids = words.encode(messages, unknown=config.unknown)
        except BardlingError as error:
            raise CorpusError(f"{file} line {number:,}: {error}") from error
        ids += [end] if end is not None and ids[-1] != end else []
        if len(ids) > room:
            raise CorpusError(
                f"{file} line {number:,} takes {len(ids):,} tokens, and the context holds {room:,}:"
                " shorten it, or leave it out"
            )
        asked = text_hash("\0".join(m.text for m in messages if m.role != ANSWERS))
        questions.setdefault(asked, []).append(np.array(ids, dtype=np.uint32))
    n_val = max(1, round(config.val_fraction * len(questions)))
    if len(questions) < 2:
        raise CorpusError(
            f"{file} asks {len(questions)} different questions; at least 2 are needed"
        )
    held = set(sorted(questions)[:n_val])
    for asked, conversations in questions.items():
        found["val" if asked in held else "train"] += conversations
    return FromConversations(tokenizer=tokenizer, ids=found)


def is_conversations(file: Path) -> bool:
    """Tell whether a file is .jsonl whose first line is a conversation, not a text."""
    if file.suffix != ".jsonl" or not exists(file):
        return False
    _, value = next(iter(read_objects(file, lambda told: None)), (0, None))
    return isinstance(value, dict) and any({"messages", *pair} & value.keys() for pair in PAIRS)


def read_conversation(value: Json) -> list[Message]:
    """Return what a line says; raises `CorpusError` where it is no conversation with an answer."""
    messages = _messages(value)
    if not messages or messages[-1].role != ANSWERS:
        raise CorpusError(f"a conversation ends with an answer, of the role '{ANSWERS}'")
    for message in messages:
        if not is_plain(message.text):
            raise CorpusError("it holds half a surrogate pair, which is no text")
        if message.role == ANSWERS and not message.text.strip():
            raise CorpusError("an answer is empty, so there is nothing to learn")
    return messages


def _messages(value: Json) -> list[Message]:
    match value:
        case {"messages": list(messages)}:
            return [_message(message) for message in messages]
        case {"instruction": str(task), "input": str(given), "output": str(answer)} if given:
            return [Message("user", f"{task}\n\n{given}"), Message(ANSWERS, answer)]
    for question, answer in PAIRS:
        asked, told = (
            value.get(n) if isinstance(value, dict) else None for n in (question, answer)
        )
        if isinstance(asked, str) and isinstance(told, str):
            return [Message("user", asked), Message(ANSWERS, told)]
    known = ", ".join(" and ".join(names) for names in PAIRS)
    raise CorpusError(f"it has neither messages nor {known}: found {show(value)}")


def _message(value: Json) -> Message:
    match value:
        case {"role": str(role), "content": str(text)}:
            return Message(role, text)
    raise UsageError(f"{show(value)} is no message with a role and a content")
