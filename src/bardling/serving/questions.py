"""What may be asked under /play: every number in a closed range, and no field that is not known."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MOST_CHARACTERS, MOST_IDS, LARGEST_ID = 100_000, 100_000, 2**24
CUT_CHARACTERS = 20_000
MOST_TOKENIZERS = 12
MOST_OFFSET = 2**53

Name = Annotated[str, Field(max_length=200)]
Word = Annotated[str, Field(min_length=1, max_length=100)]
VectorSource = Literal["table", "reading"]


class Question(BaseModel):
    """What is asked of a model; the first that is served where none is named."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    model: Name | None = None


class OfText(Question):
    """A question about a text, given as it is or in ids; without either it is empty."""

    prompt: Annotated[str, Field(max_length=MOST_CHARACTERS)] | None = None
    ids: (
        Annotated[list[Annotated[int, Field(ge=0, le=LARGEST_ID)]], Field(max_length=MOST_IDS)]
        | None
    ) = None
    begins: bool = False
    """Whether `prompt` begins a document: it is read after an end token, where there is one."""


class NextQuestion(OfText):
    """What comes next, and what sampling makes of it."""

    temperature: Annotated[float, Field(ge=0.0, le=100.0)] = 1.0
    top_k: Annotated[int, Field(ge=0, le=LARGEST_ID)] = 0
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    count: Annotated[int, Field(ge=1, le=200)] = 20


class NeighboursQuestion(Question):
    """Which words are near a word."""

    word: Word
    source: VectorSource = "table"
    count: Annotated[int, Field(ge=1, le=50)] = 10


class AnalogyQuestion(Question):
    """What is to c as b is to a."""

    a: Word
    b: Word
    c: Word
    source: VectorSource = "table"


class TokensQuestion(BaseModel):
    """How tokenizers cut a text: those of some models or runs, or all that differ."""

    model_config = ConfigDict(extra="forbid")
    text: Annotated[str, Field(max_length=CUT_CHARACTERS)]
    models: Annotated[list[Name], Field(max_length=MOST_TOKENIZERS)] = []
