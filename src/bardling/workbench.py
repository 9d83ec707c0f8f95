"""What lies ready before the first step: tokens, model, optimizer, and the machine they are on.

`Workbench` builds it from a run's folder and, on a resume, from its checkpoint; `rehearse`
compiles, and turns a budget in time into steps. The steps themselves are the trainer's.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from typing import TypeVar

from bardling.beginning import read_start
from bardling.checkpoint import Checkpoint, load_weights
from bardling.config import RunConfig
from bardling.costing import measured_costs
from bardling.data.token_folder import SPLITS, open_split
from bardling.errors import CheckpointError, OutOfMemory
from bardling.evaluation.checks.finding import Finding
from bardling.evaluation.checks.quick import quick_checks
from bardling.evaluation.validation import Validation
from bardling.kernels.choice import obstacle, with_kernels
from bardling.lesson import lesson_for
from bardling.machine.compiling import NO_GRAPHS, compiled, expected_seconds
from bardling.machine.config import MachineConfig
from bardling.machine.machine import Machine, choose_machine
from bardling.machine.memory import keep_freed_memory, ran_out
from bardling.machine.precision import loss_scale
from bardling.machine.shards import here, share_out, sharing, whole
from bardling.machine.team import ALONE, Team
from bardling.model.gpt import GPT
from bardling.model.lora import wrap
from bardling.model.size import count_parameters
from bardling.pacing import Costs, Pace
from bardling.run_folder import RunFolder
from bardling.seen import training_windows
from bardling.text.tokenizer_file import load_tokenizer
from bardling.training.config import seconds_of_budget
from bardling.training.learner import Learner, build_learner
from bardling.training.optimizers import restore_state
from bardling.training.plan import Plan
from bardling.training.rehearsal import compile_learner

FLOPS_PER_WEIGHT = 6  # of a training step, for each token: two forward, four backward
MEASURING_SHARE = 0.1  # of the time that is left, for steps and for evaluations each
Found = TypeVar("Found")


class Workbench:
    """A run's tokens, model and optimizer on a machine; a checkpoint's, where there is one."""

    def __init__(
        self,
        run: RunFolder,
        note: Callable[[str], None],
        checkpoint: Checkpoint | None,
        *,
        wishes: MachineConfig | None = None,
        team: Team = ALONE,
    ) -> None:
        keep_freed_memory()
        self.run, self.note = run, note
        self.config: RunConfig = _with_interval(run.config())
        self.settings = self.config.training
        self.tokenizer = load_tokenizer(run.path)
        self.train, self.val = (
            open_split(run.tokens_path, split, self.tokenizer) for split in SPLITS
        )
        self.batch_tokens = self.config.batch_tokens
        self.lesson = lesson_for(self.config, run, self.train, self.val, self.tokenizer)
        self.documents = self.lesson.documents
        self.goes_on = checkpoint is not None
        self.before = None if checkpoint is None else checkpoint.state.conditions
        asked = wishes or self.config.machine
        machine = choose_machine(
            asked,
            train_seconds=self._expected_seconds(),
            before=self.before,
            obstacle=partial(obstacle, self.config.model, self.config.adapter),
            team=sharing(team) if asked.parallel == "fsdp" else team,
        )
        self.machine: Machine = with_kernels(machine)
        self.plain = self.learner = self._learner(checkpoint)

    def model(self) -> GPT:
        """Return the model with all its weights; the compiled form shares them.

        Where they are shared out, this is a copy, and all processes have to ask for it.
        """
        model = self.learner.model
        if not self.machine.team.sharing:
            return model
        gathered = GPT(self.config.model).to(self.machine.device, self.machine.dtype)
        for mine, shared in zip(gathered.parameters(), model.parameters(), strict=True):
            mine.data.copy_(whole(shared.detach()))
        return gathered

    @property
    def is_finite(self) -> bool:
        """Whether all weights are finite numbers, everywhere."""
        bad = not all(bool(here(p).isfinite().all()) for p in self.learner.parameters)
        return not self.machine.team.most(bad)

    @cached_property
    def validation(self) -> Validation:
        """The run's validations, all of as many tokens; their interval has to be known."""
        return self._validation(self.config.plan.first_interval)

    def rehearse(self, pace: Pace | None) -> None:
        """Compile where that was chosen, and turn a budget in time into steps.

        Leaves no trace but kernels and a budget's steps; tells what keeps it from being bitwise.
        """
        if self.machine.compiled:
            self.learner = self.fitting(self._compiled)
            self.machine = self.learner.machine
        if changes := self._changes():
            self.note(f"not bitwise what the uninterrupted run would be: {changes}")
        self.learner = self.learner.bound()
        if pace is not None and not self.config.total_steps:
            costs = self.fitting(lambda: self.costs(MEASURING_SHARE * pace.left))
            steps, interval = self.machine.team.first(lambda: self._first_numbers(pace, costs))
            self.follow(Plan(total_steps=steps, eval_interval=interval))
            if pace.too_short:
                self.note(
                    "starting, one step and the final measurements alone take longer than the "
                    f"budget of {self.settings.budget}"
                )

    def fit(self, error: Exception, *, moving: bool = False) -> None:
        """Cut batches into twice as many parts, from now on and in every resume.

        That is the cure where `error` says that memory ran out; any other is raised again. Raises
        `OutOfMemory` when a part is one sequence already, or where the weights were being moved.
        """
        if not ran_out(error):
            raise error
        if moving:
            raise OutOfMemory(
                "memory ran out while the weights were moved, so this step is lost and the last "
                "checkpoint stands; take an optimizer that keeps less (sgd), or a smaller model"
            ) from error
        self.learner.optimizers.zero_grad()
        accumulate, rows = self.settings.accumulate, self.settings.batch_size
        if self.machine.team.size > 1:  # whose others are in the midst of the same step
            raise OutOfMemory(
                f"memory ran out in one of {self.machine.team.size} processes: go on with a higher "
                f"--accumulate than {accumulate}, or begin with a smaller batch or model"
            ) from error
        if accumulate == rows:
            raise OutOfMemory(
                "a single sequence does not fit into memory: take a shorter context "
                f"(--block-size, now {self.config.model.block_size}), then a narrower model "
                f"(--n-embd, now {self.config.model.n_embd})"
            )
        self.config = self.config.with_overrides(accumulate=min(2 * accumulate, rows))
        self.settings = self.config.training
        self.__dict__.pop("validation", None)  # which reads as many rows at a time
        self.run.write_config(self.config)
        part = -(-rows // self.settings.accumulate)
        self.note(
            f"out of memory: batches of {rows} are taken in {self.settings.accumulate} parts from "
            f"now on, {part} sequences at a time; the result is the same but for rounding"
        )
        if self.config.machine.compile == "graphs" and self.learner is not self.plain:
            self.note(NO_GRAPHS)  # it compiles at its next step, when the failed one is forgotten
            self.learner = replace(self.plain, loss=compiled(self.plain.loss, wish="on"))

    def _compiled(self) -> Learner:
        wish = self.config.machine.compile
        if wish == "graphs" and self.settings.accumulate > 1:
            wish = "on"
            self.note(NO_GRAPHS)
        way = partial(compiled, wish=wish)
        return compile_learner(self.plain, way, self.lesson.batches, self.settings, self.note)

    def _changes(self) -> str:
        """Say what the run was computed on before where that is not what it goes on with."""
        if not self.goes_on:
            return ""
        if self.before is None:
            return "it is not known what it was computed on"
        return "; ".join(self.before.changes(self.machine.conditions))

    def quick_checks(self) -> list[Finding]:
        """Look for common faults, at the price of a few forward passes."""
        if not self.lesson.checked:
            return []
        fresh = not self.config.start
        windows = training_windows(self.config, self.train, self.tokenizer)
        return quick_checks(self.model(), self.tokenizer, windows, self.val, fresh=fresh)

    def _first_numbers(self, pace: Pace, costs: Costs) -> list[int]:
        plan = pace.first_plan(
            costs,
            lambda every: self._validation(every).subset_tokens or len(self.val),
            self.settings.eval_interval_steps,
        )
        return [plan.total_steps, plan.eval_interval]

    def follow(self, plan: Plan) -> None:
        """Write the steps of the run into its config."""
        self.config = self.config.with_plan(plan)
        self.run.write_config(self.config)

    def fitting(self, work: Callable[[], Found]) -> Found:
        """Do some work, in smaller parts where memory runs out."""
        while True:
            try:
                return work()
            except (MemoryError, RuntimeError) as error:
                self.fit(error)

    def costs(self, limit: float = math.inf) -> Costs:
        """Return what steps, validations, samples and saves take here, measured without a trace.

        Where steps or evaluations are slow, each is measured for about `limit` seconds only.
        """
        batches, validation = self.lesson.batches, self._validation(1)
        return measured_costs(
            self.learner, self.model(), self.settings, batches, validation, self.tokenizer, limit
        )

    def _validation(self, eval_interval: int) -> Validation:
        n_processes = self.machine.team.size
        return self.lesson.validation(
            train=self.train,
            val=self.val,
            batch_size=-(-self.settings.batch_size // (self.settings.accumulate * n_processes)),
            interval_tokens=eval_interval * self.batch_tokens,
            machine=self.machine,
            block_size=self.config.model.block_size,
            documents=self.documents,
            token_sizes=self.tokenizer.token_sizes,
            counted=self.lesson.counted,
        )

    def _expected_seconds(self) -> float:
        """Return roughly how long the run will train, to decide by."""
        seconds = seconds_of_budget(self.settings.budget)
        if seconds is not None:
            return seconds
        weights = count_parameters(self.config.model).total
        flops = FLOPS_PER_WEIGHT * weights * self.batch_tokens * self.config.total_steps
        return expected_seconds(flops)

    def _learner(self, checkpoint: Checkpoint | None) -> Learner:
        """Build the model and its optimizer, at their beginning or as a checkpoint had them."""
        model = GPT(self.config.model, seed=self.settings.seed)
        if checkpoint is None and self.config.start:
            load_weights(model, read_start(self.run), str(self.run.path))
        model = wrap(model, self.config.adapter, seed=self.settings.seed)
        model = model.to(self.machine.device, self.machine.dtype)
        if self.machine.team.sharing:
            share_out(model, model.blocks, self.machine.device.type)
        objective = self.lesson.objective(self.machine)
        learner = build_learner(
            model, self.config.optimizer, self.machine, objective, self.lesson.count
        )
        if checkpoint is None:
            return learner
        if checkpoint.tokenizer.sha256 != self.tokenizer.sha256:
            raise CheckpointError(
                f"{checkpoint.path} was written with another tokenizer than {self.run.path} holds"
            )
        return self._as_in(checkpoint, learner)

    def put_back(self, checkpoint: Checkpoint) -> None:
        """Let model, optimizer and loss scale be as a checkpoint has them."""
        self.learner = self._as_in(checkpoint, self.learner)

    def _as_in(self, checkpoint: Checkpoint, learner: Learner) -> Learner:
        load_weights(learner.model, checkpoint.weights, str(checkpoint.path))
        learner.optimizers.forget()
        restore_state(learner.model, learner.optimizers, checkpoint.optimizer)
        stood = checkpoint.state.loss_scale
        return replace(
            learner, scale=loss_scale(self.machine.device, self.machine.precision, stood)
        )


def _with_interval(config: RunConfig) -> RunConfig:
    """Return the config with its steps between validations, which older runs did not write."""
    if config.eval_interval or not config.total_steps:
        return config
    interval = config.training.eval_interval(config.total_steps)
    return config.with_plan(replace(config.plan, eval_interval=interval))
