"""`bardling data tokens`: a corpus of any size becomes a folder of tokens, once for many runs."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from bardling import storage
from bardling.cli.options import parse
from bardling.data.config import DataConfig
from bardling.data.prepare import FromText, prepare
from bardling.data.shards import find_shards, write_shards
from bardling.data.token_folder import SHARD_TOKENS, SPLITS, is_token_folder
from bardling.errors import UsageError
from bardling.machine.threads import usable_cores
from bardling.reporting.console import count
from bardling.reporting.screen import Screen, complain
from bardling.text.tokenizer import Unknown
from bardling.text.tokenizer_file import has_tokenizer, save_tokenizer


@dataclass(frozen=True, kw_only=True)
class TokensArguments:
    """Turn a corpus into a folder of tokens that 'bardling train FOLDER' reads where it lies."""

    corpus: tyro.conf.Positional[str]
    """A corpus by name, a file, a folder, or hf:owner/name."""
    output: tyro.conf.Positional[Path]
    """The folder to write, with the tokenizer beside the tokens."""
    tokenizer: str = "bpe:8000"
    """char, bpe:3000 (any size), gpt2, or the path of a tokenizer or of a run."""
    unknown: Unknown = "error"
    """What to do with a character that the tokenizer does not know: refuse the text, or skip it."""
    val_fraction: float = 0.01
    """Share of the text kept back for validation, where the corpus has no such part."""
    max_documents: int = 0
    """Read only so many documents; 0 for all."""
    max_tokens: int = 0
    """Take only so many tokens to train on; 0 for all. No more is fetched than that takes."""
    shard_tokens: int = SHARD_TOKENS
    """Tokens of a file at most."""
    format: Literal["bardling", "llm.c"] = "bardling"
    """Ours, with an index and hashes, or the files of llm.c and modded-nanogpt."""
    processes: int = 0
    """That learn byte pairs and encode; 0 for one on each core."""


def run_tokens(argv: Sequence[str]) -> int:
    """Write the folder and say what is in it."""
    arguments = parse(TokensArguments, argv, prog="bardling data tokens")
    _refuse(arguments)
    began = time.perf_counter()
    found = prepare(
        DataConfig(
            corpus=arguments.corpus,
            tokenizer=arguments.tokenizer,
            unknown=arguments.unknown,
            val_fraction=arguments.val_fraction,
            max_documents=arguments.max_documents,
            max_tokens=arguments.max_tokens,
        ),
        data_dir=None,
        note=complain,
        processes=arguments.processes or usable_cores(),
    )
    if not isinstance(found, FromText):
        raise UsageError(f"{arguments.corpus} holds tokens already: train on it as it is")
    learned = time.perf_counter() - began
    with (
        Screen(stderr=True).status("encoding", refresh_per_second=4),
        storage.only_writer(arguments.output),
        storage.removed_on_error(arguments.output),
    ):
        sizes = _write(found, arguments)
    seconds = time.perf_counter() - began
    screen = Screen()
    screen.print(
        f"{sizes['train']:,} tokens to train on and {sizes['val']:,} for validation in "
        f"{arguments.output}, of {found.tokenizer.vocab_size:,} kinds; {seconds:.1f} s, "
        f"{learned:.1f} of them for the tokenizer"
    )
    needed = count(sizes["train"] // 20)
    screen.print(f"read once, that is right for about {needed} parameters; train on it with")
    screen.print(f"  bardling train {arguments.output}")
    return 0


def _refuse(arguments: TokensArguments) -> None:
    if arguments.shard_tokens < 1 or arguments.processes < 0:
        raise UsageError("shard_tokens is 1 or more, and processes 0 or more")
    folder = arguments.output
    is_whole = is_token_folder(folder) or find_shards(str(folder)) is not None
    if is_whole or (any(folder.glob("*.bin")) and not has_tokenizer(folder)):
        raise UsageError(f"{folder} holds tokens already: choose another folder")


def _write(found: FromText, arguments: TokensArguments) -> dict[str, int]:
    """Write tokens and tokenizer; return how many tokens each split has."""
    save_tokenizer(found.tokenizer, arguments.output)
    if arguments.format == "bardling":
        index = found.put(arguments.output, shard_tokens=arguments.shard_tokens)
        return {split: index.n_tokens(split) for split in SPLITS}
    return {
        split: write_shards(
            arguments.output,
            split,
            found.pieces(split),
            vocab_size=found.tokenizer.vocab_size,
            end_token=found.tokenizer.end_token,
            shard_tokens=arguments.shard_tokens,
        )
        for split in SPLITS
    }
