"""Training steps, timed: tokens per second, what a step's time goes into, and how near the limit.

The text does not matter to the time, so the tokens are random and nothing has to be fetched. The
roofline is measured in the same run: the rate of products in the same numbers. What is counted
against it are the products of the model, as torch counts FLOPs of a forward and backward pass with
nothing left out for the future that is masked.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch.autograd.profiler import profile, record_function

from bardling.benchmarking.timing import ROUNDS, Spread, by_turns
from bardling.config import RunConfig
from bardling.data.batches import Ahead, Batch, Windows
from bardling.kernels.choice import obstacle
from bardling.machine.compiling import compiled
from bardling.machine.machine import Machine, choose_machine
from bardling.machine.measure import copy_rate, matmul_rate
from bardling.machine.memory import keep_freed_memory, most_bytes
from bardling.machine.precision import product_type
from bardling.model.effort import token_flops
from bardling.model.gpt import GPT
from bardling.model.lora import wrap
from bardling.model.size import count_parameters
from bardling.training.learner import build_learner
from bardling.training.loop import take_steps
from bardling.training.objective import pretraining_loss
from bardling.training.plan import Plan
from bardling.training.rehearsal import compile_learner

RANDOM_TOKENS = 200_000
VOCABULARY = 65  # where the config leaves it to a tokenizer
PROFILED_STEPS = 3
PARTS = ("products", "attention", "elementwise", "optimizer", "data", "rest")
PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "_linear_pointwise", "mkldnn_linear", "linear")
ATTENTION = ("softmax", "attend", "masked_fill", "scaled_dot_product")


@dataclass(frozen=True, kw_only=True)
class TrainingSpeed:
    """What a training step takes, and what of the machine it uses."""

    machine: str
    """In the words of `train`."""
    precision: str
    parameters: int
    batch_size: int
    block_size: int
    dropout: float
    optimizer: str
    tokens_per_second: Spread
    step_seconds: float
    parts: dict[str, float]
    """Share of a step's time, by kind of work."""
    flops_per_token: int
    flops_per_second: float
    """Of the model's products, by count."""
    product_flops_per_second: float
    """Of a product of large matrices here, measured beside."""
    copied_per_second: float
    """Bytes that a copy reads and writes here."""
    most_bytes: int
    """The most memory that this process has had."""

    @property
    def utilisation(self) -> float:
        """The share of the machine's products that training gets done."""
        return self.flops_per_second / self.product_flops_per_second


def stepper(config: RunConfig, machine: Machine) -> Callable[[], object]:
    """Return what takes one training step by a config, on random tokens, each time it is called."""
    keep_freed_memory()
    model_config = config.model
    if model_config.vocab_size < 1:
        model_config = replace(model_config, vocab_size=VOCABULARY)
    ids = np.random.default_rng(0).integers(0, model_config.vocab_size, RANDOM_TOKENS)
    windows = Windows(
        tokens=ids.astype(np.uint16 if model_config.vocab_size < 2**16 else np.uint32),
        block_size=model_config.block_size,
        batch_size=config.training.batch_size,
    )
    model = wrap(GPT(model_config), config.adapter).to(machine.device, machine.dtype)
    learner = build_learner(model, config.optimizer, machine, pretraining_loss)
    if machine.compiled:
        way = partial(compiled, wish=config.machine.compile)
        learner = compile_learner(learner, way, windows.batch, config.training, print)

    ahead = Ahead(windows.batch, config.batch_tokens)

    def batch(step: int, rows: range) -> Batch:
        with record_function("data"):
            return ahead(step, rows)

    plan = Plan(total_steps=10**9)
    return partial(next, take_steps(learner, batch, config.training, plan))


def tokens_per_second(
    step: Callable[[], object], tokens: int, seconds: float
) -> Callable[[], float]:
    """Return what measures the rate of steps for about so many seconds."""

    def measure() -> float:
        began, count = time.perf_counter(), 0
        while count == 0 or time.perf_counter() - began < seconds:
            step()
            count += 1
        return count * tokens / (time.perf_counter() - began)

    return measure


def measure_training(
    config: RunConfig, *, seconds: float = 2.0, rounds: int = ROUNDS
) -> TrainingSpeed:
    """Measure steps of a config for about `rounds * seconds`, and profile a few of them."""
    machine = choose_machine(
        config.machine, train_seconds=0.0, obstacle=partial(obstacle, config.model)
    )
    with machine.exactly():
        step = stepper(config, machine)
        tokens = config.batch_tokens
        work = tokens_per_second(step, tokens, seconds)
        rates = Spread.of(by_turns({"steps": work}, rounds=rounds)["steps"])
        parts = shares(step)
        products = matmul_rate(machine.device, product_type(machine.precision))
    model = replace(config.model, vocab_size=config.model.vocab_size or VOCABULARY)
    return TrainingSpeed(
        machine=machine.describe(),
        precision=machine.precision,
        parameters=count_parameters(model).total,
        batch_size=config.training.batch_size,
        block_size=model.block_size,
        dropout=model.dropout,
        optimizer=type(config.optimizer).__name__,
        tokens_per_second=rates,
        step_seconds=tokens / rates.median,
        parts=parts,
        flops_per_token=token_flops(model),
        flops_per_second=token_flops(model) * rates.median,
        product_flops_per_second=products,
        copied_per_second=copy_rate(machine.device),
        most_bytes=most_bytes(),
    )


def shares(step: Callable[[], object]) -> dict[str, float]:
    """Return the shares of a step's time by kind of work; the rest is Python and waiting."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it would talk to the terminal
    step()
    began = time.perf_counter()
    with profile(use_kineto=False) as profiler:
        for _ in range(PROFILED_STEPS):
            step()
    whole = (time.perf_counter() - began) * 1e6
    found = dict.fromkeys(PARTS, 0.0)
    for event in profiler.function_events or ():
        found[_part(event)] += event.self_cpu_time_total / whole
    found["rest"] += 1.0 - sum(found.values())
    return found


def _part(event: torch.autograd.profiler_util.FunctionEvent) -> str:
    """Return the kind of work that an event is, by its name and by what it is part of."""
    names = [event.name]
    parent = event.cpu_parent
    while parent is not None:
        names.append(parent.name)
        parent = parent.cpu_parent
    if any(name.startswith("Optimizer.") for name in names):
        return "optimizer"
    if "data" in names:
        return "data"
    own = event.name.rpartition("::")[2]
    if own in PRODUCTS:
        return "products"
    if any(word in own for word in ATTENTION):
        return "attention"
    kernel = own.endswith(("_fp32", "_bf16")) or event.name.startswith(("aten::", "cpp_fused"))
    return "elementwise" if kernel else "rest"
