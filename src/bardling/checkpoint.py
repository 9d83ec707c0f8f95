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
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from torch import Tensor, nn

from bardling import storage
from bardling.config import RunConfig
from bardling.errors import BardlingError, CheckpointError, StorageError, UsageError
from bardling.machine.shards import part_of, whole
from bardling.model.gpt import GPT
from bardling.model.lora import unwrap, wrap
from bardling.model.lora_config import adapter_parameters
from bardling.model.room import require_room
from bardling.model.size import count_parameters
from bardling.run_folder import SETTINGS_BYTES, RunFolder, checkpoint_name
from bardling.text.tokenizer import Tokenizer
from bardling.text.tokenizer_file import LIMIT_BYTES, parse_tokenizer, tokenizer_files
from bardling.training.optimizers import Optimizers, group_settings, state_tensors
from bardling.training.state import RunState
from bardling.tray import Tray

WEIGHTS, MEMORY = "model.safetensors", "optimizer.safetensors"
_LIMITS = {
    "config.json": SETTINGS_BYTES,
    "state.json": SETTINGS_BYTES,
    "tokenizer.json": LIMIT_BYTES,
    "tokenizer_config.json": SETTINGS_BYTES,
}
_HEADER_BYTES = 2**24  # of a safetensors file, which may have more; a name and a shape take 100
_FLOATS = {torch.float64, torch.float32, torch.float16, torch.bfloat16}
_FEW_BLOCKS = 1000  # built without looking whether there are weights for them
_REFUSED = (  # what safetensors and torch say of a file that is none
    *(SafetensorError, AssertionError, KeyError, OverflowError),
    *(RuntimeError, TypeError, ValueError),
)


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
        """Return the model with the checkpoint's weights, in which adapters have gone over."""
        model = wrap(GPT(self.config.model), self.config.adapter)
        load_weights(model, self.weights, str(self.path))
        return unwrap(model)


def checkpoint_files(
    *,
    model: nn.Module,
    optimizer: Optimizers,
    config: RunConfig,
    tokenizer: Tokenizer,
    state: RunState,
    tray: Tray,
) -> dict[str, storage.Contents]:
    """Return the files of a checkpoint, a copy that later steps do not reach.

    The copy is on `tray` until the next one. Where weights are shared out, the other processes
    have to `give` theirs meanwhile.
    """
    weights = {name: p.detach() for name, p in model.named_parameters()}
    return {
        WEIGHTS: tray.lay(WEIGHTS, weights, format="pt"),
        MEMORY: tray.lay(MEMORY, state_tensors(model, optimizer)),
        "config.json": storage.json_bytes(config.to_json()),
        **tokenizer_files(tokenizer),
        "state.json": storage.json_bytes(
            {**dataclasses.asdict(state), "optimizer_groups": group_settings(optimizer)}
        ),
    }


def give(model: nn.Module, optimizer: Optimizers) -> None:
    """Take part in what another process gathers for `checkpoint_files`, and keep nothing."""
    for tensors in (dict(model.named_parameters()), state_tensors(model, optimizer)):
        for tensor in tensors.values():
            whole(tensor.detach())


def write_checkpoint(folder: Path, files: Mapping[str, storage.Contents]) -> None:
    """Write a checkpoint that is either whole or not there, and read it back once."""
    storage.publish_folder(folder, files)
    storage.prove_folder(folder)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint; anything missing, cut short or altered is a `CheckpointError`."""
    try:
        files = storage.read_folder(folder, limits=_LIMITS)
        state = RunState.from_json(storage.parse_json(files["state.json"], "state.json"))
        if folder.name != checkpoint_name(state.step):
            raise CheckpointError(f"it was written as {checkpoint_name(state.step)}")
        config = RunConfig.from_json(storage.parse_json(files["config.json"], "config.json"))
        require_room(config.model)
        tokenizer = parse_tokenizer(files["tokenizer.json"])
        if tokenizer.vocab_size != config.model.vocab_size:
            raise CheckpointError(
                f"its tokenizer has {tokenizer.vocab_size:,} tokens, and its model "
                f"{config.model.vocab_size:,}"
            )
        weights = parse_weights(files[WEIGHTS], WEIGHTS)
        _require_weights(config, weights)
        return Checkpoint(
            path=folder,
            config=config,
            tokenizer=tokenizer,
            state=state,
            weights=weights,
            optimizer=parse_weights(files[MEMORY], MEMORY),
        )
    except KeyError as error:
        raise CheckpointError(f"{folder} holds no {error.args[0]}") from error
    except BardlingError as error:
        raise CheckpointError(f"{folder} cannot be used: {error}") from error


def parse_weights(
    data: bytes, name: str, *, passed_over: Callable[[str], bool] = lambda key: False
) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, all of them finite numbers.

    Those whose names are `passed_over` are left out.
    """
    if int.from_bytes(data[:8], "little") > _HEADER_BYTES:
        raise CheckpointError(f"{name} is no safetensors file with a header of ours")
    try:
        tensors = parse_tensors(data)
    except _REFUSED as error:
        raise CheckpointError(f"{name} is no safetensors file: {str(error)[:100]!r}") from error
    tensors = {key: tensor for key, tensor in tensors.items() if not passed_over(key)}
    for key, tensor in tensors.items():
        if tensor.dtype not in _FLOATS or not tensor.isfinite().all():
            raise CheckpointError(f"{name}: {key[:100]!r} is not made of finite numbers")
    return tensors


