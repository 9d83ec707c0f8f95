"""The trainer: one run, from where its folder says it stands to its end.

It decides when to log, validate, sample and save. The steps themselves are taken by
training/loop.py, which knows nothing of that; how a run's folder comes about, and what is done
before a run can go on, is left to run.py.
"""

import time
from dataclasses import replace
from shlex import quote

import torch

from bardling import storage
from bardling.checkpoint import (
    Checkpoint,
    load_checkpoint,
    load_weights,
    prune_checkpoints,
    save_checkpoint,
)
from bardling.data.batches import Windows
from bardling.data.token_file import open_tokens
from bardling.errors import CheckpointError, Interrupted
from bardling.evaluation.samples import sample_text, samples_page
from bardling.evaluation.validation import Validation
from bardling.machine.exactness import exact_arithmetic
from bardling.machine.meter import Meter
from bardling.machine.stop import StopRequest
from bardling.model.gpt import GPT
from bardling.reporting.watcher import RunFacts, Watcher
from bardling.run_folder import RunFolder
from bardling.text.tokenizer_file import load_tokenizer
from bardling.training.loop import training_steps
from bardling.training.objective import pretraining_loss
from bardling.training.optimizers import build_optimizer, decay_groups, restore_state
from bardling.training.state import RunState, finite
from bardling.training.step import StepResult

STEP_KEYS = ("loss", "lr", "grad_norm", "tokens_per_second")


