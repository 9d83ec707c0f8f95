"""A run: settings become a folder, and a folder goes on.

`start_run` turns a `RunConfig` into tokens and a sealed folder, `resume_run` finds the newest
whole checkpoint and mends what was lost around it; both then hand over to the trainer.
Everything a run needs to go on lies in its folder, so `resume_run` needs neither the corpus nor
the command that began it.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from warnings import warn

from bardling import storage
from bardling.beginning import put_start, put_teacher
from bardling.checkpoint import Checkpoint, load_checkpoint, load_newest
from bardling.config import RunConfig, difference
from bardling.data.prepare import Prepared
from bardling.errors import BardlingError, ConfigError, TrainingDiverged, UsageError
from bardling.machine.config import MachineConfig
from bardling.machine.memory import physical_bytes
from bardling.machine.team import ALONE, Team
from bardling.model.lora_config import is_beside
from bardling.model.size import FLOAT_BYTES, count_parameters, fixed_memory, training_memory
from bardling.preparing import prepare_run
from bardling.reporting.watcher import Watcher
from bardling.run_folder import RunFolder
from bardling.text.tokenizer_file import load_tokenizer, save_tokenizer
from bardling.trainer import Trainer
from bardling.training.config import seconds_of_budget
from bardling.training.optimizer_config import kept_states
from bardling.training.plan import Plan
from bardling.training.task import Distillation, Preference


def start_run(
    config: RunConfig,
    run: RunFolder,
    *,
    data_dir: Path | None,
    watcher: Watcher,
    began: float | None = None,
    team: Team = ALONE,
) -> None:
    """Begin a new run in its folder and train it to its end, with all of a `team`.

    `began` is when the user began to wait, by `time.perf_counter`; None means now.
    """
    began = time.perf_counter() if began is None else began

    def begin() -> None:
        part = -(-require_rows(config, team) // config.training.accumulate)
        require_memory(config, batch_size=part, team=team)
        prepared = prepare_run(config, data_dir=data_dir, note=watcher.note)
        held.enter_context(storage.only_writer(run.path))
        set_up(config, prepared, run, note=watcher.note)

    with ExitStack() as held:
        team.first(begin)
        seen = replace(run, writes=team.rank == 0)
        Trainer(seen, watcher, began=began, team=team).train()


def resume_run(
    run: RunFolder,
    watcher: Watcher,
    *,
    wishes: MachineConfig | None = None,
    began: float | None = None,
    team: Team = ALONE,
) -> None:
    """Go on with a run from its newest whole checkpoint, bit for bit as if it had not stopped.

    `wishes` say where to compute; what they leave open stays as it was before the stop. Another
    number of processes may go on with it than began it; sums are then added in another order.
    """

    newest: Checkpoint | None = None

    def mend() -> int | None:
        nonlocal newest
        held.enter_context(storage.only_writer(run.path))
        for folder in (run.path, run.tokens_path, run.checkpoints_path):
            storage.remove_leftovers(folder)
        newest = load_newest(run, watcher.note)
        if newest is not None:
            _mend(run, newest, watcher)
        config = run.config()
        config = config if wishes is None else replace(config, machine=wishes)
        part = -(-require_rows(config, team) // config.training.accumulate)
        require_memory(config, batch_size=part, team=team)
        return None if newest is None else newest.state.step

    with ExitStack() as held:
        if _has_ended(run, watcher, team):
            return
        step = team.first(mend)
        if step is not None and newest is None:  # another process has found it
            newest = load_checkpoint(run.checkpoint_path(step))
        seen = replace(run, writes=team.rank == 0)
        trainer = Trainer(seen, watcher, newest, wishes=wishes, began=began, team=team)
        newest = None  # it would lie in memory as long as the run takes
        trainer.train()


def _has_ended(run: RunFolder, watcher: Watcher, team: Team) -> bool:
    """Return whether a run is at its end already, or refuse it as one that cannot go on."""
    ended = team.first(run.result)
    if ended is None and team.first(run.is_imported):
        raise UsageError(
            f"{run.name} was imported and has no text to go on with: "
            f"bardling finetune {run.name} CORPUS"
        )
    if ended is not None and ended["stopped"] == "diverged":
        raise TrainingDiverged(
            f"{run.name} diverged at step {ended['last']['step']}, and would again; begin "
            "another with a lower --optimizer.lr or a longer --warmup-fraction"
        )
    if ended is not None:
        watcher.note(f"{run.name} has ended already, at step {ended['last']['step']}")
    return ended is not None


def require_rows(config: RunConfig, team: Team) -> int:
    """Return the most sequences of a batch that one process of a team takes.

    Raises `ConfigError` where not everyone has one in each part of a batch.
    """
    rows, parts = config.training.batch_size, config.training.accumulate
    if rows < parts * team.size:
        raise ConfigError(
            f"batch_size {rows} in {parts} parts leaves some of {team.size} processes without a "
            f"sequence: take a batch of at least {parts * team.size}, or fewer processes"
        )
    return -(-rows // team.size)


def _mend(run: RunFolder, checkpoint: Checkpoint, watcher: Watcher) -> None:
    """Free the places of later checkpoints that are not whole; bring back what a run has lost."""
    for step, folder in run.folders().items():
        if step > checkpoint.state.step:
            aside = storage.set_aside(folder)
            watcher.note(f"{folder} is not whole: set aside as {aside.name}")
    try:
        config = run.config()
    except BardlingError as error:
        watcher.note(f"{error}; it is brought back from {checkpoint.path.name}")
        storage.write_json(run.config_path, checkpoint.config.to_json())
        config = checkpoint.config
    # a run that ran out of memory takes its batches in more parts from then on
    changed = difference(config, checkpoint.config, besides=("accumulate",))
    if changed is not None:
        raise ConfigError(
            f"{run.config_path} was changed since {checkpoint.path.name} was written: {changed}; "
            "put it back, or start a new run"
        )
    try:
        load_tokenizer(run.path)
    except BardlingError as error:
        watcher.note(f"{error}; it is brought back from {checkpoint.path.name}")
        save_tokenizer(checkpoint.tokenizer, run.path)


def resolve(config: RunConfig, *, vocab_size: int, train_tokens: int) -> RunConfig:
    """Return the settings with what only the text tells: vocabulary size and number of steps."""
    training = config.training
    model = replace(config.model, vocab_size=vocab_size)
    config = replace(config, model=model)
    if seconds_of_budget(training.budget) is not None:
        return config  # how many steps that is, the machine will tell
    total_steps = config.budget_steps(train_tokens=train_tokens)
    if max(training.keep_at, default=0) > total_steps:
        raise ConfigError(
            f"keep_at names step {max(training.keep_at)}, but the run has {total_steps}"
        )
    interval = training.eval_interval(total_steps)
    return config.with_plan(Plan(total_steps=total_steps, eval_interval=interval))


def set_up(
    config: RunConfig, prepared: Prepared, run: RunFolder, *, note: Callable[[str], None] = warn
) -> None:
    """Write the folder of a run that begins; config.json last, as its seal.

    Raises `CorpusError` when a split is too short for one window to train on, or one token to
    predict. What was written before an error is taken away again.
    """
    tokenizer = prepared.tokenizer
    for folder in (run.path, run.tokens_path):
        storage.remove_leftovers(folder)  # of one that was killed here
    with storage.removed_on_error(run.tokens_path):
        index = prepared.put(run.tokens_path)
        train_tokens = prepared.epoch_tokens(index, config.model.block_size)
        resolved = resolve(config, vocab_size=tokenizer.vocab_size, train_tokens=train_tokens)
        save_tokenizer(tokenizer, run.path)
        with storage.removed_on_error(run.path):  # without tokens the seal must not stay
            if config.start:
                put_start(resolved, tokenizer, run, note)
            if isinstance(resolved.task, Distillation):
                put_teacher(resolved, tokenizer, run, note)
            storage.write_json(run.config_path, resolved.to_json())


def require_memory(config: RunConfig, *, batch_size: int, team: Team = ALONE) -> None:
    """Refuse a model that cannot be trained here, before anything is allocated.

    `batch_size` is the rows of one accumulated part.
    """
    kept = kept_states(config.optimizer)
    sequences = batch_size * config.task.sequences
    steps = training_memory(config.model, batch_size=sequences, **kept)
    copied = steps.weights + steps.optimizer  # to be saved
    needed = steps.total + fixed_memory(config.model) + (copied if team.rank == 0 else 0)
    needed += _teacher_bytes(config)
    if isinstance(config.task, Preference) and not is_beside(config.adapter):
        needed += steps.weights  # the reference
    if config.machine.parallel == "fsdp" and team.size > 1:
        shared = steps.weights + steps.gradients + steps.optimizer
        needed += steps.weights - shared * (team.size - 1) // team.size  # whole to validate
    there = physical_bytes()
    if needed > there:
        raise ConfigError(
            f"training this model, {sequences} sequences at a time, would hold about "
            f"{needed / 2**30:,.1f} GiB, and this machine has {there / 2**30:,.1f} GiB; "
            "take a smaller model or context, or a higher accumulate"
        )


def _teacher_bytes(config: RunConfig) -> int:
    """Return what the weights of a teacher take, 0 where there is none or it is gone."""
    before = RunFolder(Path(config.teacher)).known_config() if config.teacher else None
    return 0 if before is None else count_parameters(before.model).total * FLOAT_BYTES