def _require_weights(config: RunConfig, weights: Mapping[str, Tensor]) -> None:
    """Refuse settings of another model than that of the weights, however large, at once."""
    model = config.model
    expected = count_parameters(model).total + adapter_parameters(model, config.adapter)
    found = sum(tensor.numel() for tensor in weights.values())
    n_blocks = len({name.split(".")[1] for name in weights if name.startswith("blocks.")})
    if found != expected or model.n_layer > max(n_blocks, _FEW_BLOCKS):
        raise CheckpointError(
            f"its weights are {found:,} numbers in {n_blocks:,} blocks, and its settings say "
            f"{expected:,} in {model.n_layer:,}"
        )


def open_checkpoint(run: RunFolder, choice: str, note: Callable[[str], None]) -> Checkpoint:
    """Return the checkpoint that `best`, `last` or a step names.

    Where the best or the last is damaged, `note` hears of it and the next newest whole one is
    used; a step that was named must be whole. Raises `CheckpointError` when there is none.
    """
    steps = run.steps()
    if not steps:
        raise CheckpointError(f"{run.path} has no complete checkpoint")
    if choice in ("best", "last"):
        first = best_step(run, steps) if choice == "best" else steps[-1]
        return _first_whole(run, [first, *(s for s in reversed(steps) if s != first)], note)
    listed = ", ".join(map(str, steps))
    if not choice.isdecimal():
        raise UsageError(f"'{choice}' names no checkpoint; say best, last or one of {listed}")
    if int(choice) not in steps:
        raise CheckpointError(f"{run.name} has no checkpoint of step {choice}; it has {listed}")
    return load_checkpoint(run.checkpoint_path(int(choice)))


def load_newest(run: RunFolder, note: Callable[[str], None]) -> Checkpoint | None:
    """Return the newest whole checkpoint; None means that the run has not written one yet."""
    steps = run.steps()
    return _first_whole(run, steps[::-1], note) if steps else None


def last_good(run: RunFolder) -> Checkpoint:
    """Return the newest whole checkpoint that was not written between two bad steps."""
    for step in reversed(run.steps()):
        with suppress(CheckpointError):
            checkpoint = load_checkpoint(run.checkpoint_path(step))
            if checkpoint.state.failures == 0:
                return checkpoint
    raise CheckpointError(f"{run.path} has no checkpoint from before the loss was not finite")


def _first_whole(run: RunFolder, steps: Sequence[int], note: Callable[[str], None]) -> Checkpoint:
    for step in steps:
        try:
            return load_checkpoint(run.checkpoint_path(step))
        except CheckpointError as error:
            note(f"{error}; looking for the next one")
    raise CheckpointError(f"none of the {len(steps)} checkpoints of {run.path} can be used")


def best_step(run: RunFolder, steps: Sequence[int]) -> int:
    """Return the step that the run's result, or else its newest checkpoint, calls the best."""
    claims: list[Any] = []
    with suppress(StorageError):
        claims.append((run.result() or {}).get("best", {}).get("step"))
    for step in reversed(steps):
        with suppress(StorageError):
            state = storage.read_json(run.checkpoint_path(step) / "state.json")
            claims.append(state.get("best_step") if isinstance(state, dict) else None)
    return next((int(claim) for claim in claims if claim in steps), steps[-1])


def prune_checkpoints(run: RunFolder, kept: Collection[int], warn: Callable[[str], None]) -> None:
    """Remove the checkpoints of all steps that are not in `kept`; a failure is only told.

    What an earlier failure has left is tried again.
    """
    old = [run.checkpoint_path(step) for step in run.steps() if step not in kept]
    removals: list[Callable[[], object]] = [partial(storage.remove_leftovers, run.checkpoints_path)]
    removals += [partial(storage.remove_folder, path) for path in old]
    for remove in removals:
        try:
            remove()
        except StorageError as error:
            warn(f"an old checkpoint stays: {error}")


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Copy `weights` into the model's parameters; names and shapes must match exactly."""
    named = dict(model.named_parameters())
    missing, extra = sorted(named.keys() - weights.keys()), sorted(weights.keys() - named.keys())
    if missing or extra:
        raise CheckpointError(
            f"{source} holds the weights of another model: "
            f"{f'{missing[0]} is missing' if missing else f'{extra[0][:100]!r} is not known here'}"
        )
    for name, parameter in named.items():
        if parameter.shape != weights[name].shape:
            raise CheckpointError(
                f"{source}: {name} has shape {list(weights[name].shape)}, "
                f"this model needs {list(parameter.shape)}"
            )
        with torch.no_grad():
            parameter.copy_(part_of(weights[name], parameter))
