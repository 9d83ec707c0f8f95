"""What the model writes: a short text at each validation, always from the same draws.

The losses say how far a run has come; the samples show it. They are kept in the log, and
`samples_page` lays them out for reading.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from bardling.errors import GenerationError
from bardling.generation.sampling import Sample
from bardling.generation.text import generate_texts, read_prompt
from bardling.model.gpt import GPT
from bardling.text.tokenizer import Tokenizer

SAMPLE_TEMPERATURE = 0.8


def sample_text(model: GPT, tokenizer: Tokenizer, *, n_tokens: int, seed: int) -> str:
    """Return one text that starts from nothing, or why this model cannot write any."""
    try:
        return sample_texts(model, tokenizer, n_tokens=n_tokens, num_samples=1, seed=seed)[0]
    except GenerationError as error:  # a model that diverges is for training to report
        return f"(no sample: {error})"


def sample_texts(
    model: GPT, tokenizer: Tokenizer, *, n_tokens: int, num_samples: int, seed: int
) -> list[str]:
    """Return texts that start from nothing, at `SAMPLE_TEMPERATURE`."""
    return generate_texts(
        model,
        tokenizer,
        read_prompt("", tokenizer, model.config.block_size),
        Sample(temperature=SAMPLE_TEMPERATURE),
        max_new_tokens=n_tokens,
        num_samples=num_samples,
        seed=seed,
    )


def samples_page(name: str, records: Iterable[Mapping[str, Any]]) -> str:
    """Return the samples in the log of run `name` as Markdown, oldest first."""
    lines = [f"# Samples of {name}", ""]
    for record in records:
        if "sample" in record:
            loss = record["val_loss"]
            measured = "not finite" if loss is None else f"{loss:.4f}"
            lines += [f"## Step {record['step']}, validation loss {measured}", ""]
            lines += [f"    {line}" for line in record["sample"].splitlines()] + [""]
    return "\n".join(lines)
