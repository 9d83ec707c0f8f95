"""How a conversation is written in tokens: what stands before and after each role's words.

A format is data, and nothing in it is run: each role has special tokens before what it says and
after. No text can produce a special token, so nobody can speak for another by what they write, and
where an answer begins and ends can be read off the tokens alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Integer

from bardling.errors import ConfigError, UsageError
from bardling.fields import check_fields, show
from bardling.text.tokenizer import END_TOKEN, Tokenizer, Unknown

ANSWERS = "assistant"
"""The role whose words are learned."""


class Message(NamedTuple):
    """What one role says."""

    role: str
    text: str


@dataclass(frozen=True, kw_only=True)
class ChatFormat:
    """The special tokens around each role's words; without any there are no conversations."""

    prefix: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By role, what stands before its words; the first token of it tells the role."""
    suffix: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By role, what stands after them, if anything does."""

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.prefix and not self.suffix:
            return
        if ANSWERS not in self.prefix or not self.suffix.get(ANSWERS):
            raise ConfigError(
                f"a chat format needs a prefix and a suffix of '{ANSWERS}', whose answers are "
                "learned, and end somewhere"
            )
        if extra := sorted(self.suffix.keys() - self.prefix.keys()):
            raise ConfigError(f"the role {show(extra[0])} has a suffix and no prefix")
        firsts = [tokens[0] for tokens in self.prefix.values() if tokens]
        if len(set(firsts)) != len(self.prefix):
            raise ConfigError("each role needs a first token of its own, by which it is told")
        for name in self.tokens:
            if not name.strip() or not name.isprintable():
                raise ConfigError(f"{show(name)} is no name for a special token")

    @property
    def tokens(self) -> tuple[str, ...]:
        """The special tokens that it needs, each once."""
        both = (*self.prefix.values(), *self.suffix.values())
        return tuple(dict.fromkeys(name for tokens in both for name in tokens))

    def __bool__(self) -> bool:
        return bool(self.prefix)


PLAIN_CHAT = ChatFormat(
    prefix={role: (f"<|{role}|>",) for role in ("system", "user", ANSWERS)},
    suffix={ANSWERS: (END_TOKEN,)},
)
"""`<|user|>` question `<|assistant|>` answer `<|endoftext|>`, after `<|system|>` if any."""


class ChatTokens:
    """A chat format in the ids of a tokenizer that has its tokens."""

    def __init__(self, chat: ChatFormat, tokenizer: Tokenizer) -> None:
        missing = [name for name in chat.tokens if name not in tokenizer.special_tokens]
        if not chat or missing:
            raise ConfigError(
                f"the tokenizer has no special token {show(missing[0])} for its chat format"
                if missing
                else "there is no chat format, so there are no conversations"
            )
        ids = tokenizer.special_tokens
        self.tokenizer = tokenizer
        self.prefix = {role: [ids[n] for n in names] for role, names in chat.prefix.items()}
        self.suffix = {role: [ids[n] for n in names] for role, names in chat.suffix.items()}

    def encode(self, messages: Iterable[Message], *, unknown: Unknown = "error") -> list[int]:
        """Return a conversation in ids; raises `UsageError` for a role that it does not have."""
        found: list[int] = []
        for role, text in messages:
            if role not in self.prefix:
                known = ", ".join(self.prefix)
                raise UsageError(f"the role {show(role)} is not in the chat format: {known} are")
            words = self.tokenizer.encode(text, unknown=unknown)
            found += [*self.prefix[role], *words, *self.suffix.get(role, [])]
        return found

    def prompt(self, messages: Sequence[Message], *, unknown: Unknown = "error") -> list[int]:
        """Return a conversation after which an answer is to come."""
        return self.encode(messages, unknown=unknown) + self.prefix[ANSWERS]

    def answers(self, ids: Integer[np.ndarray, "rows time"]) -> Bool[np.ndarray, "rows time"]:
        """Return which tokens are of answers, their suffixes included.

        Each row is read from its beginning, where nobody has spoken yet.
        """
        place = np.arange(ids.shape[1])
        changes = np.zeros(ids.shape, dtype=np.int64)  # the last place where somebody began
        spoken = np.zeros(ids.shape, dtype=bool)
        for role, prefix in self.prefix.items():
            here = ids == prefix[0]
            changes = np.where(here, place, changes)
            spoken |= here if role == ANSWERS else False
        last = np.maximum.accumulate(changes, axis=1)
        inside = np.take_along_axis(spoken, last, axis=1)
        inside &= place - last >= len(self.prefix[ANSWERS])
        ends = ids == self.suffix[ANSWERS][-1]
        after = np.cumsum(ends, axis=1) - ends  # ends before this place
        return inside & (after == np.take_along_axis(after, last, axis=1))
