"""What every tokenizer can do: the one interface that the rest of bardling knows.

A tokenizer is a frozen value. User text is only ever text: a special token's own string in it
becomes ordinary tokens, and only `end_token` itself, placed by our code, ends a document. How
text becomes tokens is left to the implementations, files to `tokenizer_file`.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, Protocol, SupportsIndex, runtime_checkable

import numpy as np
from jaxtyping import Int64, UInt32

from bardling.storage import Json

END_TOKEN = "<|endoftext|>"
END_TOKENS = (END_TOKEN, "<|end_of_text|>", "</s>", "<eos>", "<|eos|>")
"""What the token that ends a document is called in tokenizers that others have made."""

Unknown = Literal["error", "skip"]
"""What to do with text that the vocabulary cannot express: refuse it, or leave it out."""


@runtime_checkable
class Tokenizer(Protocol):
    """Text to ids and back."""

    @property
    def vocab_size(self) -> int:
        """The number of ids, special tokens included."""
        ...

    @property
    def special_tokens(self) -> Mapping[str, int]:
        """The ids that no user text can produce, by name."""
        ...

    @property
    def end_token(self) -> int | None:
        """The id that ends a document, where there is one."""
        ...

    @property
    def sha256(self) -> str:
        """The hash of the canonical tokenizer.json, which says whether two tokenizers are one."""
        ...

    @property
    def token_sizes(self) -> Int64[np.ndarray, " vocab"]:
        """The bytes of UTF-8 that each id stands for: none for special tokens."""
        ...

    def encode(self, text: str, *, unknown: Unknown = "error") -> list[int]:
        """Return the ids of `text`; raises TokenizerError on what is unknown."""
        ...

    def encode_array(
        self, text: str, *, unknown: Unknown = "error"
    ) -> UInt32[np.ndarray, " count"]:
        """Return the ids of `text` as an array, which suits large texts."""
        ...

    def decode(self, ids: Iterable[SupportsIndex]) -> str:
        """Return the text of `ids`; special tokens have none. Refuses ids out of range."""
        ...

    def count_unknown(self, text: str) -> int:
        """Return how many characters of `text` the vocabulary cannot express."""
        ...

    def to_json(self) -> dict[str, Json]:
        """Return the content of tokenizer.json as `tokenizers` (the library) reads it."""
        ...
