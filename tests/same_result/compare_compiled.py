"""How far compiled training is from eager training, and accumulated parts from a whole batch.

    python tests/same_result/compare_compiled.py modern|classic [fp32 bf16 ...]

Four steps of plain gradient descent, so that no optimizer hides a factor, with dropout. Prints the
largest difference in losses and weights: in float64 always, in other precisions where named.
A compiler cannot see through the type checks of a test session, so the test runs this in a child.
"""

import json
import sys
from dataclasses import replace

import numpy as np
import torch

from bardling.data.batches import Windows
from bardling.machine.compiling import compiled
from bardling.machine.config import CompileWish, MachineConfig, PrecisionWish
from bardling.machine.machine import choose_machine
from bardling.model.families import classic, modern
from bardling.model.gpt import GPT
from bardling.training.config import TrainingConfig
from bardling.training.learner import build_learner
from bardling.training.loop import take_steps
from bardling.training.objective import pretraining_loss
from bardling.training.optimizer_config import SGD
from bardling.training.plan import Plan

FAMILIES = {"modern": modern, "classic": classic}
SIZES = {
    "vocab_size": 23, "block_size": 16, "n_layer": 1, "n_head": 2, "n_embd": 16, "dropout": 0.2,
}  # fmt: skip
STEPS, ROWS = 4, 6
TOKENS = np.random.default_rng(0).integers(0, 23, 900).astype(np.uint16)
WINDOWS = Windows(tokens=TOKENS, block_size=16, batch_size=ROWS, seed=1)

Outcome = tuple[list[float], torch.Tensor]


def train(
    family: str,
    precision: PrecisionWish,
    compiling: CompileWish,
    *,
    parts: int = 1,
    lr: float = 0.1,
) -> Outcome:
    """Return the losses and the weights after a few steps."""
    wishes = MachineConfig(device="cpu", precision=precision, compile=compiling, threads=1)
    machine = choose_machine(wishes, train_seconds=0.0)
    config = replace(FAMILIES[family](**SIZES), init="plain")
    model = GPT(config, seed=2).to(dtype=machine.dtype)
    learner = build_learner(model, SGD(lr=lr), machine, pretraining_loss)
    if machine.compiled:
        learner = replace(learner, loss=compiled(learner.loss))
    settings = TrainingConfig(batch_size=ROWS, accumulate=parts)
    with machine.exactly():
        taken = list(take_steps(learner, WINDOWS.batch, settings, Plan(total_steps=STEPS)))
    weights = torch.cat([p.detach().flatten().double() for p in model.parameters()])
    return [step.result.loss for step in taken], weights


def difference(one: Outcome, other: Outcome) -> float:
    """Return the largest difference of any loss or weight."""
    losses = max(abs(a - b) for a, b in zip(one[0], other[0], strict=True))
    return max(losses, (one[1] - other[1]).abs().max().item())


def main() -> None:
    """Compare and print JSON."""
    family, *precisions = sys.argv[1:]
    eager = train(family, "fp64", "off")
    found = {
        "moved": difference(eager, train(family, "fp64", "off", lr=0.0)),
        "fp64": difference(eager, train(family, "fp64", "on", parts=2)),
    }
    for precision in precisions:
        found[precision] = difference(
            train(family, precision, "off"), train(family, precision, "on", parts=2)
        )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
