"""Before a long run: is everything put together as it was meant?

    for finding in bardling.check("shakespeare"):
        print(finding.outcome, finding.name, finding.detail)

It builds what a run would train and asks every check about it. Nothing is written, and the model
that is looked at is thrown away. The quick ones among the checks also open every run.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from warnings import warn

from bardling.config import RunConfig
from bardling.data.batches import Windows
from bardling.data.prepare import Prepared, prepare
from bardling.data.token_folder import SPLITS
from bardling.data.tokens import Tokens, require_length
from bardling.evaluation.checks.finding import Finding
from bardling.evaluation.checks.forward import devices, first_loss, no_future, shapes
from bardling.evaluation.checks.gradients import gradients
from bardling.evaluation.checks.overfit import one_batch
from bardling.evaluation.checks.quick import FUTURE_TOKENS, LOOK_TOKENS, targets
from bardling.evaluation.checks.steps import (
    agreeing,
    copied_learner,
    every_parameter_moves,
    falling,
    first_steps,
    rate,
    used_rates,
)
from bardling.evaluation.checks.text import PART_CHARACTERS, round_trip
from bardling.kernels.choice import obstacle
from bardling.machine.config import DeviceWish
from bardling.machine.machine import Machine, choose_machine, plain_machine
from bardling.model.gpt import GPT
from bardling.presets.table import config_for
from bardling.run import require_memory
from bardling.text.tokenizer import Tokenizer
from bardling.training.config import seconds_of_budget
from bardling.training.plan import Plan

STEP_TOKENS = 2048
"""Tokens of a step here at most: a run of huge batches is checked on their first rows."""
FIRST_STEPS, AFTER_STEPS, COMPARED_STEPS = 20, 3, 5
QUICK_WARMUP, GENTLE_WARMUP = 5, 100
CHECKED_TOKENS = 2**24
"""Of each split, at most: the beginning of a large corpus stands for all of it."""
NOMINAL_STEPS = 1000
"""Length of the schedule that is checked where only the run itself can tell."""

Note = Callable[[str], None]


def check(
    corpus: str | Path = "shakespeare",
    *,
    device: DeviceWish | None = None,
    data_dir: str | Path | None = None,
    **overrides: Any,
) -> list[Finding]:
    """Check a run before it is made: all arguments are those of `train`.

    `device` names one whose losses are compared with the processor's; without it, the run's own
    is. Raises `UsageError` when it is not there.
    """
    config = config_for(str(corpus), overrides.get("budget")).with_overrides(**overrides)
    folder = None if data_dir is None else Path(data_dir)
    return list(check_config(config, device=device, data_dir=folder))


def check_config(
    config: RunConfig,
    *,
    device: DeviceWish | None = None,
    data_dir: Path | None = None,
    note: Note = warn,
) -> Iterator[Finding]:
    """Yield what each check found, as soon as it is known."""
    wishes = replace(config.machine, device=device or config.machine.device, compile="off")
    machine = choose_machine(wishes, train_seconds=0.0, obstacle=partial(obstacle, config.model))
    rows = min(config.training.batch_size, -(-STEP_TOKENS // config.model.block_size))
    require_memory(config, batch_size=rows)
    prepared = prepare(config.data, data_dir=data_dir, note=note)
    subject = _subject(config, prepared, machine, rows)
    with machine.exactly():
        texts = [prepared.text(split)[:PART_CHARACTERS] for split in SPLITS]
        yield round_trip(prepared.tokenizer, texts, unknown=config.data.unknown)
        yield from subject.forward_checks()
        yield from subject.step_checks()


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is checked: all that a run begins with, its batches cut to their first rows."""

    config: RunConfig
    tokenizer: Tokenizer
    val: Tokens
    machine: Machine
    windows: Windows
    plan: Plan
    model: GPT

    def forward_checks(self) -> Iterator[Finding]:
        """Yield what forward passes show."""
        n_rows = min(self.windows.batch_size, -(-LOOK_TOKENS // self.windows.block_size))
        batch = self.windows.batch(0, range(n_rows)).to(self.model.device)
        yield targets(self.windows, self.val, n_rows=n_rows)
        yield shapes(self.model, batch, n_tokens=self.tokenizer.vocab_size)
        yield devices(self.model, batch)
        yield first_loss(self.model, batch)
        yield no_future(self.model, batch.inputs[:1, :FUTURE_TOKENS])

    def step_checks(self) -> Iterator[Finding]:
        """Yield what steps show, each time on a fresh copy of the model."""
        training, optimizer = self.config.training, self.config.optimizer
        learner = copied_learner(self.model, optimizer, self.machine)
        yield every_parameter_moves(learner.model, learner.optimizers)
        batches = self.windows.batch
        rates = used_rates(learner, batches, training, self.plan, optimizer, AFTER_STEPS)
        yield rate(rates, training, self.plan)
        learner = copied_learner(self.model, optimizer, self.machine)
        steps = first_steps(learner, batches, training, warmup_steps=QUICK_WARMUP)
        losses = list(islice(steps, AFTER_STEPS))
        yield gradients(learner.model, batches(AFTER_STEPS))
        yield falling(lambda: losses + list(islice(steps, FIRST_STEPS - AFTER_STEPS)))
        yield one_batch(self.model, batches(0))
        if (self.machine.device.type, self.machine.precision) != ("cpu", "fp32"):
            yield agreeing(
                self._gentle_losses(plain_machine()),
                self._gentle_losses(self.machine),
                place=self.machine.device.type,
                precision=self.machine.precision,
            )

    def _gentle_losses(self, machine: Machine) -> list[float]:
        """Return losses of steps so short that rounding does not grow, on a machine."""
        learner = copied_learner(self.model, self.config.optimizer, machine)
        steps = first_steps(
            learner, self.windows.batch, self.config.training, warmup_steps=GENTLE_WARMUP
        )
        return list(islice(steps, COMPARED_STEPS))


def _subject(config: RunConfig, prepared: Prepared, machine: Machine, rows: int) -> Subject:
    """Build what a run would begin with."""
    train, val = (prepared.beginning(split, CHECKED_TOKENS) for split in SPLITS)
    require_length(len(train), config.model.block_size, "train")
    require_length(len(val), 1, "val")
    accumulate = min(config.training.accumulate, rows)
    training = replace(config.training, batch_size=rows, accumulate=accumulate)
    model = replace(config.model, vocab_size=prepared.tokenizer.vocab_size)
    steps = NOMINAL_STEPS
    if seconds_of_budget(config.training.budget) is None:
        steps = config.budget_steps(train_tokens=len(train))
    return Subject(
        config=replace(config, model=model, training=training),
        tokenizer=prepared.tokenizer,
        val=val,
        machine=machine,
        windows=Windows(
            tokens=train,
            block_size=model.block_size,
            batch_size=rows,
            order=config.data.order,
            seed=training.seed,
            end_token=prepared.tokenizer.end_token,
        ),
        plan=Plan(total_steps=steps),
        model=GPT(model, seed=training.seed).to(machine.device, machine.dtype),
    )
