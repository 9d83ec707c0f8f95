"""What a run sees at a step: windows of its training text, as a function of its settings."""

from bardling.config import RunConfig
from bardling.data.batches import Counted, Windows
from bardling.data.config import Split
from bardling.data.pairs import Pairs
from bardling.data.token_folder import open_split
from bardling.data.tokens import Tokens
from bardling.errors import TokenizerError, UsageError
from bardling.run_folder import RunFolder
from bardling.text.chat import ChatTokens
from bardling.text.tokenizer import Tokenizer
from bardling.text.tokenizer_file import load_tokenizer
from bardling.training.task import Instruction, Preference


def training_windows(config: RunConfig, tokens: Tokens, tokenizer: Tokenizer) -> Windows:
    """Return the batches of a run on the tokens of its training split."""
    return Windows(
        tokens=tokens,
        block_size=config.model.block_size,
        batch_size=config.training.batch_size,
        order=config.data.order,
        end_token=tokenizer.end_token,
        seed=config.training.seed,
        split="train",
        counted=counted_for(config, tokenizer),
    )


def training_pairs(
    config: RunConfig, tokens: Tokens, tokenizer: Tokenizer, split: Split = "train"
) -> Pairs:
    """Return the batches of a run on the pairs of answers of a split."""
    if tokenizer.end_token is None:
        raise TokenizerError("the tokenizer has no end token, so no pairs of answers can be read")
    return Pairs(
        tokens=tokens,
        end_token=tokenizer.end_token,
        batch_size=config.training.batch_size,
        order=config.data.order,
        seed=config.training.seed,
        split=split,
    )


def counted_for(config: RunConfig, tokenizer: Tokenizer) -> Counted | None:
    """Return which tokens a run learns to foretell; None for all."""
    if not isinstance(config.task, Instruction):
        return None
    return ChatTokens(config.chat, tokenizer).answers


def batch_texts(run: RunFolder, step: int) -> list[tuple[int, str]]:
    """Return where each sequence of the batch of a step begins, in tokens, and what it says.

    Steps count from 1, as in the log. Raises `UsageError` for a step that the run does not have.
    """
    config, tokenizer = run.config(), load_tokenizer(run.path)
    if not 1 <= step <= config.total_steps:
        raise UsageError(f"{run.name} has steps 1 to {config.total_steps}, and none is {step}")
    tokens = open_split(run.tokens_path, "train", tokenizer)
    seen = training_pairs if isinstance(config.task, Preference) else training_windows
    batches = seen(config, tokens, tokenizer)
    starts, rows = batches.starts(step - 1), batches.batch(step - 1).inputs.tolist()
    return [(int(start), tokenizer.decode(row)) for start, row in zip(starts, rows, strict=True)]
