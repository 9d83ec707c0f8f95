"""Throwaway steps: to compile before the first real step, and to learn what a step costs.

Nothing of them stays: weights are put back bit for bit, the optimizers forget, and batches are
pure functions anyway. Only the kernels that torch.compile wrote remain.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from bardling.data.batches import BatchSource
from bardling.machine.memory import ran_out
from bardling.machine.team import Team
from bardling.training.config import TrainingConfig
from bardling.training.learner import Learner, Loss
from bardling.training.loop import take_steps
from bardling.training.plan import Plan

WARM_STEPS = 2
LEAST_STEPS = 5
LEAST_SECONDS = 1.5


def compile_learner(
    learner: Learner,
    compiled: Callable[[Loss], Loss],
    batches: BatchSource,
    config: TrainingConfig,
    note: Callable[[str], None],
) -> Learner:
    """Return the learner with its loss compiled, forward and backward, for each shape it meets.

    Where the compiler fails, `note` is told and the learner comes back as it was.
    """
    fast = replace(learner, loss=compiled(learner.loss))
    try:
        for rows in shapes(config):
            fast.backward(batches(0, rows), 1)
    except Exception as error:  # whatever a compiler may raise: training can do without it
        if ran_out(error):
            raise
        reason = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        note(f"torch.compile failed ({reason[:120]}); training goes on without it")
        return replace(
            learner,
            machine=replace(learner.machine, compiled=False, compile_reason="the compiler failed"),
        )
    finally:
        learner.optimizers.zero_grad()
    return fast


def step_seconds(
    learner: Learner, batches: BatchSource, config: TrainingConfig, limit: float = math.inf
) -> float:
    """Return the seconds of one step, measured on steps that leave no trace.

    They take about twice `limit` seconds at most where two steps take no longer.
    """
    saved = {name: p.detach().clone() for name, p in learner.model.named_parameters()}
    trial = replace(learner, scale=torch.amp.GradScaler(enabled=False))
    taking = take_steps(trial, batches, config, Plan(total_steps=10_000))
    steps = (taken.result for taken in taking)
    try:
        _mean_seconds(steps, WARM_STEPS, 0.0, limit, learner.machine.team)
        return _mean_seconds(steps, LEAST_STEPS, LEAST_SECONDS, limit, learner.machine.team)
    finally:
        learner.optimizers.forget()
        with torch.no_grad():
            for name, parameter in learner.model.named_parameters():
                parameter.copy_(saved[name])


def first_pass_seconds(learner: Learner, batches: BatchSource, config: TrainingConfig) -> float:
    """Return the seconds of a first batch there and back, which has to find its memory."""
    began = time.perf_counter()
    rows = range(-(-config.batch_size // config.accumulate))
    for _ in range(config.accumulate):
        learner.backward(batches(0, rows), 1)
    learner.optimizers.zero_grad()
    return time.perf_counter() - began


def _mean_seconds(
    steps: Iterator[object], least: int, least_seconds: float, limit: float, team: Team
) -> float:
    """Take so many steps for so many seconds, fewer where one more would pass `limit`.

    All of the team take equally many.
    """
    began, count = time.perf_counter(), 0
    while True:
        next(steps)
        count += 1
        spent = time.perf_counter() - began
        one = spent / count
        enough = spent + one > limit or (count >= least and spent >= least_seconds)
        if team.most(enough):
            return one


def shapes(config: TrainingConfig) -> list[range]:
    """Return rows of the first batch that show every shape its parts have."""
    small, rest = divmod(config.batch_size, config.accumulate)
    return [range(small)] + ([range(small + 1)] if rest else [])
