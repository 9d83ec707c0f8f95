"""Checks on what first steps gave: the optimizer's parameters and rates, and the losses.

The steps are taken by the loop that trains, on a copy of the model.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import torch

from bardling.data.batches import BatchSource
from bardling.errors import TrainingDiverged
from bardling.evaluation.checks.finding import Finding, failed, passed
from bardling.machine.machine import Machine
from bardling.model.gpt import GPT
from bardling.training.config import TrainingConfig
from bardling.training.learner import Learner, build_learner
from bardling.training.loop import take_steps
from bardling.training.objective import pretraining_loss
from bardling.training.optimizer_config import Muon, OptimizerConfig
from bardling.training.optimizers import Optimizers
from bardling.training.plan import Plan
from bardling.training.schedule import lr_fraction_of_step

OPTIMIZER, RATE, FALLING = "optimizer", "rate", "first losses"
ENDS = 5
"""Losses at each end of the first ones whose means are compared."""

AGREE_NATS = {"fp64": 1e-4, "fp32": 1e-4, "fp16": 5e-3, "bf16": 1e-2}
"""How far the losses of gentle first steps may lie from the processor's in fp32, by precision;
bf16 on AMX stays within 0.0006 in three presets. Steps at the full rate drift apart 0.02 and more
however right they are, so their losses would show nothing."""


def copied_learner(model: GPT, optimizer: OptimizerConfig, machine: Machine) -> Learner:
    """Return what trains a copy of `model` on `machine`, as a run would."""
    copy = deepcopy(model).to(machine.device, machine.dtype)
    return build_learner(copy, optimizer, machine, pretraining_loss)


def first_steps(
    learner: Learner, batches: BatchSource, config: TrainingConfig, *, warmup_steps: int
) -> Iterator[float]:
    """Yield the losses of first steps whose rate rises to its highest within `warmup_steps`.

    The run's own warm-up may be so long that nothing happens in its first steps.
    """
    steps = 100 * warmup_steps
    short = replace(config, schedule="constant", warmup_fraction=warmup_steps / steps)
    for taken in take_steps(learner, batches, short, Plan(total_steps=steps)):
        yield taken.result.loss


def every_parameter_moves(model: GPT, optimizers: Optimizers) -> Finding:
    """Check that the optimizers hold each parameter exactly once."""
    groups = optimizers.param_groups
    held = [id(parameter) for group in groups for parameter in group["params"]]
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            return failed(OPTIMIZER, f"{name} asks for no gradient, so nothing moves it")
        if held.count(id(parameter)) != 1:
            return failed(OPTIMIZER, f"{name} is in {held.count(id(parameter))} of its groups")
    kinds = " and ".join(type(member).__name__ for member in optimizers.members)
    return passed(
        OPTIMIZER, f"{kinds}: each of {len(held)} parameters is in one of {len(groups)} groups"
    )


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What the first steps used: for each step the rate of each group, and which was highest."""

    used: list[list[float]]
    peaks: list[float]
    """The highest rate of each group, as the settings have it."""


def used_rates(
    learner: Learner,
    batches: BatchSource,
    config: TrainingConfig,
    plan: Plan,
    optimizer: OptimizerConfig,
    n_steps: int,
) -> Rates:
    """Take first steps of a run and read the rates off its optimizer after each."""
    peaks = [
        optimizer.muon_lr
        if isinstance(optimizer, Muon) and isinstance(member, torch.optim.Muon)
        else optimizer.lr
        for member in learner.optimizers.members
        for _ in member.param_groups
    ]
    steps = (taken.result for taken in take_steps(learner, batches, config, plan))
    used = []
    for _ in range(min(n_steps, plan.total_steps)):
        next(steps)
        used.append([float(group["lr"]) for group in learner.optimizers.param_groups])
    return Rates(used=used, peaks=peaks)


def rate(rates: Rates, config: TrainingConfig, plan: Plan) -> Finding:
    """Check that each group used its highest rate times the schedule's fraction."""
    for step, used in enumerate(rates.used):
        fraction = lr_fraction_of_step(config, step, plan)
        for here, peak in zip(used, rates.peaks, strict=True):
            if not math.isclose(here, peak * fraction, rel_tol=1e-9, abs_tol=1e-300):
                return failed(
                    RATE,
                    f"step {step + 1} used {here:.3g}, and the schedule has {peak * fraction:.3g} "
                    f"({fraction:.3g} of {peak:g})",
                )
    listed = ", ".join(f"{max(used):.3g}" for used in rates.used)
    return passed(
        RATE,
        f"steps 1 to {len(rates.used)} used {listed}, as the {config.schedule} schedule has it",
    )


def falling(losses: Callable[[], Sequence[float]]) -> Finding:
    """Check that the mean of the last five losses is below that of the first five."""
    try:
        seen = losses()
    except TrainingDiverged as error:
        return failed(FALLING, str(error))
    first, last = sum(seen[:ENDS]) / ENDS, sum(seen[-ENDS:]) / ENDS
    said = (
        f"{first:.4f} over the first {ENDS} of {len(seen)} steps, {last:.4f} over the last {ENDS}"
    )
    if not last < first:
        return failed(FALLING, f"{said}: they do not fall at the highest rate")
    return passed(FALLING, said)


def agreeing(
    here: Sequence[float], there: Sequence[float], *, place: str, precision: str
) -> Finding:
    """Compare losses of the same steps `there` with the processor's `here`, in fp32."""
    name, limit = f"{place} {precision}", AGREE_NATS[precision]
    gaps = [abs(one - other) for one, other in zip(here, there, strict=True)]
    apart = max(gap if math.isfinite(gap) else math.inf for gap in gaps)
    said = (
        f"the losses of {len(there)} steps lie within {apart:.2g} nats of the processor's in fp32; "
        f"{limit:g} is allowed"
    )
    return passed(name, said) if apart <= limit else failed(name, said)
