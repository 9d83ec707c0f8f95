"""A model of others, or an adapter, as a run of ours, to be used and trained on here."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from warnings import warn

from safetensors.torch import save as tensor_bytes
from torch import Tensor

from bardling import storage
from bardling.checkpoint import MEMORY, WEIGHTS, write_checkpoint
from bardling.config import RunConfig
from bardling.data.config import DataConfig
from bardling.errors import UsageError
from bardling.extras import optional
from bardling.interchange.adapters import CONFIG as ADAPTER_CONFIG
from bardling.interchange.adapters import WEIGHTS as ADAPTER_WEIGHTS
from bardling.interchange.adapters import read_adapter
from bardling.interchange.huggingface import WEIGHTS as THEIR_WEIGHTS
from bardling.interchange.huggingface_folder import read_folder
from bardling.run_folder import RunFolder, new_run, runs_folder
from bardling.text.tokenizer import Tokenizer
from bardling.text.tokenizer_file import save_tokenizer, tokenizer_files
from bardling.trained import Run, load
from bardling.training.state import RunState

BY_WORD = {
    "gpt2": "openai-community/gpt2",
    "gpt2-medium": "openai-community/gpt2-medium",
    "gpt2-large": "openai-community/gpt2-large",
    "gpt2-xl": "openai-community/gpt2-xl",
}
"""Models of the hub by a word of their own."""
_HUB = re.compile(r"hf:([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", re.ASCII)
_FILES = ("config.json", ADAPTER_CONFIG, "tokenizer.json", "vocab.json", "merges.txt",
          THEIR_WEIGHTS, "model-*.safetensors", f"{THEIR_WEIGHTS}.index.json")  # fmt: skip
_ADAPTER_FILES = (ADAPTER_CONFIG, ADAPTER_WEIGHTS)
Note = Callable[[str], None]


def import_model(
    source: str | Path,
    *,
    name: str | None = None,
    block_size: int | None = None,
    runs_dir: str | Path | None = None,
    note: Note = warn,
) -> Run:
    """Return a run that holds the model of a folder, of gpt2, or of hf:owner/name.

    GPT-2, Llama and Qwen3 classes are read, from safetensors. `block_size` shortens its context.
    Raises `CheckpointError` where the model is not one of those or is damaged; nothing is written
    then.
    """
    folder = fetched(str(source))
    if storage.exists(folder / ADAPTER_CONFIG) and not storage.exists(folder / "config.json"):
        raise UsageError(
            f"{folder} holds an adapter and no model: say by --base which run's model it goes with"
        )
    found = read_folder(folder, block_size=block_size)
    run = new_run(name, _stem(source, folder), _runs(runs_dir))
    for told in found.notes:
        note(told)
    config = RunConfig(
        data=DataConfig(corpus=str(source), tokenizer=str(source)), model=found.config
    )
    write_run(run, config, found.weights, found.tokenizer)
    return load(run.path)


def import_adapter(
    source: str | Path, base: Run, *, name: str | None = None, runs_dir: str | Path | None = None
) -> Run:
    """Return a run that holds `base`'s model with an adapter of `peft`'s beside its layers.

    `source` is a folder or hf:owner/name. Raises `CheckpointError` where the adapter is of another
    model or kind, or is damaged; nothing is written then.
    """
    folder = fetched(str(source), _ADAPTER_FILES)
    found = read_adapter(folder, base.config.model)
    run = new_run(name, _stem(source, folder), _runs(runs_dir))
    there = str(base.folder.path.absolute())
    config = RunConfig(
        data=DataConfig(corpus=str(source), tokenizer=there),
        model=base.config.model,
        adapter=found.adapter,
        start=there,
    )
    weights = {name: p.detach() for name, p in base.model.named_parameters()} | found.weights
    write_run(run, config, weights, base.tokenizer)
    return load(run.path)


def _stem(source: str | Path, folder: Path) -> str:
    """Return what a run is named after."""
    return str(source).rpartition("/")[2].partition("@")[0] or folder.resolve().name


def _runs(chosen: str | Path | None) -> Path:
    return runs_folder(None if chosen is None else Path(chosen))


def write_run(
    run: RunFolder, config: RunConfig, weights: Mapping[str, Tensor], tokenizer: Tokenizer
) -> None:
    """Write a run that stands before its first step, and holds these weights."""
    files: dict[str, storage.Contents] = {
        WEIGHTS: tensor_bytes(dict(weights), metadata={"format": "pt"}),
        MEMORY: tensor_bytes({}),
        "config.json": storage.json_bytes(config.to_json()),
        **tokenizer_files(tokenizer),
        "state.json": storage.json_bytes(
            {**asdict(RunState(conditions=None)), "optimizer_groups": []}
        ),
    }
    with ExitStack() as held:
        held.enter_context(storage.only_writer(run.path))
        held.enter_context(storage.removed_on_error(run.path))
        save_tokenizer(tokenizer, run.path)
        run.checkpoints_path.mkdir(exist_ok=True)
        write_checkpoint(run.checkpoint_path(0), files)
        run.write_config(config)


def fetched(source: str, files: Sequence[str] = _FILES) -> Path:
    """Return the folder of a model or an adapter, fetched from the hub where it is named there."""
    folder = Path(source)
    if folder.is_dir():
        return folder
    word = f"hf:{BY_WORD[source]}" if source in BY_WORD else source
    match = _HUB.fullmatch(word)
    if match is None:
        raise UsageError(
            f"'{source[:100]}' is no folder and no model: give a folder, "
            f"{', '.join(BY_WORD)}, or hf:owner/name"
        )
    hub = optional("huggingface_hub", "data", "a model of the Hugging Face hub")
    try:
        return Path(hub.snapshot_download(match[1], revision=match[2], allow_patterns=files))
    except (OSError, ValueError, hub.errors.HTTPError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UsageError(
            f"{match[1]} could not be fetched ({reason}): get online, or give a folder that "
            "holds its files"
        ) from error
