"""The trainer: one run, from where its folder says it stands to its end.

It decides when to log, validate, sample and save; how a checkpoint reaches the disk meanwhile is
left to saving.py. The steps themselves are taken by
training/loop.py, which knows nothing of that; how a run's folder comes about, and what is done
before a run can go on, is left to run.py; what lies on the bench before the first step (model,
optimizer, machine, tokens) is put there by workbench.py.
"""

import math
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from shlex import quote

from bardling.checkpoint import Checkpoint
from bardling.config import RunConfig
from bardling.data.batches import Ahead
from bardling.divergence import go_back
from bardling.errors import Interrupted, TrainingDiverged
from bardling.evaluation.samples import sample_text, samples_page
from bardling.introduction import facts_of
from bardling.machine.config import MachineConfig
from bardling.machine.stop import Leave, StopRequest
from bardling.machine.team import ALONE, Team
from bardling.outcome import whole_split, write_result
from bardling.pacing import Pace
from bardling.reporting.watcher import Watcher
from bardling.run_folder import RunFolder
from bardling.saving import Saver
from bardling.telling import Telling
from bardling.training.config import TrainingConfig, seconds_of_budget
from bardling.training.loop import take_steps
from bardling.training.state import RunState, finite
from bardling.training.step import TakenStep
from bardling.workbench import Workbench

SLOW_STEP_SECONDS = 3.0  # a stop does not wait for the end of a longer one


