"""`bardling finetune RUN CORPUS`: a trained model goes on learning, from another text."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bardling
from bardling.cli.options import File, value_of
from bardling.cli.tuning import TunedRunArguments, tune
from bardling.config import RunConfig
from bardling.presets.table import config_for
from bardling.presets.tuned import tuned_config
from bardling.run_folder import RunFolder

USAGE = "bardling finetune RUN CORPUS [options]"


@dataclass(frozen=True, kw_only=True)
class FinetuneArguments(TunedRunArguments):
    """Train the model of RUN, or adapters in it, on CORPUS: a name, a text file or a folder.

    A .jsonl file of conversations (messages, prompt and completion, question and answer, or
    instruction and output) makes a model that answers; see `bardling chat`.
    """

    chat_format: File = None
    """JSON with the special tokens before (prefix) and after (suffix) what each role says."""


def run(argv: Sequence[str]) -> int:
    """Parse the options, train, and tell how it goes and what was forgotten."""
    return tune(argv, FinetuneArguments, _base, usage=USAGE, asked="which text to read")


def _base(start: RunFolder | None, corpus: str, words: Sequence[str]) -> RunConfig:
    if start is None:
        return tuned_config(config_for("demo"), "RUN", corpus)
    chat, adapter = value_of("--chat-format", words), value_of("--adapter", words) or "whole"
    return bardling.finetune_base(start, corpus, adapter, None if chat is None else Path(chat))
