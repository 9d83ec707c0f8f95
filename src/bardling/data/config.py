"""Where a run's text comes from and in what order it is read. No torch here."""

from dataclasses import dataclass
from typing import Literal

from bardling.errors import ConfigError
from bardling.fields import check_fields
from bardling.text.tokenizer import Unknown

Order = Literal["random", "documents", "shuffled", "sequential"]
Split = Literal["train", "val"]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The corpus, its tokenizer, its split and its order."""

    corpus: str = "shakespeare"
    """A corpus by name, a text file, a folder of texts or of tokens, or hf:owner/name."""
    tokenizer: str = "char"
    """char, bpe:3000 or bpe:3000:llama3 (any size, and how text is split), gpt2, or the path of a
    tokenizer or of a run."""
    unknown: Unknown = "error"
    """What to do with a character that the tokenizer does not know: refuse the text, or skip it."""
    val_fraction: float = 0.1
    """Share of the text kept back for validation."""
    max_documents: int = 0
    """Read only so many documents; 0 for all."""
    max_tokens: int = 0
    """Train on only so many tokens, the first; 0 for all. No more is fetched than that takes."""
    order: Order = "random"
    """Windows at random places, from the beginnings of random documents on, or each of those side
    by side once an epoch, shuffled or in the text's order."""

    def __post_init__(self) -> None:
        check_fields(self)
        if not 0.0 < self.val_fraction < 1.0:
            raise ConfigError(f"val_fraction is {self.val_fraction}; it must lie between 0 and 1")
        if self.max_documents < 0 or self.max_tokens < 0:
            raise ConfigError("max_documents and max_tokens are 0, for all, or more")