class Trainer:
    """One run, from where its folder says it stands to its end."""

    def __init__(
        self, run: RunFolder, watcher: Watcher, checkpoint: Checkpoint | None = None
    ) -> None:
        self.run, self.watcher = run, watcher
        self.config = run.config()
        self.settings = settings = self.config.training
        self.eval_interval = settings.eval_interval(self.config.total_steps)
        self.tokenizer = load_tokenizer(run.path)
        train, val = (
            open_tokens(run.tokens_path(split), tokenizer=self.tokenizer)
            for split in ("train", "val")
        )
        self.windows = Windows(
            tokens=train,
            block_size=self.config.model.block_size,
            batch_size=settings.batch_size,
            order=self.config.data.order,
            seed=settings.seed,
            split="train",
        )
        self.batch_tokens = settings.batch_size * self.config.model.block_size
        self.validation = Validation(
            train=train,
            val=val,
            batch_size=-(-settings.batch_size // settings.accumulate),
            interval_tokens=self.eval_interval * self.batch_tokens,
        )
        self.model = GPT(self.config.model, seed=settings.seed)
        self.optimizer = build_optimizer(self.model, self.config.optimizer)
        self.meter = Meter()
        self.latest: dict[str, float | None] = dict.fromkeys(STEP_KEYS)
        self.state = RunState(threads=torch.get_num_threads(), torch_version=torch.__version__)
        self.begun = checkpoint is not None
        if checkpoint is not None:
            self._take_over(checkpoint)
        unreadable = run.forget_after(self.state.step if self.begun else -1)
        if unreadable:
            watcher.note(f"{run.metrics_path}: unreadable lines taken out: {unreadable}")

    def train(self) -> None:
        """Take the steps that are left; validate, save and log on the way.

        Raises `Interrupted` after a stop signal, with everything saved, and `TrainingDiverged`
        when the loss stays not finite.
        """
        self.watcher.started(self._facts())
        with StopRequest() as stop, exact_arithmetic():
            if not self.begun:
                self._validate()
                self._save()
            stopped = self._steps(stop)
            self._finish(stopped)

    def _steps(self, stop: StopRequest) -> str:
        """Take steps until the budget is spent or patience is; return which."""
        steps = training_steps(
            self.model,
            self.optimizer,
            pretraining_loss,
            self.windows.batch,
            self.settings,
            lr=self.config.optimizer.lr,
            total_steps=self.config.total_steps,
            start_step=self.state.step,
            failures=self.state.failures,
        )
        while not self._out_of_patience():
            began = time.perf_counter()
            result = next(steps, None)
            if result is None:
                return "budget"
            self._count(result, time.perf_counter() - began)
            if self._validation_due():
                self._validate()
                self._save()
            elif stop or self._checkpoint_due():
                self._save()
            if stop:
                raise Interrupted(
                    f"stopped at step {self.state.step} of {self.config.total_steps}, saved; "
                    f"go on with: bardling train --resume {quote(str(self.run.path))}",
                    stop.signal_number,
                )
        return "early"

    def _validation_due(self) -> bool:
        step = self.state.step
        return step % self.eval_interval == 0 or step == self.config.total_steps

    def _checkpoint_due(self) -> bool:
        step, interval = self.state.step, self.settings.checkpoint_interval_steps
        return step in self.settings.keep_at or (interval > 0 and step % interval == 0)

    def _out_of_patience(self) -> bool:
        return 0 < self.settings.patience <= self.state.validations_since_best

    def _count(self, result: StepResult, seconds: float) -> None:
        """Count a step and write it to the log when its turn has come."""
        self.meter.add(result.tokens, seconds)
        self.state = self.state.after_step(result, seconds)
        self.watcher.stepped(result, self.meter.rate)
        if not result.applied:
            self.watcher.note(f"step {result.step}: loss or gradient not finite, not applied")
        figures = (finite(result.loss), result.lr, finite(result.grad_norm), self.meter.rate)
        self.latest = dict(zip(STEP_KEYS, figures, strict=True))
        wanted = result.step % self.settings.log_interval_steps == 0 or not result.applied
        if wanted and not self._validation_due():  # a validation writes the step into its own line
            self.run.log({**self.state.place, **self.latest})
            self.meter = Meter()

    def _validate(self) -> None:
        """Measure both losses by the same protocol, write a sample, note a new best."""
        train, val = self.validation.during_run(self.model)
        self.state = self.state.after_validation(val.loss)
        record = {
            **self.state.place,
            **self.latest,
            "train_loss": finite(train.loss),
            "val_loss": finite(val.loss),
            "val_tokens": val.tokens,
            "sample": sample_text(
                self.model,
                self.tokenizer,
                n_tokens=self.settings.sample_tokens,
                seed=self.settings.seed,
            ),
        }
        self.run.log(record)
        self.meter = Meter()
        storage.write_text(self.run.samples_path, samples_page(self.run.name, self.run.metrics()))
        self.watcher.validated(record, best=self.state.best_step == self.state.step)

    def _save(self) -> None:
        """Write a checkpoint of this step, then let old ones go."""
        save_checkpoint(
            self.run.checkpoint_path(self.state.step),
            model=self.model,
            optimizer=self.optimizer,
            config=self.config,
            tokenizer=self.tokenizer,
            state=self.state,
        )
        newest = self.run.steps()[-self.settings.keep_last :]
        kept = {0, self.state.best_step, *self.settings.keep_at, *newest}
        prune_checkpoints(self.run, kept, self.watcher.note)

    def _finish(self, stopped: str) -> None:
        """Measure the last and the best step on the whole split and write the outcome."""
        last = best = self.validation.whole(self.model).loss
        best_step = self.state.step
        if self.state.best_step != self.state.step:
            try:
                checkpoint = load_checkpoint(self.run.checkpoint_path(self.state.best_step))
                loss = self.validation.whole(checkpoint.build_model()).loss
                if not loss >= best:  # chosen on a subset, it may be worse on the whole
                    best, best_step = loss, self.state.best_step
            except CheckpointError as error:
                self.watcher.note(f"{error}; the last step stands for the best")
        result = {
            "stopped": stopped,
            "last": {"step": self.state.step, "val_loss": finite(last)},
            "best": {"step": best_step, "val_loss": finite(best)},
            "tokens": self.state.tokens,
            "seconds": round(self.state.seconds, 3),
        }
        storage.write_json(self.run.result_path, result)
        self.watcher.finished(result, str(self.run.path))

    def _take_over(self, checkpoint: Checkpoint) -> None:
        """Stand where a checkpoint stood; say so when the bits may differ from here on."""
        if checkpoint.tokenizer.sha256 != self.tokenizer.sha256:
            raise CheckpointError(
                f"{checkpoint.path} was written with another tokenizer than {self.run.path} holds"
            )
        load_weights(self.model, checkpoint.weights, str(checkpoint.path))
        restore_state(self.model, self.optimizer, checkpoint.optimizer)
        now, then = self.state, checkpoint.state
        if (now.threads, now.torch_version) != (then.threads, then.torch_version):
            self.watcher.note(
                f"this run was trained with {then.threads} threads of torch {then.torch_version} "
                f"and goes on with {now.threads} of {now.torch_version}: "
                "the result may differ in the last bits"
            )
        self.state = replace(then, threads=now.threads, torch_version=now.torch_version)

    def _facts(self) -> RunFacts:
        named = dict(self.model.named_parameters())
        decayed, _ = decay_groups(self.model)
        return RunFacts(
            name=self.run.name,
            corpus=self.config.data.corpus,
            train_tokens=len(self.validation.train),
            val_tokens=len(self.validation.val),
            vocab_size=self.tokenizer.vocab_size,
            parameters=sum(p.numel() for p in named.values()),
            decayed=sum(named[name].numel() for name in decayed),
            start_step=self.state.step,
            total_steps=self.config.total_steps,
            batch_tokens=self.batch_tokens,
            val_subset_tokens=self.validation.subset_tokens,
        )
