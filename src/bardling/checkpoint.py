"""A checkpoint: one folder that is enough to go on, to generate, or to look.

    step-000200/
        model.safetensors        the weights by name; a tied matrix once
        optimizer.safetensors    the optimizer's memory as <parameter>/<state>
        config.json              the run's settings
        tokenizer.json           and tokenizer_config.json
        state.json               where the run stood
        manifest.json            size and sha256 of each file, written last

Nothing here can run code: safetensors and JSON are all that is ever read. Every file is read
once, hashed, and only then parsed. A folder without a manifest is not a checkpoint.
"""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as tensor_bytes
from torch import Tensor, nn
from torch.optim import Optimizer

from bardling import storage
from bardling.config import RunConfig
from bardling.errors import BardlingError, CheckpointError, StorageError
from bardling.model.gpt import GPT
from bardling.run_folder import RunFolder
from bardling.text.tokenizer import Tokenizer
from bardling.text.tokenizer_file import parse_tokenizer, tokenizer_files
from bardling.training.optimizers import state_tensors
from bardling.training.state import RunState


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a checkpoint folder holds, verified and parsed."""

    path: Path
    config: RunConfig
    tokenizer: Tokenizer
    state: RunState
    weights: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]

    def build_model(self) -> GPT:
        """Return the model with the checkpoint's weights."""
        model = GPT(self.config.model)
        load_weights(model, self.weights, str(self.path))
        return model


def save_checkpoint(
    folder: Path,
    *,
    model: nn.Module,
    optimizer: Optimizer,
    config: RunConfig,
    tokenizer: Tokenizer,
    state: RunState,
) -> None:
    """Write a checkpoint that is either whole or not there, and read it back once."""
    weights = {name: p.detach() for name, p in model.named_parameters()}
    files = {
        "model.safetensors": tensor_bytes(weights, metadata={"format": "pt"}),
        "optimizer.safetensors": tensor_bytes(state_tensors(model, optimizer)),
        "config.json": storage.json_bytes(config.to_json()),
        **tokenizer_files(tokenizer),
        "state.json": storage.json_bytes(dataclasses.asdict(state)),
    }
    storage.publish_folder(folder, files)
    storage.read_folder(folder)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint; anything missing, cut short or altered is a `CheckpointError`."""
    try:
        files = storage.read_folder(folder)
        return Checkpoint(
            path=folder,
            config=RunConfig.from_json(storage.parse_json(files["config.json"], "config.json")),
            tokenizer=parse_tokenizer(files["tokenizer.json"]),
            state=RunState.from_json(storage.parse_json(files["state.json"], "state.json")),
            weights=parse_tensors(files["model.safetensors"]),
            optimizer=parse_tensors(files["optimizer.safetensors"]),
        )
    except KeyError as error:
        raise CheckpointError(f"{folder} holds no {error.args[0]}") from error
    except (BardlingError, SafetensorError) as error:
        raise CheckpointError(f"{folder} cannot be used: {error}") from error


def load_newest(run: RunFolder, warn: Callable[[str], None]) -> Checkpoint | None:
    """Return the newest checkpoint that is whole; tell `warn` of each that is not.

    None means that the run has not written one yet. Raises `CheckpointError` when there are
    checkpoints and all of them are damaged.
    """
    steps = run.steps()
    for step in reversed(steps):
        try:
            return load_checkpoint(run.checkpoint_path(step))
        except CheckpointError as error:
            warn(f"{error}; the one before it is used instead")
    if steps:
        raise CheckpointError(f"none of the {len(steps)} checkpoints of {run.path} can be used")
    return None


def prune_checkpoints(run: RunFolder, kept: Collection[int], warn: Callable[[str], None]) -> None:
    """Remove the checkpoints of all steps that are not in `kept`; a failure is only told."""
    for step in run.steps():
        if step not in kept:
            try:
                storage.remove_folder(run.checkpoint_path(step))
            except StorageError as error:
                warn(f"an old checkpoint stays: {error}")


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Copy `weights` into the model's parameters; names and shapes must match exactly."""
    named = dict(model.named_parameters())
    missing, extra = sorted(named.keys() - weights.keys()), sorted(weights.keys() - named.keys())
    if missing or extra:
        raise CheckpointError(
            f"{source} holds the weights of another model: "
            f"{f'{missing[0]} is missing' if missing else f'{extra[0]} is not known here'}"
        )
    for name, parameter in named.items():
        if parameter.shape != weights[name].shape:
            raise CheckpointError(
                f"{source}: {name} has shape {list(weights[name].shape)}, "
                f"this model needs {list(parameter.shape)}"
            )
        with torch.no_grad():
            parameter.copy_(weights[name])