class Trainer:
    """One run, from where its folder says it stands to its end.

    `wishes` say where to compute when that is not what the run's config asks for, and `began`,
    by `time.perf_counter`, when the user began to wait. All of a `team` train it alike; what they
    must not decide each for itself, number 0 does.
    """

    def __init__(
        self,
        run: RunFolder,
        watcher: Watcher,
        checkpoint: Checkpoint | None = None,
        *,
        wishes: MachineConfig | None = None,
        began: float | None = None,
        team: Team = ALONE,
    ) -> None:
        self.run, self.watcher, self.team = run, watcher, team
        self.bench = Workbench(run, watcher.note, checkpoint, wishes=wishes, team=team)
        seconds = seconds_of_budget(self.settings.budget)
        known = self.bench.config.total_steps > 0  # a resumed run keeps its steps
        start = time.perf_counter() if began is None else began
        self.pace = None if seconds is None or known else Pace(seconds=seconds, began=start)
        self.stop = StopRequest(others=team.size > 1)
        interval = self.settings.log_interval_steps
        self.telling = Telling(run, watcher, interval=interval, due=self._validation_due)
        self.moving = False
        self.step_seconds = math.inf  # nobody knows yet: the first step is taken for a slow one
        conditions = self.bench.machine.conditions
        self.state = RunState(conditions=conditions)
        if checkpoint is not None:
            self.state = replace(checkpoint.state, conditions=conditions)
        self.saver = Saver(
            run, self.bench, watcher.note, -1 if checkpoint is None else self.state.step
        )

    @property
    def settings(self) -> TrainingConfig:
        """How the run is trained; out of memory, it goes on in smaller parts."""
        return self.bench.settings

    @property
    def config(self) -> RunConfig:
        """The run's settings, its steps included once they are worked out."""
        return self.bench.config

    def train(self) -> None:
        """Take the steps that are left; validate, save and log on the way.

        Raises `Interrupted` after a stop signal, with everything saved, and `TrainingDiverged`
        when the loss stays not finite.
        """
        with self.stop, self.bench.machine.exactly(), self.saver:
            try:
                self._prepare()
                if self._validation_pending():
                    self._validate()
                    self._save()
                self._finish(self._steps())
            except Leave:
                self._leave(self.stop.signal_number)

    def _prepare(self) -> None:
        """Compile, work out the steps of a budget in time, and cut the log to where we stand."""
        self.watcher.preparing(self.run.name, self.bench.machine.describe())
        findings = None
        with self.stop.at_once(farewell=self._farewell()):
            if self.settings.quick_checks and self.state.step == 0:
                findings = self.bench.quick_checks()  # before the clock of a budget is looked at
            self.bench.rehearse(self.pace)
        self.saver.prepare()
        self.state = replace(self.state, conditions=self.bench.machine.conditions)
        for member in self.bench.learner.optimizers.members:
            member.register_step_pre_hook(lambda *_: self._move())
        # a step that is still to be validated has no line in the log yet
        unreadable = self.run.forget_after(self.state.step - self._validation_pending())
        if unreadable:
            self.watcher.note(f"{self.run.metrics_path}: unreadable lines taken out: {unreadable}")
        if findings:
            self.watcher.checked(findings)
        self.watcher.started(facts_of(self.bench, self.state.step))

    def _steps(self) -> str:
        """Take steps until the budget is spent or patience is; return which."""
        steps = self._from_here()
        while not self._out_of_patience():
            try:
                taken = self._next(steps)
            except TrainingDiverged as error:
                self._tell()
                self._go_back(error)
                steps = self._from_here()
                continue
            except (MemoryError, RuntimeError) as error:
                self._tell()
                self.bench.fit(error, moving=self.moving)
                steps = self._from_here()
                continue
            if taken is None:
                self._tell()
                return "budget"
            self._count(taken)
            self.saver.look()
            if self._validation_due(self.state.step):
                self._validate()
                self._save()
            elif self._checkpoint_due():
                self._save()
            if asked := self.team.most(self.stop.signal_number):
                self._leave(asked)
            if self._replanned():
                steps = self._from_here()
        return "early"

    def _go_back(self, error: TrainingDiverged) -> None:
        """Go on from the last good checkpoint at a lower rate, where that is allowed."""
        self._settle()
        self.state = go_back(self.bench, self.run, self.state, error)
        self.saver.saved_step = self.state.step
        if self.pace is not None:
            self.pace.look_again()
        step, factor = self.state.step, self.state.lr_factor
        self.watcher.note(f"{error}. Back to step {step}, and on at {factor:g} of the rate")

    def _move(self) -> None:
        """Know that the optimizer has begun its step, which is not to be left or taken twice."""
        self.moving = True
        self.stop.finish()

    def _from_here(self) -> Iterator[TakenStep]:
        return take_steps(
            self.bench.learner,
            Ahead(self.bench.lesson.batches, self.bench.batch_tokens),
            self.settings,
            self.config.plan,
            start_step=self.state.step,
            failures=self.state.failures,
            lr_factor=self.state.lr_factor,
        )

    def _next(self, steps: Iterator[TakenStep]) -> TakenStep | None:
        """Take one step; a stop does not wait for the end of a slow one."""
        slow, self.moving = self.step_seconds > SLOW_STEP_SECONDS, False
        began = time.perf_counter()
        with self.stop.at_once() if slow else nullcontext():
            taken = next(steps, None)
        self.step_seconds = time.perf_counter() - began
        return taken

    def _replanned(self) -> bool:
        """Put the steps of a budget in time right, and tell whether that was done."""
        if self.pace is None:
            return False
        numbers = self.team.first(self._better_numbers)
        if not numbers:
            return False
        self._tell()
        better = self.config.plan.replanned(self.state.step, *numbers)
        self.bench.follow(better)
        self.watcher.replanned(better.total_steps)
        return True

    def _better_numbers(self) -> list[int]:
        """Return the steps that a budget in time buys after all, and those between validations.

        Nothing where the plan will do.
        """
        better = self.pace and self.pace.better_plan(
            self.config.plan,
            self.state.step,
            newest_is_best=self.state.validations_since_best == 0,
        )
        return [better.total_steps, better.eval_interval] if better else []

    def _leave(self, signal_number: int) -> None:
        """Save what is not saved and end, as the signal asked."""
        if self.state.step and self.saver.saved_step < self.state.step:
            self._save()
        self._settle()
        raise Interrupted(self._farewell(), signal_number)

    def _farewell(self) -> str:
        where = "stopped before the first step"
        if self.state.step:
            where = f"stopped at step {self.state.step} of {self.config.total_steps}, saved"
        return f"{where}; go on with: bardling train --resume {quote(str(self.run.path))}"

    def _validation_due(self, step: int) -> bool:
        return self.config.plan.validates(step)

    def _validation_pending(self) -> bool:
        return self._validation_due(self.state.step) and self.state.validated != self.state.step

    def _checkpoint_due(self) -> bool:
        step, interval = self.state.step, self.settings.checkpoint_interval_steps
        return step in self.settings.keep_at or (interval > 0 and step % interval == 0)

    def _out_of_patience(self) -> bool:
        return 0 < self.settings.patience <= self.state.validations_since_best

    def _count(self, taken: TakenStep) -> None:
        """Count a step, and tell of it as soon as its figures are here."""
        self._tell()
        self.state = self.telling.count(taken, self.step_seconds, self.state)
        if taken.here:
            self._tell()

    def _tell(self) -> None:
        """Tell of the last step if that is still to be done."""
        self.state = self.telling.tell(self.state, self.bench.learner.scale.state_dict())

    def _validate(self) -> None:
        """Measure both losses by the same protocol, write a sample, note a new best."""
        self._tell()
        bench = self.bench
        with self.stop.at_once():
            model = bench.model()
            train, val = bench.validation.during_run(model)
            sample = sample_text(
                model,
                bench.tokenizer,
                n_tokens=self.settings.sample_tokens,
                seed=self.settings.seed,
            )
        self.state = self.state.after_validation(val.loss)
        measured = {"train_loss": finite(train.loss), **val.to_json(), "sample": sample}
        record = self.telling.validation(self.state, measured)
        if self.run.writes:
            self.run.write_samples(samples_page(self.run.name, self.run.metrics()))
        self.watcher.validated(record, best=self.state.best_step == self.state.step)

    def _save(self) -> None:
        """Write a checkpoint of this step where there is none, then let old ones go."""
        self._tell()
        self._settle()  # without the limit in time of what comes in the midst of a step
        self.saver.save(self.state)

    def _settle(self) -> None:
        """Wait until what was saved is on the disk, for all who are to read it or to leave."""
        self.team.first(self.saver.settle)

    def _finish(self, stopped: str) -> None:
        """Measure the last and the best step on the whole split and write the outcome."""
        self._settle()
        self.saver.let_go(self.state)
        with self.stop.at_once():
            last, best, best_step = whole_split(self.bench, self.run, self.state, self.watcher.note)
        result = self.team.first(  # nobody is done before it is written
            lambda: write_result(
                self.run,
                self.state,
                stopped=stopped,
                last={"step": self.state.step, **last.to_json()},
                best={"step": best_step, **best.to_json()},
            )
        )
        self.watcher.finished(result, str(self.run.path))
