"""What a run sees at a step: windows of its training text, as a function of its settings."""

from bardling.config import RunConfig
from bardling.data.batches import Counted, Windows
from bardling.data.token_folder import open_split
from bardling.data.tokens import Tokens
from bardling.errors import UsageError
from bardling.run_folder import RunFolder
from bardling.text.chat import ChatTokens
from bardling.text.tokenizer import Tokenizer
from bardling.text.tokenizer_file import load_tokenizer
from bardling.training.task import Instruction


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


def counted_for(config: RunConfig, tokenizer: Tokenizer) -> Counted | None:
    """Return which tokens a run learns to foretell; None for all."""
    if not isinstance(config.task, Instruction):
        return None
    return ChatTokens(config.chat, tokenizer).answers


def batch_texts(run: RunFolder, step: int) -> list[tuple[int, str]]:
    """Return where each window of the batch of a step begins, in tokens, and what it says.

    Steps count from 1, as in the log. Raises `UsageError` for a step that the run does not have.
    """
    config, tokenizer = run.config(), load_tokenizer(run.path)
    if not 1 <= step <= config.total_steps:
        raise UsageError(f"{run.name} has steps 1 to {config.total_steps}, and none is {step}")
    windows = training_windows(config, open_split(run.tokens_path, "train", tokenizer), tokenizer)
    starts, rows = windows.starts(step - 1), windows.batch(step - 1).inputs.tolist()
    return [(int(start), tokenizer.decode(row)) for start, row in zip(starts, rows, strict=True)]
