"""What a run takes from other runs, as copies in its own folder.

    runs/NAME/start/        the weights that it begins with where it does not draw them
        model.safetensors   for a model of the run's own size
        source.json         the run and the step that they come from
        manifest.json       size and sha256 of the others
    runs/NAME/teacher/      the model that a distillation learns from
        model.json          its settings; the other files are as above, the weights as they were

So a run needs nothing but its folder to begin anew or to go on, also when the runs that it came
from are gone.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as tensor_bytes
from torch import Tensor

from bardling import storage
from bardling.checkpoint import (
    WEIGHTS,
    Checkpoint,
    load_weights,
    open_checkpoint,
    parse_weights,
)
from bardling.config import RunConfig
from bardling.errors import BardlingError, CheckpointError, ConfigError
from bardling.fields import read_value, write_value
from bardling.machine.randomness import word
from bardling.model.config import ModelConfig
from bardling.model.gpt import GPT
from bardling.model.lora_config import is_beside
from bardling.run_folder import SETTINGS_BYTES, RunFolder
from bardling.text.tokenizer import Tokenizer

START, TEACHER = "start", "teacher"
SOURCE, MODEL = "source.json", "model.json"
_LIMITS = {SOURCE: SETTINGS_BYTES, MODEL: SETTINGS_BYTES}
_TABLES = ("embedding.weight", "output.weight", "output.bias")
_FREE = ("vocab_size", "dropout", "n_layer", "init")
"""Settings of a model that may be others than those of the run it begins with."""
_LAYER = re.compile(r"blocks\.(\d+)\.")


def put_start(
    config: RunConfig, tokenizer: Tokenizer, run: RunFolder, note: Callable[[str], None]
) -> None:
    """Copy the weights of the run that `config` begins with, as its model needs them.

    The model may have fewer layers, spread evenly over those that were there, and more tokens.
    Raises `ConfigError` where anything else differs, and `CheckpointError` where the tokens do not
    mean what they meant.
    """
    found = open_checkpoint(RunFolder(Path(config.start)), "best", note)
    _require_same_words(found.tokenizer, tokenizer, config.start)
    weights = dict(found.build_model().named_parameters())
    here = replace(config.model, vocab_size=tokenizer.vocab_size)
    _require_same_block(found.config.model, here, config.start)
    kept = _layers(weights, found.config.model.n_layer, here.n_layer)
    grown = {n: _grown(n, t.detach(), here.vocab_size) for n, t in kept.items()}
    new = here.vocab_size - found.config.model.vocab_size
    if new > 0 and is_beside(config.adapter):
        note(
            f"the embedding's rows for new tokens ({new}) stay as they were drawn, since adapters "
            "leave it alone; --adapter.embeddings trains it too"
        )
    told = {"run": config.start, "step": found.state.step, "layers": here.n_layer}
    _put(run.path / START, grown, {SOURCE: told})


def put_teacher(
    config: RunConfig, tokenizer: Tokenizer, run: RunFolder, note: Callable[[str], None]
) -> None:
    """Copy the model that `config` names as its teacher.

    Raises `ConfigError` where there is none or its context is shorter than the student's, and
    `CheckpointError` where it has another tokenizer or is damaged.
    """
    if not config.teacher:
        raise ConfigError("distillation learns from another run; say which by teacher")
    found = open_checkpoint(RunFolder(Path(config.teacher)), "best", note)
    _require_teachable(found, config, tokenizer)
    weights = {n: p.detach() for n, p in found.build_model().named_parameters()}
    told = {"run": config.teacher, "step": found.state.step}
    _put(run.path / TEACHER, weights, {SOURCE: told, MODEL: write_value(found.config.model)})


def has_start(run: RunFolder) -> bool:
    """Tell whether a run holds the weights that it begins with; an imported one does not."""
    return storage.exists(run.path / START)


def read_start(run: RunFolder) -> Mapping[str, Tensor]:
    """Return the weights that a run begins with; damage is a `CheckpointError`."""
    folder = run.path / START
    try:
        return parse_weights(storage.read_folder(folder, limits=_LIMITS)[WEIGHTS], WEIGHTS)
    except (KeyError, BardlingError) as error:
        raise CheckpointError(f"{folder} cannot be used: {error}") from error


def read_teacher(run: RunFolder) -> GPT:
    """Return the model that a run learns from; damage is a `CheckpointError`."""
    folder = run.path / TEACHER
    try:
        files = storage.read_folder(folder, limits=_LIMITS)
        settings = storage.parse_json(files[MODEL], MODEL)
        model = GPT(read_value(ModelConfig, settings, MODEL))
        load_weights(model, parse_weights(files[WEIGHTS], WEIGHTS), str(folder))
        return model
    except (KeyError, BardlingError) as error:
        raise CheckpointError(f"{folder} cannot be used: {error}") from error


def _put(folder: Path, weights: Mapping[str, Tensor], told: Mapping[str, Any]) -> None:
    """Write weights and what is told beside them."""
    files: dict[str, storage.Contents] = {
        name: storage.json_bytes(values) for name, values in told.items()
    }
    files[WEIGHTS] = tensor_bytes(dict(weights), metadata={"format": "pt"})
    storage.publish_folder(folder, files)


def _require_teachable(there: Checkpoint, here: RunConfig, tokenizer: Tokenizer) -> None:
    """Refuse a teacher that foretells other tokens, or cannot read as far as its student."""
    if there.tokenizer.sha256 != tokenizer.sha256:
        raise CheckpointError(
            f"{here.teacher} has another tokenizer, and a student has to foretell the same tokens "
            "as its teacher; leave --tokenizer away"
        )
    longest = there.config.model.block_size
    if here.model.block_size > longest:
        raise ConfigError(
            f"block_size is {here.model.block_size} here and {longest} in {here.teacher}, which "
            f"has to read all that its student reads; take --model.block-size {longest} or less"
        )


def _require_same_words(there: Tokenizer, here: Tokenizer, source: str) -> None:
    """Refuse a tokenizer under which ids mean something else; new ones may come after the old."""
    if there.sha256 == here.sha256:
        return
    old = range(there.vocab_size)
    if (
        there.vocab_size > here.vocab_size
        or not here.special_tokens.items() >= there.special_tokens.items()
        or [there.decode([i]) for i in old] != [here.decode([i]) for i in old]
    ):
        raise CheckpointError(f"{source} has another tokenizer: its weights mean nothing to this")


def _require_same_block(there: ModelConfig, here: ModelConfig, source: str) -> None:
    """Refuse a model that the weights do not fit."""
    for name, value in vars(there).items():
        if name not in _FREE and vars(here)[name] != value:
            raise ConfigError(
                f"{name} is {vars(here)[name]} here and {value} in {source}, whose weights this "
                "run begins with; leave it as it is there"
            )
    if here.n_layer > there.n_layer:
        raise ConfigError(
            f"{source} has {there.n_layer} layers, and {here.n_layer} were asked of it"
        )


def _layers(weights: Mapping[str, Tensor], there: int, here: int) -> dict[str, Tensor]:
    """Return the weights of a model of `here` layers, taken evenly from those that are there."""
    taken = {layer * there // here: layer for layer in range(here)}
    kept: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        match = _LAYER.match(name)
        if match is None:
            kept[name] = tensor
        elif int(match[1]) in taken:
            kept[f"blocks.{taken[int(match[1])]}.{name[match.end() :]}"] = tensor
    return kept


def _grown(name: str, table: Tensor, rows: int) -> Tensor:
    """Return a table over the vocabulary with rows for new tokens: the mean, a little apart.

    So a new token begins as likely as an average one (Hewitt 2021, "Initializing new word
    embeddings"), and no two are the same.
    """
    if name not in _TABLES or len(table) >= rows:
        return table.contiguous()
    new = rows - len(table)
    random = torch.Generator().manual_seed(word("new tokens", name, rows) >> 1)
    drawn = torch.randn(new, *table.shape[1:], generator=random)
    return torch.cat((table, table.mean(dim=0) + 0.1 * table.std(dim=0) * drawn)).contiguous()
