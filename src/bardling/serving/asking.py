"""What is asked of an engine, and what it tells while it writes: values, without the model."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from bardling.errors import BardlingError
from bardling.generation.sampling import Greedy, Sample

Reason = Literal["stop", "length", "cancelled", "error"]


class Overloaded(BardlingError):
    """As many texts as fit are being written and waiting; ask again in a moment."""


class Closing(BardlingError):
    """The server is going down, so nothing new is begun."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One text to be written."""

    ids: tuple[int, ...]
    """The prompt: at least one token, at most the model's `block_size`."""
    strategy: Greedy | Sample
    max_new_tokens: int
    """0 only reads the prompt."""
    seed: int = 0
    stop: tuple[str, ...] = ()
    """Texts before which it ends."""
    ends: tuple[int, ...] = ()
    """Ids that end it, besides the end token."""
    n_top: int | None = None
    """Tell ln p of each new token and of so many likeliest ones beside it; None tells neither."""
    of_prompt: bool = False
    """Tell the same of the prompt's tokens, from the second on."""


class Likely(NamedTuple):
    """A token and ln p of it, before temperature and the like."""

    id: int
    logprob: float


class Token(NamedTuple):
    """A token that was written, or that was read and is told of."""

    id: int
    text: str
    """What is now certain of the text: it may lag behind, where a character or a stop is not whole.
    The pieces of all tokens and of the end are the text."""
    logprob: float | None = None
    top: tuple[Likely, ...] = ()
    """The likeliest in its place, the likeliest first."""
    of_prompt: bool = False


class End(NamedTuple):
    """The last thing told of a text."""

    reason: Reason
    text: str
    """What had been held back."""
    n_prompt: int
    n_new: int
    error: str = ""
    """One sentence, where the reason is "error"."""


Event = Token | End
Tell = Callable[[list[Event]], None]
"""Called in order, on the engine's thread or on that of who cancels; it must return at once and
raise nothing."""
