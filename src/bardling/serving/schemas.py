"""What clients may ask for under /v1: OpenAI's fields, in closed ranges, and nothing else.

Fields that mean nothing here are refused, so that nobody believes they had an effect; a few that
clients send on their own are taken where they ask for nothing: `user`, `store`, `metadata`, and
penalties, biases and the like at the value that leaves everything as it is.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    PlainValidator,
    model_validator,
)

from bardling.errors import nearest
from bardling.fields import show
from bardling.serving.limits import (
    LONGEST_STOP,
    MOST_LIKELY,
    MOST_MESSAGES,
    MOST_STOPS,
    MOST_TOKENS,
)

Ids = tuple[int, ...]
MOST_PROMPTS = 64
_LARGEST = 2**63


def _is_text(value: object) -> bool:
    """Tell whether something is a text that UTF-8 can say, which halves of pairs are not."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _are_ids(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(type(i) is int and 0 <= i < _LARGEST for i in value)
    )


def _read_prompts(value: object) -> tuple[str | Ids, ...]:
    """Return every prompt: a text, texts, the ids of one, or the ids of several."""
    if value is None:
        return ("",)
    if _is_text(value):
        return (str(value),)
    if not isinstance(value, list) or not value:
        raise ValueError("a prompt is a text or token ids, or a list of such")
    if type(value[0]) is int:
        value = [value]
    if len(value) > MOST_PROMPTS:
        raise ValueError(f"there are {len(value):,} prompts, and {MOST_PROMPTS} are taken at once")
    if all(map(_is_text, value)):
        return tuple(value)
    if all(map(_are_ids, value)):
        return tuple(map(tuple, value))
    raise ValueError("prompts are all texts, or all lists of token ids with one id at least")


def _read_stops(value: object) -> tuple[str, ...]:
    """Return the texts before which to stop; an empty one stops nothing."""
    stops = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(stops, list) or len(stops) > MOST_STOPS:
        raise ValueError(f"stop is a text, or a list of {MOST_STOPS} at most")
    if not all(_is_text(stop) and len(str(stop)) <= LONGEST_STOP for stop in stops):
        raise ValueError(f"what stops is a text of {LONGEST_STOP} characters at most")
    return tuple(str(stop) for stop in stops if stop)


class _Strict(BaseModel):
    """Values of the very kind that is declared, and no others."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )

    @model_validator(mode="before")
    @classmethod
    def _only_known(cls, value: Any) -> Any:
        """Refuse the first unknown field, before the others are looked at."""
        if isinstance(value, dict):
            for name in value:
                if name not in cls.model_fields:
                    raise ValueError(f"unknown field {show(name)}{nearest(name, cls.model_fields)}")
        return value


class StreamOptions(_Strict):
    """What a stream tells besides its text."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None
    """Taken and not heeded: nothing is added here."""


Nothing = Annotated[float, Field(ge=0, le=0)] | None
Short = Annotated[str, Field(max_length=1000)]


class Wishes(_Strict):
    """What both kinds of request have."""

    model: Annotated[str, Field(max_length=200)] | None = None
    """The first that is served, where none is named."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, le=10**6)] | None = None
    n: Annotated[int, Field(ge=1, le=64)] | None = None
    seed: Annotated[int, Field(ge=-_LARGEST, lt=_LARGEST)] | None = None
    stop: Annotated[tuple[str, ...], PlainValidator(_read_stops)] = ()
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=0, le=MOST_TOKENS)] | None = None
    user: Short | None = None
    frequency_penalty: Nothing = None
    presence_penalty: Nothing = None
    logit_bias: Annotated[dict[str, float], Field(max_length=0)] | None = None

    @model_validator(mode="after")
    def _fit_together(self) -> "Wishes":
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options mean something only with stream: true")
        return self

    @property
    def tells_usage(self) -> bool:
        """Whether a stream ends with the numbers of tokens."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)


class CompletionRequest(Wishes):
    """The body of POST /v1/completions."""

    prompt: Annotated[tuple[str | Ids, ...], PlainValidator(_read_prompts)] = ("",)
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=MOST_LIKELY)] | None = None
    best_of: Annotated[int, Field(ge=1, le=64)] | None = None
    suffix: Annotated[str, Field(max_length=0)] | None = None

    @model_validator(mode="after")
    def _no_choosing(self) -> "CompletionRequest":
        if self.best_of not in (None, self.n or 1):
            raise ValueError("best_of is not offered: leave it away, or make it the same as n")
        return self


def _whole(text: str) -> str:
    if not _is_text(text):
        raise ValueError("half a surrogate pair is no character")
    return text


Said = Annotated[str, AfterValidator(_whole)]


class TextPart(_Strict):
    """A part of what is said, which is text."""

    type: Literal["text"]
    text: Said


class ChatMessage(_Strict):
    """What one role says."""

    role: Annotated[str, Field(max_length=40)]
    content: Said | Annotated[list[TextPart], Field(max_length=64)]
    name: Short | None = None
    """Taken and not heeded."""

    @property
    def text(self) -> str:
        """Everything that is said."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content)


class PlainFormat(_Strict):
    """The only format of answers."""

    type: Literal["text"]


class ChatRequest(Wishes):
    """The body of POST /v1/chat/completions."""

    messages: Annotated[
        list[ChatMessage], FailFast(), Field(min_length=1, max_length=MOST_MESSAGES)
    ]
    max_completion_tokens: Annotated[int, Field(ge=0, le=MOST_TOKENS)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MOST_LIKELY)] | None = None
    store: Literal[False] | None = None
    metadata: Annotated[dict[str, Short], Field(max_length=16)] | None = None
    response_format: PlainFormat | None = None

    @model_validator(mode="after")
    def _top_of_something(self) -> "ChatRequest":
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs mean something only with logprobs: true")
        return self


def first_sentence(errors: Sequence[Any]) -> tuple[str, str | None]:
    """Return what is wrong first of all, and the field that it is about, if it is about one."""
    error = errors[0]
    place = [str(part) for part in error["loc"] if part != "body"]
    message = str(error["msg"]).removeprefix("Value error, ")
    if not place:
        return message, None
    field = show(".".join(place))[1:-1]
    return f"{field}: {message}", field
